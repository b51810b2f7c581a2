#include "servers/namesrv/route_table.h"

#include <algorithm>
#include <mutex>

#include "libstore/json/json_writer.h"

namespace rmq::namesrv {
namespace {

constexpr std::int64_t kDefaultTimeoutMs = 120'000;  // DEFAULT_BROKER_CHANNEL_EXPIRED_TIME

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

// Without a master, the smallest id stands for it where its name may not be written to.
void let_act_as_master(Route& route) {
  for (auto& [name, broker] : route.brokers) {
    auto& addresses = broker.addresses;
    if (addresses.empty() || addresses.contains(kMasterId) || !broker.enable_acting_master) continue;
    const auto queue = route.queues.find(name);
    if (queue == route.queues.end() || (queue->second.perm & kPermWrite) != 0) continue;
    auto acting = addresses.extract(addresses.begin());
    acting.key() = kMasterId;
    addresses.insert(std::move(acting));
  }
}

}  // namespace

bool RouteTable::within_limits(const Registration& registration) const {
  const auto fits = [&](std::string_view name) { return name.size() <= limits_.name_bytes; };
  const auto& body = registration.body;
  if (!fits(registration.cluster) || !fits(registration.address) || !fits(registration.broker_name) ||
      !fits(registration.ha_address) || !fits(registration.zone.value_or("")))
    return false;
  if (!live_.contains({registration.cluster, registration.address}) && live_.size() >= limits_.brokers)
    return false;
  if (!room_for_name(registration)) return false;
  if (!std::ranges::all_of(body.filter_servers, fits) || body.filter_servers.size() > 64) return false;
  std::size_t new_topics = 0;
  std::size_t new_queues = 0;
  for (const wire::RegisteredTopic& topic : body.topics) {
    if (!fits(topic.name)) return false;
    const auto known = topics_.find(topic.name);
    if (known == topics_.end()) ++new_topics;
    if (known == topics_.end() || !known->second.contains(registration.broker_name)) ++new_queues;
  }
  return topics_.size() + new_topics <= limits_.topics && queue_count_ + new_queues <= limits_.queues;
}

// One address may register any number of names, and a name in any number of clusters.
bool RouteTable::room_for_name(const Registration& registration) const {
  if (!brokers_.contains(registration.broker_name) && brokers_.size() >= limits_.brokers) return false;
  const auto cluster = clusters_.find(registration.cluster);
  if (cluster != clusters_.end() && cluster->second.contains(registration.broker_name)) return true;
  std::size_t names = 0;
  for (const auto& [other, members] : clusters_) names += members.size();
  return names < 2 * limits_.brokers;
}

bool RouteTable::newer_owner(const Registration& registration, const BrokerData& data) const {
  const auto owner = data.addresses.find(registration.broker_id);
  if (owner == data.addresses.end() || owner->second == registration.address) return false;
  const auto live = live_.find({registration.cluster, owner->second});
  return live != live_.end() &&
         live->second.version.state_version > registration.body.data_version.state_version;
}

RegisterOutcome RouteTable::register_broker(Registration registration, const RouteOptions& options,
                                            std::int64_t now_ms) {
  const std::unique_lock lock(mutex_);
  RegisterOutcome outcome;
  if (!within_limits(registration)) return {.result = Registered::over_a_limit};

  const auto known = brokers_.find(registration.broker_name);
  const bool id_known = known != brokers_.end() && known->second.addresses.contains(registration.broker_id);
  const bool lone_topic = !id_known && registration.body.topics.size() == 1;
  if (known == brokers_.end() && lone_topic) return {.result = Registered::lone_topic};

  clusters_[registration.cluster].insert(registration.broker_name);
  BrokerData& data = brokers_[registration.broker_name];
  if (known == brokers_.end()) data.cluster = registration.cluster;
  data.enable_acting_master = registration.enable_acting_master.value_or(false);
  data.zone = registration.zone;
  const std::int64_t smallest = data.addresses.empty() ? 0 : data.addresses.begin()->first;
  // A slave that becomes master, or the other way round: an address has one id.
  std::erase_if(data.addresses, [&](const auto& item) {
    return item.second == registration.address && item.first != registration.broker_id;
  });
  const BrokerAddress address{registration.cluster, registration.address};
  if (newer_owner(registration, data)) {
    live_.erase(address);
    return {.result = Registered::older};
  }
  if (lone_topic) return {.result = Registered::lone_topic};

  outcome.first = data.addresses.insert_or_assign(registration.broker_id, registration.address).second;
  const bool master = registration.broker_id == kMasterId;
  const bool prime_slave = registration.enable_acting_master.has_value() && !master &&
                           registration.broker_id == data.addresses.begin()->first;
  if (master || prime_slave)
    take_topics(registration, options, outcome.first, prime_slave && data.enable_acting_master);

  live_.insert_or_assign(address,
                         Live{.last_ms = now_ms,
                              .timeout_ms = registration.heartbeat_timeout_ms.value_or(kDefaultTimeoutMs),
                              .version = registration.body.data_version,
                              .connection = std::move(registration.connection),
                              .ha_address = registration.ha_address,
                              .filter_servers = std::move(registration.body.filter_servers)});
  if (const auto at = data.addresses.find(kMasterId); !master && at != data.addresses.end()) {
    if (const auto live = live_.find({registration.cluster, at->second}); live != live_.end()) {
      outcome.ha_address = live->second.ha_address;
      outcome.master_address = at->second;
    }
  }
  if (registration.broker_id < smallest)
    outcome.change = MinBrokerIdChange{data.addresses, std::nullopt, registration.ha_address};
  return outcome;
}

void RouteTable::take_topics(const Registration& registration, const RouteOptions& options, bool first,
                             bool wipe_write) {
  const auto live = live_.find({registration.cluster, registration.address});
  const bool changed = first || live == live_.end() || live->second.version != registration.body.data_version;
  if (options.delete_absent_topics && registration.body.mappings.empty()) delete_absent(registration);
  for (const wire::RegisteredTopic& topic : registration.body.topics) {
    if (!changed) {
      const auto known = topics_.find(topic.name);
      if (known != topics_.end() && known->second.contains(registration.broker_name)) continue;
    }
    put_queue(topic.name, registration.broker_name,
              {.read_queues = topic.read_queues,
               .write_queues = topic.write_queues,
               .perm = wipe_write ? topic.perm & ~kPermWrite : topic.perm,
               .sys_flag = topic.sys_flag});
  }
  if (changed) take_mappings(registration);
}

void RouteTable::take_mappings(const Registration& registration) {
  for (const wire::RegisteredMapping& mapping : registration.body.mappings) {
    const std::size_t bytes = json::write_fastjson(mapping.content, {.pretty = false}).size();
    if (mapping_bytes_ + bytes > limits_.mapping_bytes || mapping.topic.size() > limits_.name_bytes) continue;
    Mapping& place = mappings_[mapping.topic][mapping.broker_name];
    mapping_bytes_ += bytes - place.bytes;
    place = {mapping.content, bytes};
  }
}

void RouteTable::delete_absent(const Registration& registration) {
  std::set<std::string_view> present;
  for (const wire::RegisteredTopic& topic : registration.body.topics) present.insert(topic.name);
  for (auto topic = topics_.begin(); topic != topics_.end();)
    topic = present.contains(topic->first) ? std::next(topic) : remove_queue(topic, registration.broker_name);
}

void RouteTable::put_queue(const std::string& topic, const std::string& broker_name, const QueueData& queue) {
  if (topics_[topic].insert_or_assign(broker_name, queue).second) ++queue_count_;
}

// The topic after it.
RouteTable::Topics::iterator RouteTable::remove_queue(Topics::iterator topic, std::string_view broker_name) {
  auto& queues = topic->second;
  if (const auto queue = queues.find(broker_name); queue != queues.end()) {
    queues.erase(queue);
    --queue_count_;
  }
  return queues.empty() ? topics_.erase(topic) : std::next(topic);
}

// No broker of this name is left.
void RouteTable::remove_name(std::string_view broker_name) {
  for (auto topic = topics_.begin(); topic != topics_.end();) topic = remove_queue(topic, broker_name);
  for (auto topic = mappings_.begin(); topic != mappings_.end();) {
    if (const auto mapping = topic->second.find(broker_name); mapping != topic->second.end()) {
      mapping_bytes_ -= mapping->second.bytes;
      topic->second.erase(mapping);
    }
    topic = topic->second.empty() ? mappings_.erase(topic) : std::next(topic);
  }
}

std::optional<MinBrokerIdChange> RouteTable::remove_broker(const BrokerAddress& broker, std::string_view name,
                                                           std::int64_t id) {
  live_.erase(broker);
  const auto found = brokers_.find(name);
  if (found == brokers_.end()) return std::nullopt;
  BrokerData& data = found->second;
  const bool smallest = !data.addresses.empty() && data.addresses.begin()->first == id;
  std::erase_if(data.addresses, [&](const auto& item) { return item.second == broker.address; });
  if (data.addresses.empty()) {
    if (const auto cluster = clusters_.find(broker.cluster); cluster != clusters_.end()) {
      cluster->second.erase(found->first);
      if (cluster->second.empty()) clusters_.erase(cluster);
    }
    brokers_.erase(found);
    remove_name(name);
    return std::nullopt;
  }
  const bool acting = data.enable_acting_master;
  if (acting && !data.addresses.contains(kMasterId))
    change_perm(name, [](std::int32_t perm) { return perm & ~kPermWrite; });
  if (!smallest || !acting) return std::nullopt;
  return MinBrokerIdChange{data.addresses, broker.address, std::nullopt};
}

// Where only the address is known. RocketMQ: setupUnRegisterRequest, which stops at the first name that has
// it.
void RouteTable::remove_address(const BrokerAddress& broker, std::vector<MinBrokerIdChange>& changes) {
  std::vector<std::pair<std::string, std::int64_t>> members;
  for (const auto& [name, data] : brokers_) {
    if (data.cluster != broker.cluster) continue;
    for (const auto& [id, address] : data.addresses)
      if (address == broker.address) members.emplace_back(name, id);
  }
  for (const auto& [name, id] : members)
    if (auto change = remove_broker(broker, name, id)) changes.push_back(std::move(*change));
  live_.erase(broker);
}

std::optional<MinBrokerIdChange> RouteTable::unregister_broker(const BrokerAddress& broker,
                                                               std::string_view name, std::int64_t id) {
  const std::unique_lock lock(mutex_);
  return remove_broker(broker, name, id);
}

std::vector<MinBrokerIdChange> RouteTable::connection_closed(const wire::Connection& connection) {
  const std::unique_lock lock(mutex_);
  std::vector<BrokerAddress> gone;
  for (const auto& [broker, live] : live_)
    if (live.connection.get() == &connection) gone.push_back(broker);
  std::vector<MinBrokerIdChange> changes;
  for (const BrokerAddress& broker : gone) remove_address(broker, changes);
  return changes;
}

RouteTable::Expired RouteTable::expire(std::int64_t now_ms) {
  const std::unique_lock lock(mutex_);
  Expired expired;
  for (const auto& [broker, live] : live_)
    if (now_ms - live.last_ms > live.timeout_ms) expired.brokers.emplace_back(broker, live.connection);
  for (const auto& [broker, connection] : expired.brokers) remove_address(broker, expired.changes);
  return expired;
}

void RouteTable::heard_from(const BrokerAddress& broker, std::int64_t now_ms) {
  const std::unique_lock lock(mutex_);
  if (const auto live = live_.find(broker); live != live_.end()) live->second.last_ms = now_ms;
}

std::optional<wire::DataVersion> RouteTable::data_version(const BrokerAddress& broker) const {
  const std::shared_lock lock(mutex_);
  const auto live = live_.find(broker);
  if (live == live_.end()) return std::nullopt;
  return live->second.version;
}

std::optional<Route> RouteTable::route(std::string_view topic, bool acting_master) const {
  const std::shared_lock lock(mutex_);
  const auto found = topics_.find(topic);
  if (found == topics_.end()) return std::nullopt;
  Route route;
  route.queues = found->second;
  for (const auto& [name, queue] : route.queues) {
    const auto broker = brokers_.find(name);
    if (broker == brokers_.end()) continue;
    route.brokers.emplace(name, broker->second);
    for (const auto& [id, address] : broker->second.addresses) {
      const auto live = live_.find({broker->second.cluster, address});
      if (live != live_.end() && !live->second.filter_servers.empty())
        route.filter_servers.emplace(address, live->second.filter_servers);
    }
  }
  if (route.brokers.empty()) return std::nullopt;
  if (const auto mapped = mappings_.find(topic); mapped != mappings_.end())
    for (const auto& [name, mapping] : mapped->second) route.mappings.emplace(name, mapping.content);
  // TopicValidator.SYNC_BROKER_MEMBER_GROUP_PREFIX: brokers ask for themselves by such a topic.
  if (acting_master && !topic.starts_with("rmq_sys_SYNC_BROKER_MEMBER_")) let_act_as_master(route);
  return route;
}

bool RouteTable::register_topic(const std::string& topic,
                                const std::vector<std::pair<std::string, QueueData>>& queues) {
  const std::unique_lock lock(mutex_);
  const bool known = topics_.contains(topic);
  if (topic.size() > limits_.name_bytes || (!known && topics_.size() >= limits_.topics) ||
      queue_count_ + queues.size() > limits_.queues)
    return false;
  const auto stranger =
      std::ranges::find_if(queues, [&](const auto& queue) { return !brokers_.contains(queue.first); });
  if (!known && stranger != queues.end()) return false;
  for (auto queue = queues.begin(); queue != stranger; ++queue) put_queue(topic, queue->first, queue->second);
  return stranger == queues.end();
}

void RouteTable::delete_topic(std::string_view topic) {
  const std::unique_lock lock(mutex_);
  const auto found = topics_.find(topic);
  if (found == topics_.end()) return;
  queue_count_ -= found->second.size();
  topics_.erase(found);
}

void RouteTable::delete_topic(std::string_view topic, std::string_view cluster) {
  const std::unique_lock lock(mutex_);
  const auto names = clusters_.find(cluster);
  if (names == clusters_.end()) return;
  for (const std::string& name : names->second)
    if (const auto found = topics_.find(topic); found != topics_.end()) remove_queue(found, name);
}

std::int32_t RouteTable::change_perm(std::string_view broker_name,
                                     const std::function<std::int32_t(std::int32_t)>& change) {
  std::int32_t count = 0;
  for (auto& [topic, queues] : topics_) {
    const auto queue = queues.find(broker_name);
    if (queue == queues.end()) continue;
    queue->second.perm = change(queue->second.perm);
    ++count;
  }
  return count;
}

std::int32_t RouteTable::wipe_write_perm(std::string_view broker_name) {
  const std::unique_lock lock(mutex_);
  return change_perm(broker_name, [](std::int32_t perm) { return perm & ~kPermWrite; });
}

std::int32_t RouteTable::add_write_perm(std::string_view broker_name) {
  const std::unique_lock lock(mutex_);
  return change_perm(broker_name, [](std::int32_t) { return kPermReadWrite; });
}

ByName<BrokerData> RouteTable::brokers() const {
  const std::shared_lock lock(mutex_);
  return brokers_;
}

ByName<std::set<std::string>> RouteTable::clusters() const {
  const std::shared_lock lock(mutex_);
  return clusters_;
}

std::map<std::int64_t, std::string> RouteTable::members(std::string_view broker_name) const {
  const std::shared_lock lock(mutex_);
  const auto found = brokers_.find(broker_name);
  return found == brokers_.end() ? std::map<std::int64_t, std::string>() : found->second.addresses;
}

std::vector<std::string> RouteTable::topics() const { return topics_by_flag(0, 0); }

std::vector<std::string> RouteTable::topics_of_cluster(std::string_view cluster) const {
  const std::shared_lock lock(mutex_);
  std::vector<std::string> topics;
  const auto names = clusters_.find(cluster);
  if (names == clusters_.end()) return topics;
  for (const auto& [topic, queues] : topics_)
    if (std::ranges::any_of(names->second, [&](const std::string& name) { return queues.contains(name); }))
      topics.push_back(topic);
  return topics;
}

std::vector<std::string> RouteTable::topics_by_flag(std::int32_t set, std::int32_t clear) const {
  const std::shared_lock lock(mutex_);
  std::vector<std::string> topics;
  for (const auto& [topic, queues] : topics_) {
    const std::int32_t flag = queues.begin()->second.sys_flag;
    if ((flag & set) == set && (flag & clear) == 0) topics.push_back(topic);
  }
  return topics;
}

void keep_zone(Route& route, std::string_view zone) {
  for (auto broker = route.brokers.begin(); broker != route.brokers.end();) {
    const BrokerData& data = broker->second;
    if (!data.addresses.contains(kMasterId) || equal_ignoring_case(data.zone.value_or(""), zone)) {
      ++broker;
      continue;
    }
    for (const auto& [id, address] : data.addresses) route.filter_servers.erase(address);
    route.queues.erase(broker->first);
    broker = route.brokers.erase(broker);
  }
}

}  // namespace rmq::namesrv
