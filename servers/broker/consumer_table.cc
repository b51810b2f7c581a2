#include "servers/broker/consumer_table.h"

#include <set>
#include <utility>

namespace rmq::broker {

bool ConsumerTable::replace(Subscriptions& old, const std::vector<SubscriptionData>& with) {
  bool changed = false;
  std::set<std::string_view> topics;
  for (const SubscriptionData& subscription : with) {
    topics.insert(subscription.topic);
    auto& slot = old[subscription.topic];
    changed = changed || slot == nullptr;
    // A member that still has an older subscription does not take the newer one back.
    if (slot == nullptr || subscription.version > slot->version)
      slot = std::make_shared<const SubscriptionData>(subscription);
  }
  const auto removed = std::erase_if(old, [&](const auto& entry) { return !topics.contains(entry.first); });
  return changed || removed != 0;
}

ConsumerTable::Change ConsumerTable::change_of(std::string_view group) const {
  Change change{std::string(group), {}};
  if (const ClientGroups::Members* members = clients_.members(group))
    for (const auto& [connection, client] : *members) change.members.push_back(client.connection);
  return change;
}

bool ConsumerTable::broadcasts(std::string_view group) const {
  const auto found = states_.find(group);
  return found != states_.end() && found->second.message_model == MessageModel::broadcasting;
}

void ConsumerTable::forget_if_empty(std::string_view group) {
  if (clients_.members(group) != nullptr) return;
  if (const auto found = states_.find(group); found != states_.end()) states_.erase(found);
}

void ConsumerTable::put(Client client, const ConsumerData& data, bool notify, SubscriptionUpdate update) {
  client.last_update_ms = clock_.now_ms();
  Change change;
  {
    const std::lock_guard lock(mutex_);
    const ClientGroups::Put put = clients_.put(data.group, std::move(client));
    if (put == ClientGroups::Put::refused) return;
    State& state = states_[data.group];
    state.consume_type = data.consume_type;
    state.message_model = data.message_model;
    state.consume_from_where = data.consume_from_where;
    const bool subscribed =
        update == SubscriptionUpdate::replace && replace(state.subscriptions, data.subscriptions);
    if ((put != ClientGroups::Put::added && !subscribed) || !notify || broadcasts(data.group)) return;
    change = change_of(data.group);
  }
  changed_(change.group, change.members);
}

void ConsumerTable::remove(std::string_view group, const wire::Connection* connection, bool notify) {
  Change change;
  {
    const std::lock_guard lock(mutex_);
    if (!clients_.remove(group, connection)) return;
    notify = notify && !broadcasts(group);
    forget_if_empty(group);
    change = change_of(group);
  }
  if (notify && !change.members.empty()) changed_(change.group, change.members);
}

void ConsumerTable::connection_closed(const wire::Connection* connection) {
  std::vector<Change> changes;
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& group : clients_.remove(connection)) {
      if (!broadcasts(group)) changes.push_back(change_of(group));
      forget_if_empty(group);
    }
  }
  for (const Change& change : changes)
    if (!change.members.empty()) changed_(change.group, change.members);
}

void ConsumerTable::expire(std::int64_t client_ms, std::int64_t subscription_ms) {
  const std::int64_t now = clock_.now_ms();
  std::vector<std::pair<std::string, Client>> silent;
  std::map<std::string, Change> changes;
  {
    const std::lock_guard lock(mutex_);
    silent = clients_.remove_silent_since(now - client_ms);
    for (const auto& [group, client] : silent) {
      if (!broadcasts(group)) changes[group] = change_of(group);
      forget_if_empty(group);
    }
    for (auto at = pulled_.begin(); at != pulled_.end();) {
      pulled_count_ -= std::erase_if(
          at->second, [&](const auto& entry) { return entry.second->version < now - subscription_ms; });
      at = at->second.empty() ? pulled_.erase(at) : std::next(at);
    }
  }
  for (const auto& [group, client] : silent) client.connection->close();
  for (const auto& [group, change] : changes)
    if (!change.members.empty()) changed_(group, change.members);
}

std::optional<ConsumerGroup> ConsumerTable::group(std::string_view group) const {
  const std::lock_guard lock(mutex_);
  const ClientGroups::Members* members = clients_.members(group);
  if (members == nullptr) return std::nullopt;
  const State& state = states_.find(group)->second;
  ConsumerGroup found{
      state.consume_type, state.message_model, state.consume_from_where, state.subscriptions, {}};
  for (const auto& [connection, client] : *members) found.clients.push_back(client);
  return found;
}

std::vector<std::string> ConsumerTable::client_ids(std::string_view group) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  if (const ClientGroups::Members* members = clients_.members(group))
    for (const auto& [connection, client] : *members) ids.push_back(client.id);
  return ids;
}

std::optional<Client> ConsumerTable::client(std::string_view group, std::string_view client_id) const {
  const std::lock_guard lock(mutex_);
  if (const ClientGroups::Members* members = clients_.members(group))
    for (const auto& [connection, client] : *members)
      if (client.id == client_id) return client;
  return std::nullopt;
}

std::optional<Subscribed> ConsumerTable::subscribed(std::string_view group, std::string_view topic) const {
  const std::lock_guard lock(mutex_);
  const auto state = states_.find(group);
  if (state == states_.end()) return std::nullopt;
  const auto found = state->second.subscriptions.find(topic);
  return Subscribed{state->second.message_model,
                    found == state->second.subscriptions.end() ? nullptr : found->second};
}

bool ConsumerTable::has_subscriptions(std::string_view group) const {
  const std::lock_guard lock(mutex_);
  const auto state = states_.find(group);
  return state != states_.end() && !state->second.subscriptions.empty();
}

std::shared_ptr<const SubscriptionData> ConsumerTable::subscription(std::string_view group,
                                                                    std::string_view topic) const {
  const std::lock_guard lock(mutex_);
  if (const auto state = states_.find(group); state != states_.end())
    if (const auto found = state->second.subscriptions.find(topic);
        found != state->second.subscriptions.end())
      return found->second;
  if (const auto pulled = pulled_.find(group); pulled != pulled_.end())
    if (const auto found = pulled->second.find(topic); found != pulled->second.end()) return found->second;
  return nullptr;
}

std::vector<std::string> ConsumerTable::groups_of(std::string_view topic) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> groups;
  for (const auto& [group, state] : states_)
    if (state.subscriptions.contains(topic)) groups.push_back(group);
  return groups;
}

void ConsumerTable::note_pull(std::string_view group, std::shared_ptr<const SubscriptionData> subscription) {
  const std::lock_guard lock(mutex_);
  auto pulled = pulled_.find(group);
  if (pulled != pulled_.end()) {
    if (const auto found = pulled->second.find(subscription->topic); found != pulled->second.end()) {
      found->second = std::move(subscription);
      return;
    }
  }
  if (pulled_count_ >= kMaxPulledSubscriptions) return;
  ++pulled_count_;
  if (pulled == pulled_.end()) pulled = pulled_.emplace(std::string(group), Subscriptions{}).first;
  std::string topic = subscription->topic;
  pulled->second.emplace(std::move(topic), std::move(subscription));
}

}  // namespace rmq::broker
