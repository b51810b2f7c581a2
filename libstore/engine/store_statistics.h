// What a store has done since it was opened. RocketMQ: StoreStatsService, and the puts by topic of
// BrokerStatsManager.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "libstore/derive/queue_writer.h"

namespace rmq::engine {

// Upper ends of the ranges that putMessageDistributeTime counts puts in, in milliseconds; the last range has
// none, and the first is for less than one.
inline constexpr std::array<std::int64_t, 12> kPutTimeRanges = {1,    10,   50,   100,  200,  500,
                                                                1000, 2000, 3000, 4000, 5000, 10000};

struct TopicPuts {
  std::string topic;
  std::int64_t messages = 0;
  std::int64_t bytes = 0;  // in the log
};

struct StoreStatistics {
  std::int64_t messages_put = 0;  // those of topics that are gone are in here too
  std::int64_t bytes_put = 0;     // in the log
  std::int64_t puts_failed = 0;                                        // messages
  std::array<std::int64_t, kPutTimeRanges.size() + 1> puts_by_time{};  // calls
  std::int64_t longest_put_ms = 0;
  std::int64_t gets_found = 0;
  std::int64_t gets_missed = 0;
  std::int64_t messages_got = 0;
  // Messages that were acknowledged and that no queue could take, as rmq-verify would report them: 0 unless
  // the store's queues and log did not fit each other when it was opened.
  std::int64_t undispatched = 0;
  std::vector<derive::QueueHole> holes;  // the first of them
  std::vector<TopicPuts> topics;         // sorted; messages that enter no queue are not in here
};

// The counters that need no lock. Thread-safe.
class StoreCounters {
 public:
  using Time = std::chrono::steady_clock::time_point;
  void count_put(Time began, Time ended);
  void count_failed(std::int64_t messages) { puts_failed_.fetch_add(messages, std::memory_order_relaxed); }
  void count_get(bool found, std::int64_t messages);
  void read(StoreStatistics& into) const;

 private:
  std::array<std::atomic<std::int64_t>, kPutTimeRanges.size() + 1> puts_by_time_{};
  std::atomic<std::int64_t> longest_put_ms_{0};
  std::atomic<std::int64_t> puts_failed_{0};
  std::atomic<std::int64_t> gets_found_{0};
  std::atomic<std::int64_t> gets_missed_{0};
  std::atomic<std::int64_t> messages_got_{0};
};

}  // namespace rmq::engine
