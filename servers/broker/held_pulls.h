// Pulls that found nothing and wait until there is something, or their time is up. RocketMQ:
// PullRequestHoldService, ManyPullRequest.
//
// Threads: everything from any thread. Whoever takes pulls out of here answers them; nobody does it twice.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libstore/engine/arrivals.h"
#include "servers/broker/pull_header.h"
#include "servers/broker/subscription_data.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

struct HeldPull {
  OwnedPullHeader header;
  std::shared_ptr<const SubscriptionData> subscription;
  std::int64_t until_ms = 0;
  wire::Responder responder;
};

class HeldPulls {
 public:
  // What all of them may take up; one more is not held.
  static constexpr std::int64_t kMostBytes = 64 << 20;

  // False, and `pull` is as it was, where there is no room.
  [[nodiscard]] bool add(HeldPull& pull);
  // Those of this queue that wait for what lies below `next_offset`, whatever their tags: for whoever sees,
  // once a pull is held, that the queue has grown meanwhile.
  [[nodiscard]] std::vector<HeldPull> take(std::string_view topic, std::int32_t queue_id,
                                           std::int64_t next_offset);
  // Those that want one of these.
  [[nodiscard]] std::vector<HeldPull> take(std::span<const engine::Arrival> arrivals);
  // Those whose time is up; those of closed connections are dropped.
  [[nodiscard]] std::vector<HeldPull> take_due(std::int64_t now_ms);
  // All of them: the broker stops.
  std::vector<HeldPull> take_all();

  [[nodiscard]] std::int64_t count() const { return count_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Queue {
    std::string_view topic;
    std::int32_t queue_id = 0;
    bool operator==(const Queue&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Queue& queue) const {
      return std::hash<std::string_view>()(queue.topic) ^
             (static_cast<std::size_t>(queue.queue_id) * std::size_t{0x9E3779B97F4A7C15U});
    }
  };
  struct Waiting {
    std::string topic;  // what the key borrows from
    std::vector<HeldPull> pulls;
  };
  // A part of the table with a lock of its own.
  struct Shard {
    std::mutex mutex;
    std::unordered_map<Queue, std::unique_ptr<Waiting>, Hash> queues;
  };
  static constexpr std::size_t kShards = 16;

  [[nodiscard]] Shard& shard_of(const Queue& queue) { return shards_[Hash()(queue) >> 7 & (kShards - 1)]; }
  // With the shard's lock held: moves those of the queue that `wanted` says.
  void take_from(Shard& shard, const Queue& queue, const std::function<bool(const HeldPull&)>& wanted,
                 std::vector<HeldPull>& into);
  void take_each(const std::function<bool(const HeldPull&)>& wanted, std::vector<HeldPull>& into);
  std::size_t extract(Waiting& waiting, const std::function<bool(const HeldPull&)>& wanted,
                      std::vector<HeldPull>& into);

  std::array<Shard, kShards> shards_;
  std::atomic<std::int64_t> count_{0};
  std::atomic<std::int64_t> bytes_{0};
};

}  // namespace rmq::broker
