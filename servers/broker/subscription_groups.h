// Which consumer groups this broker knows, and how they may consume: subscriptionGroup.json.
// RocketMQ: SubscriptionGroupManager.
//
// Threads: everything from any thread. What find() gives never changes; a change makes a new one.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/engine/clock.h"
#include "libstore/format/config_files.h"
#include "servers/broker/broker_config.h"
#include "servers/broker/state_file.h"

namespace rmq::broker {

// MixAll.isSysConsumerGroup.
[[nodiscard]] bool is_system_group(std::string_view group);

using SubscriptionGroupPtr = std::shared_ptr<const format::SubscriptionGroup>;

class SubscriptionGroups {
 public:
  SubscriptionGroups(io::FileSystem& files, const std::string& directory, const BrokerConfig& config,
                     const engine::Clock& clock);

  [[nodiscard]] Status load();

  // Null: no such group.
  [[nodiscard]] SubscriptionGroupPtr find(std::string_view group) const;
  // The same, but the group is made where the broker makes groups by itself and the name is good.
  // findSubscriptionGroupConfig.
  [[nodiscard]] SubscriptionGroupPtr find_or_create(std::string_view group);
  [[nodiscard]] std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  // Adds or replaces with what the members of a SubscriptionGroupConfig say, unknown ones too. Fails with
  // wrong_use where it has no name or a member makes no sense.
  [[nodiscard]] Result<SubscriptionGroupPtr> update(const json::Value& group);
  [[nodiscard]] Status update_all(const std::vector<json::Value>& groups);
  bool remove(std::string_view group);
  // Until the next start. disableConsume.
  void disable_consume(std::string_view group);

  // What a group must not do with a topic, a bit each; kReadIndex: read it.
  static constexpr int kReadIndex = 2;  // PermName.INDEX_PERM_READ
  [[nodiscard]] std::int32_t forbidden(std::string_view group, std::string_view topic) const;
  [[nodiscard]] bool is_forbidden(std::string_view group, std::string_view topic, int index) const {
    return (forbidden(group, topic) & (1 << index)) != 0;
  }
  void set_forbidden(std::string_view group, std::string_view topic, int index, bool forbidden);

  [[nodiscard]] std::vector<SubscriptionGroupPtr> all() const;
  [[nodiscard]] format::DataVersion data_version() const;
  // subscriptionGroup.json's value, and one group's bean of it (null: no such group).
  [[nodiscard]] json::Value snapshot() const;
  [[nodiscard]] json::Value bean(std::string_view group) const;
  [[nodiscard]] Status persist();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  // With mutex_ held for writing.
  SubscriptionGroupPtr put(json::Value bean);
  void next_version();

  const BrokerConfig& config_;
  const engine::Clock& clock_;
  StateFile file_;
  mutable std::shared_mutex mutex_;
  std::atomic<std::uint64_t> generation_{1};
  std::unordered_map<std::string, SubscriptionGroupPtr, Hash, std::equal_to<>> table_;
  json::Value value_;
  format::DataVersion version_;
  std::mutex save_mutex_;
};

}  // namespace rmq::broker
