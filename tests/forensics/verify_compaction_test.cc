// What verify says about the compaction store: nothing about what RocketMQ wrote, and the right place when
// any byte of a unit, a record or the positions is changed.
#include <gtest/gtest.h>

#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/commit_log_record.h"
#include "tests/forensics/part_testing.h"

namespace rmq::forensics {
namespace {

using format::BatchConsumeQueueEntry;
using format::kBatchConsumeQueueEntrySize;

constexpr std::string_view kLog = "compaction/compactionLog/CompactMe/0/00000000000000000000";
constexpr std::string_view kSecondLog = "compaction/compactionLog/CompactMe/0/00000000000000165600";
constexpr std::string_view kQueue = "compaction/compactionCq/CompactMe/0/00000000000000000000";
constexpr std::string_view kSecondQueue = "compaction/compactionCq/CompactMe/0/00000000000000165600";
constexpr std::string_view kPositions = "compaction/position-checkpoint";

const PartStore& pristine() {
  static const PartStore store("compaction");
  return store;
}

TEST(VerifyCompaction, WhatRocketMqWroteIsCleanAtEveryLevel) {
  for (const auto level :
       {VerifyLevel::quick, VerifyLevel::normal, VerifyLevel::deep, VerifyLevel::paranoid}) {
    const Judgement judgement = pristine().judge(level);
    EXPECT_TRUE(judgement.summary.clean);
    EXPECT_TRUE(judgement.of("CM-").empty()) << ::testing::PrintToString(judgement.of("CM-"));
  }
}

TEST(VerifyCompaction, EveryByteOfAUnitIsJudged) {
  PartStore store = pristine();
  for (const auto& [file, number] : std::vector<std::pair<std::string_view, std::int64_t>>{
           {kQueue, 0}, {kQueue, 5}, {kQueue, 13}, {kSecondQueue, 0}, {kSecondQueue, 9}}) {
    const std::int64_t at = number * kBatchConsumeQueueEntrySize;
    for (std::int64_t byte = 0; byte < kBatchConsumeQueueEntrySize; ++byte) {
      for (const int bit : {0, 7}) {
        std::byte& flipped = store.bytes(file)[static_cast<std::size_t>(at + byte)];
        flipped ^= std::byte{1} << bit;
        const Judgement judgement = store.judge(VerifyLevel::normal);
        EXPECT_TRUE(names_only(judgement, "CM-UNIT", file, at, at + kBatchConsumeQueueEntrySize))
            << file << number << " byte " << byte;
        EXPECT_EQ(judgement.of("CM-").size(), 1U) << ::testing::PrintToString(judgement.of("CM-"));
        EXPECT_EQ(judgement.summary.clean, byte >= 38) << byte;
        flipped ^= std::byte{1} << bit;
      }
    }
  }
}

TEST(VerifyCompaction, ZeroedUnits) {
  PartStore store = pristine();
  std::fill_n(store.bytes(kQueue).begin() + 3 * kBatchConsumeQueueEntrySize, 4 * kBatchConsumeQueueEntrySize,
              std::byte{0});
  const Judgement judgement = store.judge();
  EXPECT_TRUE(names_only(judgement, "CM-UNIT", kQueue, 3 * kBatchConsumeQueueEntrySize,
                         7 * kBatchConsumeQueueEntrySize));
  ASSERT_EQ(judgement.of("CM-").size(), 1U) << ::testing::PrintToString(judgement.of("CM-"));
  EXPECT_EQ(judgement.of("CM-").front().severity, Severity::hidden);
  EXPECT_EQ(judgement.of("CM-").front().length, 4 * kBatchConsumeQueueEntrySize);
}

TEST(VerifyCompaction, RecordsThatAreDamaged) {
  PartStore store = pristine();
  const auto unit =
      BatchConsumeQueueEntry::load(store.bytes(kQueue).data() + 5 * kBatchConsumeQueueEntrySize);
  const auto at = static_cast<std::size_t>(unit.commit_log_offset);
  const auto end = unit.commit_log_offset + unit.size;
  // Size, magic, queue id, queue offset, physical offset, a byte of the body.
  for (const std::size_t byte : {3U, 4U, 15U, 27U, 35U, 100U}) {
    store.bytes(kLog)[at + byte] ^= std::byte{1};
    const Judgement judgement = store.judge();
    ASSERT_FALSE(judgement.of("CM-").empty()) << byte;
    for (const Finding& finding : judgement.of("CM-")) {
      const bool in_record = finding.file == kLog && finding.offset < end &&
                             finding.offset + finding.length > unit.commit_log_offset;
      const bool in_unit = finding.file == kQueue && finding.offset == 5 * kBatchConsumeQueueEntrySize;
      EXPECT_TRUE(in_record || in_unit) << byte << ::testing::PrintToString(finding);
    }
    EXPECT_FALSE(judgement.summary.clean) << byte;
    store.bytes(kLog)[at + byte] ^= std::byte{1};
  }
  std::fill_n(store.bytes(kSecondLog).begin(), 2000, std::byte{0});
  EXPECT_TRUE(names_only(store.judge(), "CM-RECORD", kSecondLog, 0, 2600));
}

TEST(VerifyCompaction, TheEndOfALogThatIsGone) {
  PartStore store = pristine();
  const auto unit =
      BatchConsumeQueueEntry::load(store.bytes(kQueue).data() + 12 * kBatchConsumeQueueEntrySize);
  std::fill(store.bytes(kLog).begin() + unit.commit_log_offset, store.bytes(kLog).end(), std::byte{0});
  const Judgement judgement = store.judge();
  ASSERT_EQ(judgement.of("CM-").size(), 1U) << ::testing::PrintToString(judgement.of("CM-"));
  EXPECT_TRUE(
      names_only(judgement, "CM-RECORD", kLog, unit.commit_log_offset, std::ssize(store.bytes(kLog))));
  EXPECT_EQ(judgement.of("CM-").front().severity, Severity::hidden);  // the commit log still has them
}

TEST(VerifyCompaction, FilesThatAreGoneCutOrForeign) {
  const auto named = [](PartStore& store, std::string_view file) {
    const Judgement judgement = store.judge();
    const auto findings = judgement.of("CM-FILE");
    EXPECT_TRUE(std::ranges::any_of(findings, [&](const Finding& finding) { return finding.file == file; }))
        << file;
    EXPECT_FALSE(judgement.summary.clean) << file;
  };
  for (const std::string_view file : {kLog, kSecondLog, kQueue, kSecondQueue}) {
    PartStore gone = pristine();
    gone.remove(file);
    named(gone, file);
    PartStore cut = pristine();
    cut.resize(file, 300);
    cut.add(std::string(file).replace(file.size() - 6, 6, "999999"),
            std::string(file.find("Cq") == std::string_view::npos ? 16560 : 920, '\0'));
    named(cut, file);
  }
  PartStore stray = pristine();
  stray.add(std::string(kQueue) + ".tmp", "x");
  named(stray, std::string(kQueue) + ".tmp");
}

TEST(VerifyCompaction, Positions) {
  const auto with = [](std::string_view file, std::string_view text) {
    PartStore store = pristine();
    store.add(file, text);
    const Judgement judgement = store.judge(VerifyLevel::normal);
    EXPECT_TRUE(names_only(judgement, "CM-", file, 0, 1000)) << text;
    return worst_of(judgement.of("CM-POSITION"));
  };
  EXPECT_EQ(with(kPositions, ""), Severity::degraded);
  EXPECT_EQ(with(kPositions, "{"), Severity::degraded);
  EXPECT_EQ(with(kPositions, R"({"queueOffsetMap":{"CompactMe_0":5000}})"), Severity::degraded);
  EXPECT_EQ(with("compaction/position-checkpoint.bak", "{"), Severity::benign);
  PartStore gone = pristine();
  gone.remove(kPositions);
  EXPECT_EQ(worst_of(gone.judge().of("CM-POSITION")), Severity::degraded);
}

}  // namespace
}  // namespace rmq::forensics
