// What verify says about a DLedger log: nothing about what RocketMQ wrote, and the right place when any byte
// of an entry's head, of its index unit or of a state file is changed.
#include <gtest/gtest.h>

#include "libstore/format/dledger_entry.h"
#include "libstore/format/dledger_index_unit.h"
#include "libstore/format/dledger_state.h"
#include "tests/forensics/part_testing.h"

namespace rmq::forensics {
namespace {

using format::DledgerEntry;
using format::kDledgerEntryHeaderSize;
using format::kDledgerIndexUnitSize;

constexpr std::string_view kFirst = "dledger-n0/data/00000000000000000000";
constexpr std::string_view kLast = "dledger-n0/data/00000000000000131072";
constexpr std::string_view kIndex = "dledger-n0/index/00000000000000000000";
constexpr std::string_view kCheckpoint = "dledger-n0/checkpoint";
constexpr std::string_view kTerm = "dledger-n0/currterm";

const PartStore& pristine() {
  static const PartStore store("dledger");
  return store;
}

std::vector<std::int64_t> entries(PartStore& store, std::string_view file) {
  std::vector<std::int64_t> found;
  const auto& bytes = store.bytes(file);
  for (std::int64_t at = 0; at + kDledgerEntryHeaderSize <= std::ssize(bytes);) {
    const auto entry = DledgerEntry::parse(std::span(bytes).subspan(static_cast<std::size_t>(at)));
    if (!entry) break;
    found.push_back(at);
    at += entry->size;
  }
  return found;
}

TEST(VerifyDledger, WhatRocketMqWroteIsCleanAtEveryLevel) {
  for (const auto level :
       {VerifyLevel::quick, VerifyLevel::normal, VerifyLevel::deep, VerifyLevel::paranoid}) {
    const Judgement judgement = pristine().judge(level);
    EXPECT_TRUE(judgement.summary.clean);
    EXPECT_TRUE(judgement.of("DL-").empty()) << ::testing::PrintToString(judgement.of("DL-"));
    EXPECT_EQ(judgement.summary.records, level == VerifyLevel::quick ? judgement.summary.records : 150);
  }
}

TEST(VerifyDledger, EveryByteOfAHeadIsJudged) {
  PartStore store = pristine();
  const std::vector<std::pair<std::string_view, std::int64_t>> chosen = {
      {kFirst, 0},
      {kFirst, entries(store, kFirst)[7]},
      {kFirst, entries(store, kFirst).back()},
      {kLast, 0},
      {kLast, entries(store, kLast).back()}};
  for (const auto& [file, at] : chosen) {
    for (std::int64_t byte = 0; byte < kDledgerEntryHeaderSize; ++byte) {
      for (const int bit : {0, 5}) {
        std::byte& flipped = store.bytes(file)[static_cast<std::size_t>(at + byte)];
        flipped ^= std::byte{1} << bit;
        const Judgement judgement = store.judge(VerifyLevel::normal);
        EXPECT_TRUE(names_only(judgement, "DL-", file, at, at + kDledgerEntryHeaderSize))
            << file << " " << at << " byte " << byte;
        EXPECT_TRUE(judgement.of("CL-").empty()) << ::testing::PrintToString(judgement.of("CL-"));
        EXPECT_EQ(judgement.summary.clean, byte >= 32 && byte < 44) << file << " " << at << " byte " << byte;
        flipped ^= std::byte{1} << bit;
      }
    }
  }
}

TEST(VerifyDledger, EveryByteOfAnIndexUnitIsJudged) {
  PartStore store = pristine();
  for (const std::int64_t index : {0, 70, 149}) {
    for (std::int64_t byte = 0; byte < kDledgerIndexUnitSize; ++byte) {
      const std::int64_t at = index * kDledgerIndexUnitSize;
      std::byte& flipped = store.bytes(kIndex)[static_cast<std::size_t>(at + byte)];
      flipped ^= std::byte{2};
      const Judgement judgement = store.judge(VerifyLevel::normal);
      EXPECT_TRUE(names_only(judgement, "DL-", kIndex, at, at + kDledgerIndexUnitSize))
          << index << " byte " << byte;
      EXPECT_EQ(judgement.of("DL-").size(), 1U);
      EXPECT_FALSE(judgement.summary.clean);
      flipped ^= std::byte{2};
    }
  }
}

TEST(VerifyDledger, ABodyAndItsRecordAreTheLogs) {
  PartStore store = pristine();
  const std::int64_t at = entries(store, kFirst)[7];
  const std::int64_t body = at + kDledgerEntryHeaderSize + 90;
  store.bytes(kFirst)[static_cast<std::size_t>(body)] ^= std::byte{1};
  const Judgement judgement = store.judge();
  EXPECT_TRUE(names_only(judgement, "CL-", kFirst, at, body + 1));
  EXPECT_TRUE(judgement.of("DL-").empty());
}

TEST(VerifyDledger, AHeadAndRecordThatAreGone) {
  PartStore store = pristine();
  const auto all = entries(store, kFirst);
  std::fill(store.bytes(kFirst).begin() + all[7], store.bytes(kFirst).begin() + all[9], std::byte{0});
  const Judgement judgement = store.judge(VerifyLevel::normal);
  EXPECT_TRUE(names_only(judgement, "CL-", kFirst, all[7], all[9]));
  EXPECT_TRUE(judgement.of("DL-").empty()) << ::testing::PrintToString(judgement.of("DL-"));
}

TEST(VerifyDledger, FilesThatAreGoneCutOrForeign) {
  PartStore no_index = pristine();
  no_index.remove(kIndex);
  EXPECT_EQ(no_index.judge().of("DL-FILE").size(), 1U);
  PartStore stray = pristine();
  stray.add("dledger-n0/index/copy", "x");
  EXPECT_TRUE(names_only(stray.judge(), "DL-FILE", "dledger-n0/index/copy", 0, 1));
  PartStore zeroed = pristine();
  std::fill_n(zeroed.bytes(kIndex).begin(), 4096, std::byte{0});
  const Judgement judgement = zeroed.judge();
  ASSERT_EQ(judgement.of("DL-").size(), 1U);
  EXPECT_EQ(judgement.of("DL-").front().length, 4096);
  PartStore no_blank = pristine();
  no_blank.bytes(kFirst)[static_cast<std::size_t>(std::ssize(no_blank.bytes(kFirst)) - 1258 + 7)] ^=
      std::byte{1};
  EXPECT_EQ(worst_of(no_blank.judge().of("DL-ENTRY")), Severity::degraded);
}

TEST(VerifyDledger, StateFiles) {
  const auto with = [](std::string_view file, std::string_view text) {
    PartStore store = pristine();
    store.add(file, text);
    const Judgement judgement = store.judge(VerifyLevel::normal);
    EXPECT_TRUE(names_only(judgement, "DL-", file, 0, 1000));
    return worst_of(judgement.of("DL-STATE"));
  };
  EXPECT_EQ(with(kCheckpoint, ""), Severity::degraded);
  EXPECT_EQ(with(kCheckpoint, "committedIndex=1x\nendIndex=149\n"), Severity::degraded);
  EXPECT_EQ(with(kCheckpoint, "committedIndex=150\nendIndex=149\n"), Severity::degraded);
  EXPECT_EQ(with(kCheckpoint, "committedIndex=149\nendIndex=150\n"), Severity::degraded);
  EXPECT_EQ(with(kCheckpoint, "committedIndex=100\nendIndex=100\n"), Severity::benign);
  EXPECT_EQ(with("dledger-n0/checkpoint.bak", "committedIndex=\n"), Severity::benign);
  EXPECT_EQ(with(kTerm, "currTerm=\n"), Severity::degraded);
  EXPECT_EQ(with(kTerm, ""), Severity::degraded);
}

}  // namespace
}  // namespace rmq::forensics
