#include "libstore/derive/queue_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include "libstore/format/mapped_file_name.h"
#include "libstore/testing/simulated_file_system.h"
#include "tests/derive/queue_model.h"

namespace rmq::derive {
namespace {

using derive::testing::expected_images;
using derive::testing::images;
using derive::testing::LogOfMessages;
using derive::testing::small_options;
using derive::testing::some_log;
using rmq::testing::SimulatedFileSystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

format::ConsumeQueueEntry unit_of(const DispatchRequest& message) {
  return {message.log_offset, message.size, message.tags_code};
}

std::vector<format::ConsumeQueueEntry> units(const std::vector<std::byte>& file) {
  std::vector<format::ConsumeQueueEntry> found;
  for (std::size_t at = 0; at + 20 <= file.size(); at += 20)
    found.push_back(format::ConsumeQueueEntry::load(file.data() + at));
  return found;
}

std::vector<format::ConsumeQueueEntry> read_units(const QueueWriter& queues, std::string_view topic,
                                                  std::int32_t id, std::int64_t from,
                                                  std::size_t most = 1000) {
  std::vector<format::ConsumeQueueEntry> found;
  std::vector<std::byte> bytes(most * 20);
  while (found.size() < most) {
    const auto got = queues.read(topic, id, from + static_cast<std::int64_t>(found.size()),
                                 std::span(bytes).first((most - found.size()) * 20));
    if (!got || *got == 0) break;
    for (std::size_t i = 0; i < *got; ++i)
      found.push_back(format::ConsumeQueueEntry::load(bytes.data() + 20 * i));
  }
  return found;
}

std::vector<format::ConsumeQueueEntry> units_of(const LogOfMessages& log, std::string_view topic,
                                                std::int32_t id) {
  std::vector<format::ConsumeQueueEntry> found;
  for (const DispatchRequest& message : log.messages())
    if (message.topic == topic && message.queue_id == id) found.push_back(unit_of(message));
  return found;
}

class QueueWriterTest : public ::testing::Test {
 protected:
  PutReport put(const DispatchRequest& request) { return queues_.put({&request, 1}); }
  std::vector<std::byte> file(const std::string& path) { return *io::read_all(disk_, path, 1 << 20); }
  bool exists(const std::string& path) { return disk_.stat(path).has_value(); }

  SimulatedFileSystem disk_{1};
  QueueWriterOptions options_ = small_options();
  QueueWriter queues_{disk_, options_};
};

TEST_F(QueueWriterTest, PutsUnitsWhereTheirQueueOffsetsSay) {
  LogOfMessages log;
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(put(log.add("A")).status);
  EXPECT_FALSE(exists("/store"));  // nothing is written but by write_out

  ASSERT_TRUE(queues_.flush());
  EXPECT_EQ(images(disk_, "/store"), expected_images(log.messages(), options_));
  EXPECT_THAT(images(disk_, "/store"), SizeIs(3));
}

TEST_F(QueueWriterTest, AQueueThatBeginsWithinAFileBeginsWithBlanks) {
  LogOfMessages log;
  log.begin("A", 3, 19);
  ASSERT_TRUE(put(log.add("A", 3)).status);
  ASSERT_TRUE(queues_.flush());
  const auto found = units(file("/store/consumequeue/A/3/00000000000000000320"));
  ASSERT_THAT(found, SizeIs(16));
  EXPECT_TRUE(found[0].is_pre_blank());
  EXPECT_TRUE(found[2].is_pre_blank());
  EXPECT_EQ(found[3], unit_of(log.messages()[0]));
  EXPECT_FALSE(found[4].is_used());
  const auto range = queues_.range("A", 3);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 19);
  EXPECT_EQ(range->min_offset, 19);
  EXPECT_EQ(range->next_offset, 20);
}

TEST_F(QueueWriterTest, AQueueThatBeginsWithAFileHasNoBlanks) {
  LogOfMessages log;
  log.begin("A", 0, 32);
  ASSERT_TRUE(put(log.add("A")).status);
  ASSERT_TRUE(queues_.flush());
  EXPECT_EQ(images(disk_, "/store"), expected_images(log.messages(), options_));
  EXPECT_TRUE(exists("/store/consumequeue/A/0/00000000000000000640"));
}

TEST_F(QueueWriterTest, DropsWhatTheQueueHasAlready) {
  LogOfMessages log;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put(log.add("A")).status);
  const PutReport again = queues_.put(log.messages());
  EXPECT_EQ(again.taken, 5U);
  EXPECT_EQ(again.appended, 0);
  EXPECT_EQ(again.already_there, 5);
  EXPECT_THAT(again.holes, IsEmpty());
  EXPECT_EQ(queues_.range("A", 0)->next_offset, 5);
}

TEST_F(QueueWriterTest, RefusesAMessageThatLeavesAHole) {
  LogOfMessages log;
  ASSERT_TRUE(put(log.add("A")).status);
  log.begin("A", 0, 3);
  const PutReport report = put(log.add("A"));
  EXPECT_TRUE(report.status);
  EXPECT_EQ(report.taken, 1U);
  EXPECT_EQ(report.appended, 0);
  ASSERT_THAT(report.holes, SizeIs(1));
  EXPECT_EQ(report.holes[0].topic, "A");
  EXPECT_EQ(report.holes[0].expected, 1);
  EXPECT_EQ(report.holes[0].found, 3);
  EXPECT_FALSE(report.holes[0].appended);
  log.begin("A", 0, 0);  // a second life of the queue, though nobody deleted the first
  EXPECT_THAT(put(log.add("A")).holes, SizeIs(1));
  EXPECT_EQ(queues_.range("A", 0)->next_offset, 1);
}

TEST_F(QueueWriterTest, FillsAHoleWithBlanksWhereTold) {
  options_.holes = HoleRule::blank;
  QueueWriter queues(disk_, options_);
  LogOfMessages log;
  (void)queues.put({&log.add("A"), 1});
  log.begin("A", 0, 14);
  const PutReport report = queues.put({&log.add("A"), 1});
  ASSERT_THAT(report.holes, SizeIs(1));
  EXPECT_TRUE(report.holes[0].appended);
  EXPECT_EQ(report.appended, 1);
  log.begin("A", 0, 15 + 17);  // more than a file
  EXPECT_FALSE(queues.put({&log.add("A"), 1}).holes.at(0).appended);
  // A write that would end in a blank goes on to the unit behind them.
  ASSERT_EQ(queues.write_out({40, 1})->files, 1);
  const auto found = units(file("/store/consumequeue/A/0/00000000000000000000"));
  EXPECT_EQ(found[0], unit_of(log.messages()[0]));
  for (std::size_t i = 1; i < 14; ++i) EXPECT_TRUE(found[i].is_pre_blank()) << i;
  EXPECT_EQ(found[14], unit_of(log.messages()[1]));
}

TEST_F(QueueWriterTest, NamesAndNumbersThatNoQueueCanHaveAreLeftOut) {
  LogOfMessages log;
  const std::string long_name(256, 'a');
  for (const std::string& topic : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                                   std::string("a\0b", 3), long_name})
    EXPECT_EQ(put(log.add(topic)).unusable, 1) << topic;
  EXPECT_EQ(put(log.add("A", -1)).unusable, 1);
  DispatchRequest odd = log.add("A");
  odd.queue_offset = -1;
  EXPECT_EQ(put(odd).unusable, 1);
  odd.queue_offset = INT64_MAX / 2;
  EXPECT_EQ(put(odd).unusable, 1);
  DispatchRequest batch = log.add("BatchA");
  batch.batch_size = 0;
  EXPECT_EQ(put(batch).unusable, 1);
  ASSERT_TRUE(queues_.flush());
  EXPECT_FALSE(exists("/store"));
}

TEST_F(QueueWriterTest, HalfMessagesAndRollbacksEnterNoQueueButCount) {
  LogOfMessages log;
  for (const std::int32_t type : {format::kSysFlagTransactionPrepared, format::kSysFlagTransactionRollback}) {
    DispatchRequest half = log.add("A");
    half.sys_flag = type;
    const PutReport report = put(half);
    EXPECT_EQ(report.taken, 1U);
    EXPECT_EQ(report.appended + report.unusable, 0);
  }
  EXPECT_EQ(queues_.durable().log_offset, log.end());
  EXPECT_FALSE(queues_.range("A", 0));
}

TEST_F(QueueWriterTest, QueuesThatAreNotWantedGetNothing) {
  options_.kind_of = [](std::string_view topic, std::int32_t queue_id) {
    return topic == "A" && queue_id == 1 ? std::optional(scan::QueueKind::simple) : std::nullopt;
  };
  QueueWriter queues(disk_, options_);
  LogOfMessages log;
  for (const std::int32_t queue : {0, 1, 0, 1, 2}) ASSERT_TRUE(queues.put({&log.add("A", queue), 1}).status);
  ASSERT_TRUE(queues.flush());
  EXPECT_FALSE(queues.range("A", 0));
  EXPECT_THAT(images(disk_, "/store"), SizeIs(1));
  EXPECT_EQ(read_units(queues, "A", 1, 0), units_of(log, "A", 1));
}

TEST_F(QueueWriterTest, FurtherQueuesOfAMessageHaveAUnitOfItEach) {
  LogOfMessages log;
  DispatchRequest message = log.add("A", 7);
  message.multi_queues = "%LMQ%x,B,a/b,%LMQ%y";
  message.multi_offsets = "0,4,5,8";
  message.lmq = true;
  EXPECT_EQ(put(message).appended, 4);
  EXPECT_THAT(read_units(queues_, "%LMQ%x", 0, 0), ElementsAre(unit_of(message)));
  EXPECT_THAT(read_units(queues_, "B", 7, 4), ElementsAre(unit_of(message)));
  EXPECT_THAT(read_units(queues_, "%LMQ%y", 0, 8), ElementsAre(unit_of(message)));
  ASSERT_TRUE(queues_.flush());
  EXPECT_THAT(images(disk_, "/store"), SizeIs(4));
  // Again, as after a restart: all of them know it.
  const PutReport again = put(message);
  EXPECT_EQ(again.appended, 0);
  EXPECT_EQ(again.already_there, 4);
}

TEST_F(QueueWriterTest, BatchQueuesAreFoundByQueueOffset) {
  LogOfMessages log;
  log.begin("BatchA", 0, 1000);
  for (int i = 0; i < 30; ++i)
    ASSERT_TRUE(put(log.add("BatchA", 0, static_cast<std::int16_t>(1 + i % 4))).status);
  for (const bool flushed : {false, true}) {
    if (flushed) {
      ASSERT_TRUE(queues_.flush());
    }
    std::int64_t unit = 0;
    for (const DispatchRequest& message : log.messages()) {
      for (std::int64_t offset = message.base_offset; offset < message.base_offset + message.batch_size;
           ++offset)
        EXPECT_EQ(queues_.find_batch("BatchA", 0, offset).value(), unit) << offset;
      ++unit;
    }
    EXPECT_EQ(queues_.find_batch("BatchA", 0, 999).value(), std::nullopt);
    EXPECT_EQ(queues_.find_batch("BatchA", 0, queues_.range("BatchA", 0)->next_offset).value(), std::nullopt);
  }
  EXPECT_EQ(images(disk_, "/store"), expected_images(log.messages(), options_));
}

TEST_F(QueueWriterTest, ABatchThatGoesBackIsRefusedAndOneThatSkipsIsNot) {
  LogOfMessages log;
  (void)put(log.add("BatchA", 0, 5));
  log.begin("BatchA", 0, 3);
  const PutReport back = put(log.add("BatchA"));
  ASSERT_THAT(back.holes, SizeIs(1));
  EXPECT_FALSE(back.holes[0].appended);
  log.begin("BatchA", 0, 9);
  const PutReport skips = put(log.add("BatchA"));
  ASSERT_THAT(skips.holes, SizeIs(1));
  EXPECT_TRUE(skips.holes[0].appended);
  EXPECT_EQ(queues_.range("BatchA", 0)->next_offset, 10);
  EXPECT_EQ(queues_.find_batch("BatchA", 0, 7).value(), std::nullopt);
  EXPECT_EQ(queues_.find_batch("BatchA", 0, 9).value(), 1);
}

TEST_F(QueueWriterTest, UnitsAreReadableFromTheMomentTheyArePut) {
  LogOfMessages log;
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(put(log.add("A")).status);
    if (i == 123 || i == 301) {
      ASSERT_TRUE(queues_.write_out({700, 100}));
    }
    if (i == 400) {
      ASSERT_TRUE(queues_.flush());
    }
  }
  EXPECT_EQ(read_units(queues_, "A", 0, 0), units_of(log, "A", 0));
  EXPECT_THAT(read_units(queues_, "A", 0, 499), ElementsAre(unit_of(log.messages().back())));
  EXPECT_THAT(read_units(queues_, "A", 0, 500), IsEmpty());
  EXPECT_THAT(read_units(queues_, "A", 0, -1), IsEmpty());
  EXPECT_THAT(read_units(queues_, "A", 1, 0), IsEmpty());
}

TEST_F(QueueWriterTest, WritesTheOldestFirstAndKeepsToItsLimits) {
  LogOfMessages log;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put(log.add("T" + std::to_string(i))).status);
  ASSERT_TRUE(put(log.add("T0")).status);
  auto step = queues_.write_out({1 << 20, 2});
  ASSERT_TRUE(step);
  EXPECT_EQ(step->files, 2);
  EXPECT_TRUE(step->more);
  EXPECT_TRUE(exists("/store/consumequeue/T0/0"));
  EXPECT_TRUE(exists("/store/consumequeue/T1/0"));
  EXPECT_FALSE(exists("/store/consumequeue/T2/0"));
  // Files that are new are on disk at once.
  EXPECT_EQ(queues_.durable().log_offset, log.messages()[2].log_offset);
  EXPECT_EQ(queues_.durable().store_timestamp, log.messages()[2].store_timestamp - 1);
  step = queues_.write_out({20, 100});
  EXPECT_EQ(step->files, 1);
  step = queues_.write_out({1 << 20, 100});
  EXPECT_EQ(step->files, 2);
  EXPECT_FALSE(step->more);
  EXPECT_EQ(queues_.durable().log_offset, log.end());
}

TEST_F(QueueWriterTest, ClaimsNothingThatIsNotSynced) {
  LogOfMessages log;
  ASSERT_TRUE(put(log.add("A")).status);
  ASSERT_TRUE(put(log.add("B")).status);
  ASSERT_TRUE(queues_.flush());
  const DispatchRequest a = log.add("A");
  const DispatchRequest b = log.add("B");
  ASSERT_TRUE(put(a).status);
  ASSERT_TRUE(put(b).status);
  ASSERT_TRUE(queues_.write_out({}));
  EXPECT_EQ(queues_.durable().log_offset, a.log_offset);
  auto step = queues_.sync({1, 1});
  EXPECT_EQ(step->files, 1);
  EXPECT_TRUE(step->more);
  EXPECT_EQ(queues_.durable().log_offset, b.log_offset);
  step = queues_.sync({});
  EXPECT_FALSE(step->more);
  EXPECT_EQ(queues_.durable().log_offset, log.end());
  EXPECT_EQ(queues_.durable().store_timestamp, b.store_timestamp);
}

TEST_F(QueueWriterTest, KeepsToItsMemoryByWritingTheOldest) {
  options_.memory_limit = 64 * 256;
  QueueWriter queues(disk_, options_);
  LogOfMessages log;
  for (int i = 0; i < 3000; ++i) {
    const PutReport report = queues.put({&log.add("T" + std::to_string(i % 100), i % 3), 1});
    ASSERT_TRUE(report.status) << report.status.error().message();
    ASSERT_LE(queues.usage().unit_memory, options_.memory_limit);
  }
  ASSERT_TRUE(queues.flush());
  EXPECT_EQ(queues.usage().unit_memory, 0);
  EXPECT_EQ(images(disk_, "/store"), expected_images(log.messages(), options_));
}

TEST_F(QueueWriterTest, AFullDiskStopsPuttingUntilThereIsRoom) {
  options_.memory_limit = 4 * 256;
  QueueWriter queues(disk_, options_);
  disk_.set_capacity(1 << 20);
  LogOfMessages log;
  std::size_t done = 0;
  const auto put_all = [&] {
    const PutReport report = queues.put(std::span(log.messages()).subspan(done));
    done += report.taken;
    return report.status;
  };
  for (int i = 0; i < 1000; ++i) log.add("T" + std::to_string(i));
  const Status stopped = put_all();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().os_errno, ENOSPC);
  EXPECT_LT(done, 1000U);
  EXPECT_FALSE(put_all());
  disk_.set_capacity(1 << 30);
  EXPECT_TRUE(put_all());
  EXPECT_EQ(done, 1000U);
  ASSERT_TRUE(queues.flush());
  EXPECT_EQ(images(disk_, "/store"), expected_images(log.messages(), options_));
}

TEST_F(QueueWriterTest, NothingIsWrittenAfterASyncThatFailed) {
  LogOfMessages log;
  ASSERT_TRUE(put(log.add("A")).status);
  ASSERT_TRUE(queues_.flush());
  ASSERT_TRUE(put(log.add("A")).status);
  ASSERT_TRUE(queues_.write_out({}));
  const DerivedUpTo before = queues_.durable();
  disk_.fail_syncs(EIO);
  const auto failed = queues_.sync({});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().os_errno, EIO);
  disk_.fail_syncs(0);
  EXPECT_FALSE(queues_.sync({}));
  EXPECT_FALSE(queues_.write_out({}));
  EXPECT_FALSE(queues_.flush());
  EXPECT_EQ(queues_.durable().log_offset, before.log_offset);
  EXPECT_TRUE(put(log.add("A")).status);  // while there is memory
  EXPECT_EQ(read_units(queues_, "A", 0, 0), units_of(log, "A", 0));
}

TEST_F(QueueWriterTest, AFileRemovedBeneathIsNamed) {
  LogOfMessages log;
  ASSERT_TRUE(put(log.add("A")).status);
  ASSERT_TRUE(queues_.flush());
  disk_.remove_beneath("/store/consumequeue/A");
  ASSERT_TRUE(put(log.add("A")).status);
  const auto step = queues_.write_out({});
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().code, ErrorCode::not_found);
  EXPECT_NE(step.error().message().find("/store/consumequeue/A/0/00000000000000000000"), std::string::npos);
}

TEST_F(QueueWriterTest, ATopicThatWasDeletedBeginsAnew) {
  LogOfMessages log;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put(log.add("A")).status);
  ASSERT_TRUE(queues_.write_out({}));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put(log.add("A")).status);
  queues_.forget("A", 0);
  disk_.remove_beneath("/store/consumequeue/A");
  EXPECT_FALSE(queues_.range("A", 0));
  EXPECT_THAT(queues_.names(), IsEmpty());
  EXPECT_THAT(read_units(queues_, "A", 0, 0), IsEmpty());
  EXPECT_EQ(queues_.durable().log_offset, log.end());
  EXPECT_EQ(queues_.usage().unit_memory, 0);
  LogOfMessages second(log.end());
  for (int i = 0; i < 3; ++i) ASSERT_EQ(put(second.add("A")).appended, 1);
  ASSERT_TRUE(queues_.flush());
  EXPECT_EQ(images(disk_, "/store"), expected_images(second.messages(), options_));
}

TEST_F(QueueWriterTest, ManyQueuesAreSyncedTogether) {
  constexpr int kQueues = 300;
  disk_.set_write_back(0);
  LogOfMessages log;
  const auto put_to_all = [&] {
    for (int id = 0; id < kQueues; ++id) ASSERT_EQ(put(log.add("A", id)).appended, 1);
  };
  put_to_all();
  ASSERT_TRUE(queues_.flush());
  put_to_all();
  const std::uint64_t before = disk_.calls();
  ASSERT_TRUE(queues_.flush());
  EXPECT_LE(disk_.calls() - before, kQueues + 2U);  // a write each, and a sync of everything
  EXPECT_EQ(queues_.durable().log_offset, log.end());
  disk_.lose_power(SimulatedFileSystem::Unsynced::lost);
  disk_.restart();
  EXPECT_EQ(images(disk_, "/store"), expected_images(log.messages(), options_));
}

// As with one file: what the kernel has dropped is never claimed.
TEST_F(QueueWriterTest, AfterASyncOfManyThatFailedNothingMoreIsClaimed) {
  constexpr int kQueues = 300;
  LogOfMessages log;
  for (int id = 0; id < kQueues; ++id) ASSERT_EQ(put(log.add("A", id)).appended, 1);
  ASSERT_TRUE(queues_.flush());
  const std::int64_t durable = queues_.durable().log_offset;
  for (int id = 0; id < kQueues; ++id) ASSERT_EQ(put(log.add("A", id)).appended, 1);
  disk_.fail_syncs(EIO);
  EXPECT_EQ(queues_.flush().error().os_errno, EIO);
  disk_.fail_syncs(0);
  EXPECT_FALSE(queues_.flush());
  EXPECT_EQ(queues_.durable().log_offset, durable);
}

// Files are sparse: the disk may be full when a page of one is written for the first time.
TEST_F(QueueWriterTest, AFullDiskHealsWhileFilesFillUp) {
  options_.simple_file_size = 64 << 10;
  QueueWriter queues(disk_, options_);
  LogOfMessages log;
  const auto put_to_all = [&](int times) {
    for (int i = 0; i < times; ++i)
      for (int id = 0; id < 4; ++id) ASSERT_EQ(queues.put(std::array{log.add("A", id)}).appended, 1);
  };
  put_to_all(10);
  ASSERT_TRUE(queues.flush());
  disk_.set_capacity(disk_.space("/")->used + 4096);
  put_to_all(1000);
  const auto full = queues.flush();
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().os_errno, ENOSPC);
  EXPECT_LT(queues.durable().log_offset, log.end());
  EXPECT_THAT(read_units(queues, "A", 2, 0, 2000), SizeIs(1010));
  EXPECT_FALSE(queues.flush());
  disk_.set_capacity(1 << 30);
  ASSERT_TRUE(queues.flush());
  EXPECT_EQ(queues.durable().log_offset, log.end());
  for (int id = 0; id < 4; ++id) EXPECT_THAT(read_units(queues, "A", id, 0, 2000), SizeIs(1010));
}

TEST_F(QueueWriterTest, ExpiredUnitsAreNotThere) {
  LogOfMessages log;
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(put(log.add("A")).status);
  ASSERT_TRUE(queues_.flush());
  queues_.expire("A", 0, 20, 20);
  EXPECT_THAT(read_units(queues_, "A", 0, 19), IsEmpty());
  EXPECT_THAT(read_units(queues_, "A", 0, 20), SizeIs(20));
  EXPECT_EQ(queues_.range("A", 0)->min_offset, 20);
}

TEST_F(QueueWriterTest, GoesOnWhereAQueueOnDiskEnds) {
  std::mt19937_64 random(3);
  LogOfMessages log = some_log(random, 600);
  const std::span<const DispatchRequest> messages(log.messages());
  ASSERT_TRUE(queues_.put(messages.first(350)).status);
  ASSERT_TRUE(queues_.flush());
  QueueWriter second(disk_, options_);
  for (const auto& [queue, tail] : derive::testing::tails(disk_, INT64_MAX))
    ASSERT_TRUE(second.add_queue(queue.topic, queue.queue_id, tail));
  const PutReport report = second.put(messages);
  EXPECT_EQ(report.already_there, 350);
  EXPECT_EQ(report.appended, 250);
  EXPECT_THAT(report.holes, IsEmpty());
  ASSERT_TRUE(second.flush());
  EXPECT_EQ(images(disk_, "/store"), expected_images(log.messages(), options_));
}

// In whatever steps and with whatever limits: the files are those of one go, and every unit is readable all
// the time.
TEST(QueueWriterSteps, RandomStepsGiveTheSameFiles) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    SimulatedFileSystem disk(seed);
    QueueWriterOptions options = small_options();
    if (seed % 3 == 0) options.memory_limit = 40 * 256;
    QueueWriter queues(disk, options);
    const LogOfMessages log = some_log(random, 1500);
    std::span<const DispatchRequest> left(log.messages());
    while (!left.empty()) {
      const FlushLimit limit{static_cast<std::int64_t>(1 + random() % 600),
                             static_cast<std::int32_t>(1 + random() % 6)};
      switch (random() % 5) {
        case 0: ASSERT_TRUE(queues.write_out(limit)); break;
        case 1: ASSERT_TRUE(queues.sync(limit)); break;
        default: {
          const PutReport report =
              queues.put(left.first(std::min<std::size_t>(left.size(), 1 + random() % 30)));
          ASSERT_TRUE(report.status);
          ASSERT_THAT(report.holes, IsEmpty());
          left = left.subspan(report.taken);
        }
      }
      const std::size_t known = log.messages().size() - left.size();
      if (known == 0) continue;
      const DispatchRequest& any = log.messages()[random() % known];
      if (any.topic.starts_with("Batch")) continue;
      ASSERT_EQ(read_units(queues, any.topic, any.queue_id, any.queue_offset, 1), std::vector{unit_of(any)});
    }
    ASSERT_TRUE(queues.flush());
    EXPECT_EQ(images(disk, "/store"), expected_images(log.messages(), options));
    EXPECT_EQ(queues.durable().log_offset, log.end());
  }
}

TEST(QueueWriterThreads, AFlushEndsThoughMoreIsPutMeanwhile) {
  SimulatedFileSystem disk(6);
  QueueWriterOptions options = small_options();
  options.memory_limit = 100 * 256;
  QueueWriter queues(disk, options);
  std::atomic<bool> over{false};
  std::atomic<std::int64_t> put{0};
  LogOfMessages log;
  std::jthread dispatcher([&] {
    while (!over) {
      (void)queues.put({&log.add("A"), 1});
      put = log.end();
    }
  });
  for (int i = 0; i < 20; ++i) {
    const std::int64_t before = put;
    EXPECT_TRUE(queues.flush());
    EXPECT_GE(queues.durable().log_offset, before);
  }
  over = true;
}

TEST(QueueWriterThreads, FlushersAndReadersBesideTheDispatcher) {
  SimulatedFileSystem disk(5);
  QueueWriterOptions options = small_options();
  options.simple_file_size = 2000 * format::kConsumeQueueEntrySize;
  options.memory_limit = 300 * 256;
  QueueWriter queues(disk, options);
  std::mt19937_64 random(5);
  const LogOfMessages log = some_log(random, 20'000);
  std::atomic<std::size_t> done{0};
  std::atomic<bool> over{false};
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        while (!over) {
          if (!queues.write_out({4096, 8}) || !queues.sync({4096, 8})) ++wrong;
          if (queues.durable().log_offset > log.end()) ++wrong;
        }
      });
      threads.emplace_back([&, seed = i] {
        std::mt19937_64 choice(static_cast<std::uint64_t>(seed));
        while (!over) {
          const std::size_t known = done;
          if (known == 0) continue;
          const DispatchRequest& any = log.messages()[choice() % known];
          if (any.topic.starts_with("Batch")) {
            const auto unit = queues.find_batch(any.topic, any.queue_id, any.base_offset);
            if (!unit || !*unit) ++wrong;
          } else if (read_units(queues, any.topic, any.queue_id, any.queue_offset, 1) !=
                     std::vector{unit_of(any)}) {
            ++wrong;
          }
        }
      });
    }
    while (done < log.messages().size()) {
      const PutReport report =
          queues.put(std::span(log.messages())
                         .subspan(done)
                         .first(std::min<std::size_t>(64, log.messages().size() - done)));
      if (!report.status) ++wrong;
      done += report.taken;
    }
    over = true;
  }
  EXPECT_EQ(wrong, 0);
  ASSERT_TRUE(queues.flush());
  EXPECT_EQ(images(disk, "/store"), expected_images(log.messages(), options));
}

}  // namespace
}  // namespace rmq::derive
