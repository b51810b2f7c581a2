// Which consumer of a group may consume a queue in order. RocketMQ: RebalanceLockManager. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/engine/clock.h"
#include "servers/broker/message_queue.h"

namespace rmq::broker {

class QueueLocks {
 public:
  // rocketmq.broker.rebalance.lockMaxLiveTime: a lock that was not taken again for longer is free.
  static constexpr std::int64_t kLiveMs = 60'000;
  // A group's queues; what goes beyond is not locked.
  static constexpr std::size_t kMaxQueuesOfGroup = 100'000;

  explicit QueueLocks(const engine::Clock& clock) : clock_(clock) {}

  // Those of `queues` that the client has now: free ones are taken, its own are kept for another minute.
  [[nodiscard]] std::vector<MessageQueue> lock(std::string_view group, std::string_view client_id,
                                               std::span<const MessageQueue> queues);
  void unlock(std::string_view group, std::string_view client_id, std::span<const MessageQueue> queues);
  // Somebody consumes a queue of the group in order.
  [[nodiscard]] bool any(std::string_view group) const;
  // Forgets the locks that nobody holds any more.
  void expire();

 private:
  struct Lock {
    std::string client_id;
    std::int64_t taken_ms = 0;
  };
  [[nodiscard]] bool expired(const Lock& lock) const { return clock_.now_ms() - lock.taken_ms > kLiveMs; }

  const engine::Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, std::map<MessageQueue, Lock>, std::less<>> groups_;  // mutex_
};

}  // namespace rmq::broker
