#include "libstore/derive/queue_tail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "libstore/testing/simulated_file_system.h"
#include "tests/derive/queue_model.h"

namespace rmq::derive {
namespace {

using derive::testing::LogOfMessages;
using derive::testing::small_options;
using rmq::testing::SimulatedFileSystem;

constexpr std::int64_t kUnitsInFile = 5000;

// One queue of 1.5 files, message n at log offset 100 * n and 100 bytes long, beginning with queue offset
// `begin`.
class QueueTailTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t kBegin = 30;
  static constexpr std::int64_t kEnd = 7500;
  static std::int64_t log_offset(std::int64_t unit) { return 1000 + 100 * unit; }

  void SetUp() override {
    for (std::int64_t start = 0; start < 2; ++start) {
      std::vector<std::byte>& bytes = files_[start];
      bytes.resize(kUnitsInFile * 20);
      for (std::int64_t i = 0; i < kUnitsInFile; ++i) {
        const std::int64_t unit = start * kUnitsInFile + i;
        if (unit >= kEnd) break;
        auto entry = format::ConsumeQueueEntry{log_offset(unit), 100, unit};
        if (unit < kBegin) entry = format::kPreBlankEntry;
        entry.store(bytes.data() + 20 * i);
      }
    }
  }

  Result<QueueTail> find(const TailBounds& bounds = {}) {
    SimulatedFileSystem disk(1);
    scan::Queue queue;
    queue.topic = "A";
    queue.files.file_size = kUnitsInFile * 20;
    for (int i = 0; i < 2; ++i) {
      if (files_[i].empty()) continue;
      scan::MappedFile file;
      file.path = file.shown = "/q/" + format::mapped_file_name(i * queue.files.file_size);
      file.size = static_cast<std::int64_t>(files_[i].size());
      file.start = i * queue.files.file_size;
      disk.put(file.path, files_[i]);
      queue.files.files.push_back(file);
    }
    const std::uint64_t reads = disk.reads();
    auto tail = find_queue_tail(disk, queue, bounds);
    reads_ = disk.reads() - reads;
    return tail;
  }
  std::byte* unit(std::int64_t number) {
    return files_[number / kUnitsInFile].data() + number % kUnitsInFile * 20;
  }

  std::vector<std::byte> files_[2];
  std::uint64_t reads_ = 0;
};

TEST_F(QueueTailTest, FindsBothEndsWithFewReads) {
  const auto tail = find();
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->first, kBegin);
  EXPECT_EQ(tail->end, kEnd);
  EXPECT_EQ(tail->next_offset, kEnd);
  EXPECT_EQ(tail->max_physic, log_offset(kEnd));
  EXPECT_EQ(tail->files_end, 2 * kUnitsInFile * 20);
  EXPECT_LE(reads_, 40U);
}

TEST_F(QueueTailTest, EveryEndIsFound) {
  for (std::int64_t end = kEnd; end > 0; end = end > 5100 || end < 100 ? end - 1 : end - 37) {
    const auto tail = find({0, log_offset(end)});
    ASSERT_TRUE(tail);
    ASSERT_EQ(tail->end, std::max(end, kBegin)) << end;
    ASSERT_EQ(tail->max_physic, end > kBegin ? log_offset(end) : -1) << end;
    if (end == 4900) std::memset(files_[1].data(), 0, files_[1].size());
  }
}

TEST_F(QueueTailTest, EveryBeginningIsFound) {
  for (std::int64_t begin = 0; begin <= kEnd + 1; begin += 97) {
    const auto tail = find({log_offset(begin), INT64_MAX});
    ASSERT_TRUE(tail);
    EXPECT_EQ(tail->first, std::clamp(begin, kBegin, kEnd));
    EXPECT_EQ(tail->min_offset, tail->first);
    EXPECT_EQ(tail->end, kEnd);
  }
}

TEST_F(QueueTailTest, OnlyBlanksAreNoEndOfTheLog) {
  std::memset(unit(kBegin), 0, (kUnitsInFile - kBegin) * 20);
  files_[1].clear();
  const auto tail = find();
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->end, kBegin);
  EXPECT_EQ(tail->max_physic, -1);
}

TEST_F(QueueTailTest, FilesWithoutAUnit) {
  for (auto& file : files_) std::ranges::fill(file, std::byte());
  const auto tail = find();
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->first, -1);
  EXPECT_EQ(tail->end, 0);
  EXPECT_EQ(tail->files_end, 2 * kUnitsInFile * 20);
  for (auto& file : files_) file.clear();
  const auto none = find();
  ASSERT_TRUE(none);
  EXPECT_EQ(none->first, -1);
  EXPECT_EQ(none->files_end, 0);
}

// Sectors behind what is known to be on disk are there or not, in any order.
TEST_F(QueueTailTest, UnitsInPiecesBehindTheKnownEndDoNotMatter) {
  std::mt19937_64 random(7);
  const auto whole = files_[1];
  for (int round = 0; round < 500; ++round) {
    files_[1] = whole;
    const std::int64_t known = kUnitsInFile + static_cast<std::int64_t>(random() % 2400);
    for (std::size_t sector = 0; sector < whole.size(); sector += 512) {
      if (random() % 2 == 0) continue;
      const std::size_t end = std::min(sector + 512, whole.size());
      const std::size_t from = std::max(sector, static_cast<std::size_t>((known - kUnitsInFile) * 20));
      if (from < end) std::memset(files_[1].data() + from, 0, end - from);
    }
    const auto tail = find({0, log_offset(known)});
    ASSERT_TRUE(tail);
    ASSERT_EQ(tail->end, known) << "round " << round;
  }
}

TEST_F(QueueTailTest, AZeroUnitBeforeTheEndEndsTheQueueWhereTheSearchComesBy) {
  std::memset(unit(kEnd - 20), 0, 20);
  EXPECT_EQ(find()->end, kEnd - 20);
}

TEST_F(QueueTailTest, FilesThatDoNotFollowOneAnotherAreRefused) {
  files_[1].pop_back();
  EXPECT_EQ(find().error().code, ErrorCode::wrong_use);
}

TEST(BatchQueueTail, FindsTheEnd) {
  SimulatedFileSystem disk(1);
  QueueWriterOptions options = small_options();
  options.batch_file_size = 1000 * format::kBatchConsumeQueueEntrySize;
  for (const std::size_t count : {1U, 2U, 43U, 44U, 45U, 999U, 1000U, 1001U, 2500U}) {
    QueueWriter queues(disk, options);
    const std::string topic = "Batch" + std::to_string(count);
    LogOfMessages log;
    log.begin(topic, 0, 77);
    for (std::size_t i = 0; i < count; ++i)
      (void)queues.put({&log.add(topic, 0, static_cast<std::int16_t>(1 + i % 3)), 1});
    ASSERT_TRUE(queues.flush());
    scan::Queue queue;
    queue.kind = scan::QueueKind::batch;
    queue.files.file_size = options.batch_file_size;
    const std::string directory = std::string(derive::testing::kBatch) + "/" + topic + "/0";
    for (const auto& entry : *disk.list(directory)) {
      scan::MappedFile file;
      file.path = file.shown = io::join_path(directory, entry.name);
      file.size = entry.size;
      file.start = *format::parse_mapped_file_name(entry.name);
      queue.files.files.push_back(file);
    }
    const auto tail = find_queue_tail(disk, queue, {});
    ASSERT_TRUE(tail) << tail.error().message();
    EXPECT_EQ(tail->end, static_cast<std::int64_t>(count));
    EXPECT_EQ(tail->first, 0);
    EXPECT_EQ(tail->min_offset, 77);
    EXPECT_EQ(tail->next_offset, queues.range(topic, 0)->next_offset);
    EXPECT_EQ(tail->max_physic, log.messages().back().log_offset);
    const auto part = find_queue_tail(disk, queue, {log.messages()[count / 2].log_offset, INT64_MAX});
    EXPECT_EQ(part->first, static_cast<std::int64_t>(count / 2));
    EXPECT_EQ(part->min_offset, log.messages()[count / 2].base_offset);
  }
}

}  // namespace
}  // namespace rmq::derive
