#include "libstore/engine/store_statistics.h"

#include <algorithm>

namespace rmq::engine {

void StoreCounters::count_put(Time began, Time ended) {
  const std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(ended - began).count();
  const auto range = std::ranges::upper_bound(kPutTimeRanges, ms) - kPutTimeRanges.begin();
  puts_by_time_[static_cast<std::size_t>(range)].fetch_add(1, std::memory_order_relaxed);
  std::int64_t longest = longest_put_ms_.load(std::memory_order_relaxed);
  while (ms > longest && !longest_put_ms_.compare_exchange_weak(longest, ms, std::memory_order_relaxed)) {
  }
}

void StoreCounters::count_get(bool found, std::int64_t messages) {
  (found ? gets_found_ : gets_missed_).fetch_add(1, std::memory_order_relaxed);
  messages_got_.fetch_add(messages, std::memory_order_relaxed);
}

void StoreCounters::read(StoreStatistics& into) const {
  for (std::size_t i = 0; i < puts_by_time_.size(); ++i)
    into.puts_by_time[i] = puts_by_time_[i].load(std::memory_order_relaxed);
  into.longest_put_ms = longest_put_ms_.load(std::memory_order_relaxed);
  into.puts_failed = puts_failed_.load(std::memory_order_relaxed);
  into.gets_found = gets_found_.load(std::memory_order_relaxed);
  into.gets_missed = gets_missed_.load(std::memory_order_relaxed);
  into.messages_got = messages_got_.load(std::memory_order_relaxed);
}

}  // namespace rmq::engine
