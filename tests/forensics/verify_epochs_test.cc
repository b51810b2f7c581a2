// What verify says about the epochs of a store in controller mode.
#include <gtest/gtest.h>

#include "libstore/format/epoch_checkpoint.h"
#include "tests/forensics/part_testing.h"

namespace rmq::forensics {
namespace {

constexpr std::string_view kMain = "epochFileCheckpoint";
constexpr std::string_view kBackup = "epochFileCheckpoint.bak";

const PartStore& pristine() {
  static const PartStore store("ha-epoch");
  return store;
}

TEST(VerifyEpochs, WhatRocketMqWroteIsCleanAtEveryLevel) {
  for (const auto level :
       {VerifyLevel::quick, VerifyLevel::normal, VerifyLevel::deep, VerifyLevel::paranoid}) {
    const Judgement judgement = pristine().judge(level);
    EXPECT_TRUE(judgement.summary.clean);
    EXPECT_TRUE(judgement.of("HA-").empty());
  }
}

TEST(VerifyEpochs, EveryByteIsJudged) {
  for (const std::string_view file : {kMain, kBackup}) {
    PartStore store = pristine();
    const auto size = static_cast<std::int64_t>(store.bytes(file).size());
    for (std::byte& byte : store.bytes(file)) {
      byte ^= std::byte{1};
      const Judgement judgement = store.judge(VerifyLevel::normal);
      EXPECT_TRUE(names_only(judgement, "HA-", file, 0, size));
      EXPECT_EQ(judgement.summary.clean, file == kBackup);
      byte ^= std::byte{1};
    }
    store.resize(file, static_cast<std::size_t>(size / 2));
    EXPECT_TRUE(names_only(store.judge(VerifyLevel::normal), "HA-", file, 0, size));
  }
}

TEST(VerifyEpochs, FilesThatAreGone) {
  PartStore store = pristine();
  store.remove(kMain);
  EXPECT_EQ(worst_of(store.judge().of("HA-EPOCH")), Severity::degraded);
  PartStore without_backup = pristine();
  without_backup.remove(kBackup);
  EXPECT_TRUE(without_backup.judge().summary.clean);
}

TEST(VerifyEpochs, EpochsThatContradictTheLogOrEachOther) {
  const auto with = [](std::vector<format::EpochEntry> entries) {
    PartStore store = pristine();
    store.add(kMain, format::EpochCheckpoint{std::move(entries)}.encode());
    return worst_of(store.judge().of("HA-EPOCH"));
  };
  EXPECT_EQ(with({{2, 0}, {5, 37173}}), Severity::benign);
  EXPECT_EQ(with({{2, 0}, {5, 9'000'000}}), Severity::degraded);
  EXPECT_EQ(with({{5, 0}, {2, 37173}}), Severity::degraded);
  EXPECT_EQ(with({{2, 37173}, {5, 0}}), Severity::degraded);
}

}  // namespace
}  // namespace rmq::forensics
