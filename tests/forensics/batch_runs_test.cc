// Finding a batch by its base offset: the answer is one about the bytes, whatever was asked before.
#include "libstore/forensics/batch_runs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "libstore/forensics/queue_table.h"
#include "libstore/forensics/verify.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/testing/memory_file_system.h"
#include "tests/scan/oracle_store.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kUnit = format::kBatchConsumeQueueEntrySize;

class BatchQueue : public ::testing::Test {
 protected:
  // One file a list; a base offset below 0 is a unit that was never written.
  void write(const std::vector<std::vector<std::int64_t>>& bases) {
    for (std::size_t i = 0; i < bases.size(); ++i) {
      scan::MappedFile file;
      file.start = static_cast<std::int64_t>(i) * units_of_a_file_ * kUnit;
      file.name = format::mapped_file_name(file.start);
      file.path = "/queue/" + file.name;
      file.size = units_of_a_file_ * kUnit;
      std::vector<std::byte> bytes(static_cast<std::size_t>(file.size));
      for (std::size_t unit = 0; unit < bases[i].size(); ++unit) {
        if (bases[i][unit] < 0) continue;
        format::BatchConsumeQueueEntry entry;
        entry.size = 100;
        entry.base_offset = bases[i][unit];
        entry.batch_size = 1;
        entry.store(bytes.data() + unit * kUnit);
      }
      files_.files[file.path].bytes = std::move(bytes);
      queue_.files.files.push_back(std::move(file));
    }
    queue_.kind = scan::QueueKind::batch;
    queue_.files.file_size = units_of_a_file_ * kUnit;
  }

  // Asks for every base offset after every other one, and with nothing asked before: always the same answer.
  std::vector<std::int64_t> found(std::int64_t highest) {
    const QueueState state(queue_);
    std::vector<std::int64_t> numbers;
    for (std::int64_t base = 0; base <= highest; ++base) {
      UnitReader alone(files_, state, 512);
      numbers.push_back(alone.find_batch(base).value_or(-1));
    }
    for (std::int64_t before = 0; before <= highest; ++before) {
      for (std::int64_t base = 0; base <= highest; ++base) {
        UnitReader reader(files_, state, 512);
        (void)reader.find_batch(before);
        EXPECT_EQ(reader.find_batch(base).value_or(-1), numbers[static_cast<std::size_t>(base)])
            << base << " after " << before;
      }
    }
    return numbers;
  }

  testing::MemoryFileSystem files_;
  scan::Queue queue_;
  std::int64_t units_of_a_file_ = 6;
};

using Numbers = std::vector<std::int64_t>;

TEST_F(BatchQueue, EveryBatchIsFoundWhereItLies) {
  write({{0, 1, 2, 3, 4, 5}, {6, 8, 10}});
  EXPECT_EQ(found(11), (Numbers{0, 1, 2, 3, 4, 5, 6, -1, 7, -1, 8, -1}));
}

TEST_F(BatchQueue, FilesWithSwappedNames) {
  write({{6, 7, 8, 9, 10, 11}, {0, 1, 2, 3, 4, 5}});
  EXPECT_EQ(found(11), (Numbers{6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5}));
}

TEST_F(BatchQueue, OfACopiedFileTheLast) {
  write({{0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5}, {12, 13}});
  EXPECT_EQ(found(13), (Numbers{6, 7, 8, 9, 10, 11, -1, -1, -1, -1, -1, -1, 12, 13}));
}

TEST_F(BatchQueue, ADamagedUnitHidesNoOther) {
  write({{0, 1, 20, 3, 4, 5}, {6, 0, 8, 9, -1, 11}, {5, 13, 13, 12, 13, 14}});
  const Numbers numbers = found(20);
  EXPECT_EQ(numbers, (Numbers{7, 1, -1, 3, 4, 12, 6, -1, 8, 9, -1, 11, 15, 16, 17, -1, -1, -1, -1, -1, 2}));
}

TEST_F(BatchQueue, NamesThatAreNoMultipleOfAUnit) {
  write({{0, 1, 2, 3, 4, 5}, {6, 7, 8, 9, 10, 11}});
  for (const std::int64_t off : {1, 45, 47}) {
    queue_.files.files[1].start = units_of_a_file_ * kUnit + off;
    found(11);
  }
}

TEST_F(BatchQueue, AFileThatCannotBeRead) {
  write({{0, 1, 2, 3, 4, 5}, {6, 7, 8, 9, 10, 11}, {12, 13}});
  files_.files[queue_.files.files[1].path].bad.emplace_back(0, 40);
  EXPECT_EQ(found(13), (Numbers{0, 1, 2, 3, 4, 5, -1, -1, -1, -1, -1, -1, 12, 13}));
  files_.files.erase(queue_.files.files[0].path);
  EXPECT_EQ(found(13), (Numbers{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 12, 13}));
}

TEST_F(BatchQueue, AFileOfRubbishDoesNotHideTheOthers) {
  units_of_a_file_ = 400;
  std::vector<std::int64_t> rubbish;
  for (std::int64_t i = 0; i < units_of_a_file_; ++i) rubbish.push_back(i * 7919 % 1009);
  write({rubbish, {6, 7, 8, 9, 10, 11}});
  const Numbers numbers = found(60);
  for (std::int64_t base = 6; base <= 11; ++base)
    EXPECT_EQ(numbers[static_cast<std::size_t>(base)], 400 + base - 6);
  EXPECT_EQ(numbers[0], 0);
}

TEST_F(BatchQueue, AFileThatOnlyFalls) {
  units_of_a_file_ = 400;
  std::vector<std::int64_t> falling;
  for (std::int64_t i = 0; i < units_of_a_file_; ++i) falling.push_back(units_of_a_file_ - i);
  write({falling, {6, 7, 8}});
  EXPECT_EQ(found(9), (Numbers{-1, -1, -1, -1, -1, -1, 400, 401, 402, -1}));  // more runs than any queue has
}

// Every queue file of a real store over every other one of its queue: one job and two find the same.
TEST(BatchQueueStore, FilesCopiedOverOthers) {
  for (const char* name : {"batch-inner", "batch-flat"}) {
    const testing::OracleStore oracle(testing::oracle_stores() / name, testing::unpacked_oracle_stores());
    testing::MemoryFileSystem good;
    good.load(oracle.root().string());
    scan::StoreConfig config;
    config.root = oracle.root().string();
    const auto survey = scan::survey_store(good, config);
    ASSERT_TRUE(survey);
    int copies = 0;
    for (const scan::Queue& queue : survey->queues) {
      for (const scan::MappedFile& from : queue.files.files) {
        for (const scan::MappedFile& to : queue.files.files) {
          if (&from == &to) continue;
          testing::MemoryFileSystem files = good;
          files.files[to.path] = good.files.at(from.path);
          std::vector<std::string> texts;
          for (const std::size_t jobs : {1U, 2U, 3U}) {
            VerifyOptions options;
            options.jobs = jobs;
            std::string& text = texts.emplace_back();
            const auto summary = run_verify(files, *survey, options, [&](const Finding& finding) {
              text += std::string(finding.code) + " " + finding.file + " " + std::to_string(finding.offset) +
                      "+" + std::to_string(finding.length) + " " + finding.message + "\n";
            });
            EXPECT_FALSE(summary.clean);
          }
          EXPECT_EQ(texts[0], texts[1]) << from.shown << " over " << to.shown;
          EXPECT_EQ(texts[0], texts[2]) << from.shown << " over " << to.shown;
          ++copies;
        }
      }
    }
    EXPECT_GT(copies, 0) << name;
  }
}

}  // namespace
}  // namespace rmq::forensics
