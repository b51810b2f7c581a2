// What a store gives up: expired files, deleted topics.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/engine/simulated_store.h"

namespace rmq::engine {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class CleanTest : public testing::SimulatedStoreTest {
 protected:
  CleanTest() {
    options_.flush = FlushDiskType::sync_flush;  // files have the time of their last write
    options_.retention.emplace();
    options_.retention->file_reserved_hours = 10;
  }
  CleanReport clean() {
    const auto report = store_->clean();
    EXPECT_TRUE(report) << report.error().message();
    return report ? *report : CleanReport{};
  }
  // The smallest offset is that of the first message that is still there, and all from there on are.
  void expect_queue(std::string_view topic, const std::vector<PutResult>& puts) {
    const std::int64_t begin = store_->log().begin();
    const auto first =
        std::ranges::find_if(puts, [&](const PutResult& put) { return put.log_offset >= begin; });
    const std::int64_t smallest = first == puts.end() ? std::ssize(puts) : first->queue_offset;
    EXPECT_EQ(store_->min_offset(topic, 0), smallest);
    EXPECT_EQ(store_->max_offset(topic, 0), std::ssize(puts));
    if (smallest > 0) {
      EXPECT_EQ(got(topic, smallest - 1), GetStatus::offset_too_small);
    }
    for (std::int64_t offset = smallest; offset < std::ssize(puts); ++offset)
      EXPECT_EQ(got(topic, offset), GetStatus::found) << offset;
  }
};

TEST_F(CleanTest, ExpiredFilesGoAtTheirHour) {
  open();
  move_to_hour(5);
  const auto old = put_some("Orders", 100);
  const auto dormant = put_some("Dormant", 3);
  move_clock(2 * testing::kHour);
  auto puts = put_some("Orders", 100);
  puts.insert(puts.begin(), old.begin(), old.end());
  ASSERT_TRUE(store_->flush());
  const std::size_t log_files = names("/store/commitlog").size();
  const std::size_t index_files = names("/store/index").size();
  ASSERT_GT(log_files, 7U);

  move_to_hour(3);  // two hours before they are a day old, and the wrong hour
  EXPECT_EQ(clean().log_files, 0);
  EXPECT_EQ(store_->log().begin(), 0);
  options_.retention->file_reserved_hours = 22;
  open();
  move_to_hour(4);
  const CleanReport report = clean();
  EXPECT_GT(report.log_files, 2);
  EXPECT_GT(report.queue_files, 5);
  EXPECT_GT(report.index_files, 0);
  EXPECT_EQ(names("/store/commitlog").size(), log_files - static_cast<std::size_t>(report.log_files));
  EXPECT_EQ(names("/store/index").size(), index_files - static_cast<std::size_t>(report.index_files));
  EXPECT_EQ(store_->log().begin(), report.log_files * kLogFile);
  // The file that the younger messages begin in is not old enough.
  EXPECT_LE(store_->log().begin(), puts[100].log_offset);
  expect_queue("Orders", puts);
  expect_queue("Dormant", dormant);
  EXPECT_EQ(clean().log_files + clean().queue_files, 0);

  kill();
  expect_queue("Orders", puts);
  expect_queue("Dormant", dormant);
  EXPECT_EQ(store_->log().begin(), report.log_files * kLogFile);
  expect_clean();
}

TEST_F(CleanTest, TheNewestFileStaysHoweverOldItIs) {
  open();
  const auto puts = put_some("Orders", 60);
  move_clock(1000 * testing::kHour);
  move_to_hour(4);
  for (int round = 0; round < 3; ++round) (void)clean();
  EXPECT_THAT(names("/store/commitlog"), SizeIs(1));
  expect_queue("Orders", puts);
  EXPECT_TRUE(put("Orders", "next").ok());
  EXPECT_EQ(store_->max_offset("Orders", 0), 61);
  expect_clean();
}

// A file whose age cannot be told stays.
TEST_F(CleanTest, WhatCannotBeAskedStays) {
  open();
  (void)put_some("Orders", 60);
  ASSERT_TRUE(store_->flush());
  move_clock(1000 * testing::kHour);
  move_to_hour(4);
  const std::size_t before = names("/store/commitlog").size();
  files_.fail_read(1, EACCES);
  EXPECT_EQ(clean().log_files, 0);
  EXPECT_EQ(names("/store/commitlog").size(), before);
  EXPECT_GT(clean().log_files, 0);
}

TEST_F(CleanTest, ManualDeletionDoesNotWaitForTheHour) {
  open();
  (void)put_some("Orders", 100);
  move_clock(20 * testing::kHour);
  move_to_hour(12);
  EXPECT_EQ(clean().log_files, 0);
  store_->delete_expired_files();
  EXPECT_GT(clean().log_files, 0);
  expect_clean();
}

TEST_F(CleanTest, AFullDiskMakesRoomRefusesPutsAndHeals) {
  open();
  move_to_hour(12);
  const auto puts = put_some("Orders", 200);
  ASSERT_TRUE(store_->flush());
  const std::int64_t used = files_.space("/store")->used;
  files_.set_capacity(used * 100 / 80);  // 80 %: only what is expired would go
  EXPECT_EQ(clean().log_files, 0);
  files_.set_capacity(used * 100 / 98);
  options_.retention->clean_file_forcibly_enable = false;
  open();
  EXPECT_EQ(clean().log_files, 0);
  EXPECT_EQ(put("Orders", "refused").status, PutStatus::service_not_available);
  EXPECT_THAT(store_->why_not_writable(), ::testing::HasSubstr("disk"));
  EXPECT_EQ(got("Orders", 5), GetStatus::found);
  options_.retention->clean_file_forcibly_enable = true;
  options_.retention->delete_file_batch_max = 1;
  open();
  EXPECT_TRUE(put("Orders", "not looked at yet").ok());
  EXPECT_EQ(clean().log_files, 1);
  EXPECT_EQ(put("Orders", "refused").status, PutStatus::service_not_available);
  int rounds = 1;
  for (; rounds < 20 && clean().log_files > 0; ++rounds) {
  }
  EXPECT_GT(rounds, 1);
  EXPECT_EQ(store_->why_not_writable(), "");
  EXPECT_TRUE(put("Orders", "welcome").ok());
  EXPECT_EQ(got("Orders", 201), GetStatus::found);
  files_.set_capacity(used * 2);
  expect_clean();
}

// A file that cannot be removed: the smallest offset is right all the same, and the next round goes on.
TEST_F(CleanTest, WhatCannotBeRemovedIsTriedAgain) {
  open();
  const auto puts = put_some("Orders", 100);
  ASSERT_TRUE(store_->flush());
  move_clock(1000 * testing::kHour);
  move_to_hour(4);
  const std::size_t before = names("/store/commitlog").size();
  files_.fail_call(5, EACCES);  // before: the index, the checkpoint, and one file that can be removed
  const auto report = store_->clean();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::permission_denied);
  EXPECT_LE(names("/store/commitlog").size(), before - 1);
  EXPECT_GT(names("/store/commitlog").size(), 1U);
  expect_queue("Orders", puts);
  (void)clean();
  EXPECT_THAT(names("/store/commitlog"), SizeIs(1));
  expect_queue("Orders", puts);
  expect_clean();
}

// Wherever it is killed, what is left is a store without a gap.
TEST_F(CleanTest, KilledAtEveryCall) {
  for (std::uint64_t call = 1;; ++call) {
    SCOPED_TRACE("killed at call " + std::to_string(call));
    rmq::testing::SimulatedFileSystem fresh(call);
    StoreOptions all = options();
    all.retention->file_reserved_hours = 0;
    all.retention->delete_when = "0;1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22;23";
    std::vector<PutResult> puts;
    bool ended = false;
    {
      auto store = MessageStore::open(fresh, all);
      ASSERT_TRUE(store);
      for (int i = 0; i < 90; ++i) {
        format::MessageView message;
        const std::string body(500, 'x');
        message.topic = "Orders";
        message.body = as_bytes(body);
        message.properties = "UNIQ_KEY\1k\2";
        message.born_host = message.store_host = {address_, 1};
        puts.push_back((*store)->put(message));
      }
      ASSERT_TRUE((*store)->flush());
      fresh.end_at(call, rmq::testing::SimulatedFileSystem::End::kill);
      (void)(*store)->clean();
      ended = fresh.ended();
      fresh.kill();
    }
    fresh.restart();
    auto store = MessageStore::open(fresh, all);
    ASSERT_TRUE(store) << store.error().message();
    const std::int64_t smallest = (*store)->min_offset("Orders", 0).value();
    EXPECT_GE(puts[static_cast<std::size_t>(smallest)].log_offset, (*store)->log().begin());
    if (smallest > 0) {
      EXPECT_LT(puts[static_cast<std::size_t>(smallest) - 1].log_offset, (*store)->log().begin());
    }
    for (std::int64_t offset = smallest; offset < 90; ++offset)
      EXPECT_EQ((*store)->get("Orders", 0, offset)->status, GetStatus::found);
    ASSERT_TRUE((*store)->clean());
    ASSERT_TRUE((*store)->close());
    if (!ended) {
      EXPECT_GT(call, 10U);
      break;
    }
  }
}

class DeleteTest : public CleanTest {};

TEST_F(DeleteTest, ADeletedTopicIsGoneAndBeginsAnew) {
  open();
  (void)put_some("Orders", 30);
  (void)put_some("Orders", 5, 3);
  const auto payments = put_some("Payments", 30);
  ASSERT_TRUE(store_->flush());
  ASSERT_TRUE(exists("/store/consumequeue/Orders/3"));
  EXPECT_EQ(store_->delete_topics(std::vector<std::string>{"Orders", "never heard of"}).value(), 1);
  EXPECT_FALSE(exists("/store/consumequeue/Orders"));
  EXPECT_EQ(got("Orders", 5), GetStatus::no_matched_logic_queue);
  EXPECT_EQ(store_->delete_topics(std::vector<std::string>{"Orders"}).value(), 0);
  const PutResult again = put("Orders", "again");
  EXPECT_EQ(again.queue_offset, 0);
  EXPECT_EQ(got("Orders", 0), GetStatus::found);
  EXPECT_EQ(got("Orders", 1), GetStatus::offset_overflow_one);
  expect_queue("Payments", payments);
  expect_clean();
}

// Made again, one without any message and one without a message of the queue that it had: rmq-verify misses
// nothing.
TEST_F(DeleteTest, ADeletedTopicThatIsMadeAgainIsComplete) {
  open();
  (void)put_some("Orders", 5);
  (void)put_some("Payments", 5, 3);
  (void)put_some("Others", 5);
  EXPECT_EQ(store_->delete_topics(std::vector<std::string>{"Orders", "Payments"}).value(), 2);
  (void)put_some("Payments", 5, 0);
  const std::string topics =
      R"({"dataVersion":{"counter":1,"timestamp":1},"topicConfigTable":{)"
      R"("Orders":{"topicName":"Orders"},"Payments":{"topicName":"Payments"},"Others":{"topicName":"Others"}}})";
  files_.put("/store/config/topics.json", as_bytes(topics));
  expect_clean();
}

// All that was put is dispatched again after the kill: none of what was deleted comes back.
TEST_F(DeleteTest, WhatTheLogKeepsIsNotRevived) {
  open();
  (void)put_some("Orders", 10);
  (void)put_some("Gone", 10);
  EXPECT_EQ(store_->delete_topics(std::vector<std::string>{"Orders", "Gone"}).value(), 2);
  (void)put_some("Orders", 3);
  kill();
  EXPECT_EQ(got("Gone", 0), GetStatus::no_matched_logic_queue);
  EXPECT_EQ(store_->min_offset("Orders", 0), 0);
  EXPECT_EQ(store_->max_offset("Orders", 0), 3);
  EXPECT_EQ(put("Orders", "next").queue_offset, 3);
  EXPECT_EQ(put("Gone", "first").queue_offset, 0);
  ASSERT_TRUE(store_->flush());
  EXPECT_EQ(store_->delete_topics(std::vector<std::string>{"Gone"}).value(), 1);
  kill();
  EXPECT_EQ(got("Gone", 0), GetStatus::no_matched_logic_queue);
  // The list of deleted topics is as long as the log remembers them.
  (void)put_some("Orders", 100);
  move_clock(1000 * testing::kHour);
  move_to_hour(4);
  (void)clean();
  EXPECT_EQ(as_text(*io::read_all(files_, "/store/config/deletedTopics.json", 1000)),
            "{\n\t\"deletedTopics\":{}\n}");
  expect_clean();
}

// Wherever it is killed, the topic is there with all of its messages or not at all.
TEST_F(DeleteTest, KilledAtEveryCall) {
  for (std::uint64_t call = 1;; ++call) {
    SCOPED_TRACE("killed at call " + std::to_string(call));
    open();
    (void)put_some("Orders", 45);
    (void)put_some("Payments", 10);
    ASSERT_TRUE(store_->flush());
    const std::int64_t orders = store_->max_offset("Orders", 0).value();
    files_.end_at(call, rmq::testing::SimulatedFileSystem::End::kill);
    (void)store_->delete_topics(std::vector<std::string>{"Orders"});
    const bool ended = files_.ended();
    kill();
    const auto left = store_->max_offset("Orders", 0);
    EXPECT_TRUE(!left || *left == orders) << *left;
    for (std::int64_t offset = 0; left && offset < *left; ++offset)
      EXPECT_EQ(got("Orders", offset), GetStatus::found);
    EXPECT_EQ(left.has_value(), exists("/store/consumequeue/Orders/0/00000000000000000000"));
    EXPECT_EQ(got("Payments", 0), GetStatus::found);
    if (!ended) {
      EXPECT_FALSE(left);
      EXPECT_GT(call, 5U);
      break;
    }
  }
  expect_clean();
}

// Files that cannot be removed: the topic is deleted all the same, and a round of clean-up removes them.
TEST_F(DeleteTest, FilesThatStayAreRemovedLater) {
  open();
  (void)put_some("Orders", 30);
  ASSERT_TRUE(store_->flush());
  files_.fail_call(4, EACCES);
  ASSERT_FALSE(store_->delete_topics(std::vector<std::string>{"Orders"}));
  EXPECT_EQ(got("Orders", 0), GetStatus::no_matched_logic_queue);
  EXPECT_TRUE(exists("/store/consumequeue/Orders"));
  (void)clean();
  EXPECT_FALSE(exists("/store/consumequeue/Orders"));
  (void)put_some("Orders", 3);
  expect_clean();
}

TEST_F(DeleteTest, UnusedTopicsAreThoseThatNobodyRetainsNorTheSystemNeeds) {
  open();
  for (const char* topic : {"Orders", "Payments", "SCHEDULE_TOPIC_XXXX", "rmq_sys_REVIVE_LOG_c", "%LMQ%a"})
    (void)put_some(topic, 2);
  ASSERT_TRUE(store_->flush());
  EXPECT_EQ(store_->delete_unused_topics(std::vector<std::string>{"Payments"}).value(), 1);
  EXPECT_THAT(names("/store/consumequeue"), Not(Contains("Orders")));
  EXPECT_THAT(names("/store/consumequeue"), SizeIs(4));
  expect_clean();
}

TEST_F(DeleteTest, QueuesWithoutMessagesBeginAnew) {
  open();
  (void)put_some("Dormant", 5);
  (void)put_some("Orders", 100);
  ASSERT_TRUE(store_->flush());
  EXPECT_EQ(store_->delete_expired_queues().value(), 0);
  move_clock(1000 * testing::kHour);
  move_to_hour(4);
  ASSERT_GT(clean().log_files, 0);
  EXPECT_EQ(store_->min_offset("Dormant", 0), 5);
  EXPECT_EQ(store_->max_offset("Dormant", 0), 5);
  EXPECT_EQ(store_->delete_expired_queues().value(), 1);
  EXPECT_FALSE(exists("/store/consumequeue/Dormant"));
  EXPECT_EQ(put("Dormant", "new").queue_offset, 0);
  EXPECT_EQ(got("Dormant", 0), GetStatus::found);
  expect_clean();
}

}  // namespace
}  // namespace rmq::engine
