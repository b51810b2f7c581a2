// The consumers that are connected, by group, and what the groups subscribe to. RocketMQ: ConsumerManager,
// ConsumerGroupInfo. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libstore/engine/clock.h"
#include "servers/broker/client_groups.h"
#include "servers/broker/heartbeat_data.h"

namespace rmq::broker {

using Subscriptions = std::map<std::string, std::shared_ptr<const SubscriptionData>, std::less<>>;

// A group that has members, as it was when it was asked for.
struct ConsumerGroup {
  std::optional<ConsumeType> consume_type;
  std::optional<MessageModel> message_model;
  std::optional<ConsumeFromWhere> consume_from_where;
  Subscriptions subscriptions;
  std::vector<Client> clients;
};

// What a pull without a subscription of its own goes by.
struct Subscribed {
  std::optional<MessageModel> message_model;
  std::shared_ptr<const SubscriptionData> subscription;  // null: the group does not subscribe to the topic
};

class ConsumerTable {
 public:
  // Members joined or left, or what the group subscribes to changed: told to those who are in it now. Called
  // without a lock by the thread that brought the change.
  using Changed = std::function<void(const std::string& group,
                                     const std::vector<std::shared_ptr<wire::Connection>>& members)>;

  ConsumerTable(const engine::Clock& clock, Changed changed) : clock_(clock), changed_(std::move(changed)) {}

  enum class SubscriptionUpdate { replace, keep };
  // `notify` is the group's notifyConsumerIdsChangedEnable; nobody is told of broadcasting groups. With
  // `keep` the group's subscriptions stay as they are.
  void put(Client client, const ConsumerData& data, bool notify, SubscriptionUpdate update);
  void remove(std::string_view group, const wire::Connection* connection, bool notify);
  void connection_closed(const wire::Connection* connection);
  // Closes the connections of those who were silent for longer than `client_ms`, and forgets subscriptions
  // that pulls brought and that are older than `subscription_ms`.
  void expire(std::int64_t client_ms, std::int64_t subscription_ms);

  [[nodiscard]] std::optional<ConsumerGroup> group(std::string_view group) const;
  [[nodiscard]] std::vector<std::string> client_ids(std::string_view group) const;
  [[nodiscard]] std::optional<Client> client(std::string_view group, std::string_view client_id) const;
  // Nothing where the group has no member.
  [[nodiscard]] std::optional<Subscribed> subscribed(std::string_view group, std::string_view topic) const;
  [[nodiscard]] bool has_subscriptions(std::string_view group) const;
  // Of the members, else what a pull brought (note_pull); null where there is none.
  [[nodiscard]] std::shared_ptr<const SubscriptionData> subscription(std::string_view group,
                                                                     std::string_view topic) const;
  // The groups with members that subscribe to it; sorted.
  [[nodiscard]] std::vector<std::string> groups_of(std::string_view topic) const;

  // A pull that carried its own subscription: remembered for questions about the group, as its client may
  // send no heart-beats.
  void note_pull(std::string_view group, std::shared_ptr<const SubscriptionData> subscription);

 private:
  struct State {
    std::optional<ConsumeType> consume_type;
    std::optional<MessageModel> message_model;
    std::optional<ConsumeFromWhere> consume_from_where;
    Subscriptions subscriptions;
  };
  struct Change {
    std::string group;
    std::vector<std::shared_ptr<wire::Connection>> members;
  };
  // All with mutex_ held.
  [[nodiscard]] Change change_of(std::string_view group) const;
  [[nodiscard]] bool broadcasts(std::string_view group) const;
  void forget_if_empty(std::string_view group);
  static bool replace(Subscriptions& old, const std::vector<SubscriptionData>& with);

  // A group's subscriptions by pulls; more are not remembered.
  static constexpr std::size_t kMaxPulledSubscriptions = 10'000;

  const engine::Clock& clock_;
  const Changed changed_;
  mutable std::mutex mutex_;
  ClientGroups clients_;
  std::map<std::string, State, std::less<>> states_;          // of the groups in clients_
  std::map<std::string, Subscriptions, std::less<>> pulled_;  // by group
  std::size_t pulled_count_ = 0;
};

}  // namespace rmq::broker
