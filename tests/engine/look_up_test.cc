// Looking around in a store: who is told of what arrives, messages by time and by key, what was counted.
#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

#include "tests/engine/simulated_store.h"

namespace rmq::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Told {
  std::string topic;
  std::int32_t queue_id;
  std::int64_t next_offset;
  bool operator==(const Told&) const = default;
};

class ArrivalTest : public testing::SimulatedStoreTest, public ::testing::WithParamInterface<FlushDiskType> {
 protected:
  ArrivalTest() {
    options_.flush = GetParam();
    options_.arriving = [this](std::span<const Arrival> arrivals) {
      for (const Arrival& one : arrivals) {
        told_.push_back({std::string(one.topic), one.queue_id, one.next_offset});
        // It is there already, and the store may be called.
        EXPECT_EQ(got(one.topic, one.next_offset - 1, one.queue_id), GetStatus::found);
        EXPECT_EQ(one.store_timestamp,
                  store_->store_time(one.topic, one.queue_id, one.next_offset - 1).value().value());
      }
    };
  }
  std::vector<Told> told_;
};

INSTANTIATE_TEST_SUITE_P(FlushDiskType, ArrivalTest,
                         ::testing::Values(FlushDiskType::async_flush, FlushDiskType::sync_flush),
                         [](const auto& type) {
                           return type.param == FlushDiskType::async_flush ? "async" : "sync";
                         });

TEST_P(ArrivalTest, WhoWaitsIsToldOfEachMessageOnce) {
  open();
  (void)put("Orders", "a");
  EXPECT_THAT(told_, ElementsAre(Told{"Orders", 0, 1}));
  (void)put("Orders", "b", 3);
  (void)put("Payments", "c");
  (void)put("Orders", "half", 0, 10, format::kSysFlagTransactionPrepared);
  EXPECT_THAT(told_, ElementsAre(Told{"Orders", 0, 1}, Told{"Orders", 3, 1}, Told{"Payments", 0, 1}));
  EXPECT_EQ(store_->dispatch_behind(), 0);
  told_.clear();
  kill();  // what is dispatched again is not told again
  EXPECT_THAT(told_, IsEmpty());
  (void)put("Orders", "d");
  EXPECT_THAT(told_, ElementsAre(Told{"Orders", 0, 2}));
}

class LookUpTest : public testing::SimulatedStoreTest {};

// ConsumeQueueStore.getOffsetInQueueByTime, boundaries as its comments have them.
TEST_F(LookUpTest, OffsetsByTime) {
  open();
  EXPECT_EQ(store_->offset_by_time("Orders", 0, 1).value(), 0);
  const std::int64_t base = clock_.now;
  std::vector<std::int64_t> times;
  for (const int time : {10, 10, 10, 30, 30, 31, 50, 50, 90}) {
    for (int i = 0; i < 7; ++i) {  // over several queue files
      clock_.now = base + time;
      ASSERT_TRUE(put("Orders", "k").ok());
      times.push_back(clock_.now);
    }
  }
  EXPECT_EQ(store_->earliest_store_time().value(), base + 10);
  const auto check = [&](std::int64_t smallest) {
    for (std::int64_t time = base; time < base + 100; ++time) {
      const auto lower = std::max(std::ranges::lower_bound(times, time) - times.begin(), smallest);
      const auto upper = std::max(std::ranges::upper_bound(times, time) - times.begin() - 1, smallest);
      EXPECT_EQ(store_->offset_by_time("Orders", 0, time).value(), lower) << time - base;
      EXPECT_EQ(store_->offset_by_time("Orders", 0, time, TimeBoundary::upper).value(), upper) << time - base;
    }
    EXPECT_EQ(store_->offset_by_time("Orders", 0, INT64_MAX).value(), std::ssize(times));
    EXPECT_EQ(store_->offset_by_time("Orders", 0, INT64_MIN).value(), smallest);
  };
  check(0);
  EXPECT_EQ(store_->store_time("Orders", 0, 40).value(), times[40]);
  EXPECT_EQ(store_->store_time("Orders", 0, 63).value(), std::nullopt);
  ASSERT_TRUE(store_->flush());
  check(0);
  // Half of it is gone.
  options_.retention.emplace();
  options_.retention->file_reserved_hours = 0;
  open();
  store_->delete_expired_files();
  ASSERT_GT(store_->clean()->log_files, 0);
  const std::int64_t smallest = store_->min_offset("Orders", 0).value();
  ASSERT_GT(smallest, 20);
  check(smallest);
  EXPECT_EQ(store_->earliest_store_time().value(), times[static_cast<std::size_t>(smallest)]);
  EXPECT_EQ(store_->store_time("Orders", 0, smallest - 1).value(), std::nullopt);
}

TEST_F(LookUpTest, KeysByTime) {
  open();
  std::vector<PutResult> puts;
  for (int i = 0; i < 200; ++i) {  // over several index files
    puts.push_back(
        put("Orders", "u" + std::to_string(i), 0, 20, 0, "KEYS\1order" + std::to_string(i % 10) + " all\2"));
    ASSERT_TRUE(puts.back().ok());
    move_clock(3000);
  }
  ASSERT_GT(names("/store/index").size(), 5U);
  const auto offsets = [&](int from, int to, int step) {
    std::vector<std::int64_t> wanted;
    for (int i = to; i >= from; i -= step) wanted.push_back(puts[static_cast<std::size_t>(i)].log_offset);
    return wanted;
  };
  EXPECT_EQ(store_->query("Orders", "u77").value(), offsets(77, 77, 1));
  EXPECT_EQ(store_->query("Orders", "order3", {.most = 100}).value(), offsets(3, 193, 10));
  EXPECT_EQ(store_->query("Orders", "order3", {.most = 4}).value(), offsets(163, 193, 10));
  QueryOptions range;
  range.since_ms = puts[33].store_timestamp;
  range.until_ms = puts[63].store_timestamp;
  EXPECT_EQ(store_->query("Orders", "order3", range).value(), offsets(33, 63, 10));
  range.since_ms = puts[33].store_timestamp + 1;
  range.until_ms = puts[63].store_timestamp - 1;
  EXPECT_EQ(store_->query("Orders", "order3", range).value(), offsets(43, 53, 10));
  EXPECT_THAT(store_->query("Orders", "order").value(), IsEmpty());
  EXPECT_THAT(store_->query("Payments", "order3").value(), IsEmpty());
  files_.fail_read(3, EIO);
  EXPECT_FALSE(store_->query("Orders", "order3"));
}

TEST_F(LookUpTest, WhatWasDoneIsCounted) {
  open();
  (void)put_some("Orders", 5);
  (void)put_some("Orders", 2, 1);
  const PutResult last = put("Payments", "p");
  EXPECT_EQ(put("", "no topic").status, PutStatus::message_illegal);
  EXPECT_EQ(got("Orders", 4), GetStatus::found);
  EXPECT_EQ(got("Orders", 5), GetStatus::offset_overflow_one);
  const StoreStatistics counted = store_->statistics();
  ASSERT_EQ(counted.topics.size(), 2U);
  EXPECT_EQ(counted.topics[0].topic, "Orders");
  EXPECT_EQ(counted.topics[0].messages, 7);
  EXPECT_EQ(counted.topics[1].messages, 1);
  EXPECT_EQ(counted.topics[1].bytes, last.size);
  EXPECT_EQ(counted.messages_put, 8);
  EXPECT_EQ(counted.puts_failed, 1);
  EXPECT_EQ(counted.gets_found, 1);
  EXPECT_EQ(counted.gets_missed, 1);
  EXPECT_EQ(counted.messages_got, 1);
  EXPECT_EQ(std::accumulate(counted.puts_by_time.begin(), counted.puts_by_time.end(), std::int64_t{0}), 9);
  EXPECT_EQ(counted.undispatched, 0);
  ASSERT_TRUE(store_->delete_topics(std::vector<std::string>{"Orders"}));
  const StoreStatistics later = store_->statistics();
  EXPECT_EQ(later.topics.size(), 1U);
  EXPECT_EQ(later.messages_put, 8);
  EXPECT_EQ(later.bytes_put, counted.bytes_put);
}

TEST(StoreCountersTest, PutsAreCountedByHowLongTheyTook) {
  StoreCounters counters;
  const StoreCounters::Time began{};
  for (const int ms : {0, 1, 9, 10, 9999, 10000, 20000})
    counters.count_put(began, began + std::chrono::milliseconds(ms));
  StoreStatistics counted;
  counters.read(counted);
  EXPECT_THAT(counted.puts_by_time, ElementsAre(1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2));
  EXPECT_EQ(counted.longest_put_ms, 20000);
}

}  // namespace
}  // namespace rmq::engine
