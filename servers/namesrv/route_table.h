// Which brokers there are, and which of them serve a topic. RocketMQ: RouteInfoManager.
// Thread-safe: look-ups share a lock, changes own it; none of them blocks on anything else. Time is given by
// the caller. Memory is bounded by RouteLimits whatever brokers register.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libstore/json/json_value.h"
#include "servers/wire/handler.h"
#include "servers/wire/register_broker_body.h"

namespace rmq::namesrv {

inline constexpr std::int64_t kMasterId = 0;
inline constexpr std::int32_t kPermWrite = 2;
inline constexpr std::int32_t kPermReadWrite = 6;
inline constexpr std::int32_t kUnitFlag = 1;     // TopicSysFlag
inline constexpr std::int32_t kUnitSubFlag = 2;  // TopicSysFlag

// A topic's queues on one broker.
struct QueueData {
  std::int32_t read_queues = 0;
  std::int32_t write_queues = 0;
  std::int32_t perm = 0;
  std::int32_t sys_flag = 0;
  bool operator==(const QueueData&) const = default;
};

// The brokers that share a name: a master and its slaves.
struct BrokerData {
  std::string cluster;
  std::map<std::int64_t, std::string> addresses;  // by broker id
  std::optional<std::string> zone;
  bool enable_acting_master = false;
};

template <class T>
using ByName = std::map<std::string, T, std::less<>>;

struct Route {
  ByName<QueueData> queues;                         // by broker name
  ByName<BrokerData> brokers;                       // by broker name
  ByName<std::vector<std::string>> filter_servers;  // by broker address
  std::optional<std::string> order_conf;
  ByName<json::Value> mappings;  // static topics; by broker name
};

struct Registration {
  std::string cluster;
  std::string address;
  std::string broker_name;
  std::int64_t broker_id = 0;
  std::string ha_address;
  std::optional<std::string> zone;
  std::optional<std::int64_t> heartbeat_timeout_ms;
  std::optional<bool> enable_acting_master;  // absent: a broker of 4.x
  wire::RegisterBrokerBody body;
  std::shared_ptr<wire::Connection> connection;
};

// Brokers of one name have another smallest id now; RocketMQ tells them so (NOTIFY_MIN_BROKER_ID_CHANGE).
struct MinBrokerIdChange {
  std::map<std::int64_t, std::string> addresses;
  std::optional<std::string> offline_address;
  std::optional<std::string> ha_address = {};
};

enum class Registered : std::uint8_t {
  yes,
  older,         // the id belongs to another address whose state is newer
  lone_topic,    // one topic of a broker that has not registered yet
  over_a_limit,  // see RouteLimits
};
struct RegisterOutcome {
  Registered result = Registered::yes;
  bool first = false;                          // the address was not known
  std::optional<std::string> ha_address = {};  // of the master, for slaves
  std::optional<std::string> master_address = {};
  std::optional<MinBrokerIdChange> change = {};
};

struct RouteOptions {
  bool delete_absent_topics = false;  // deleteTopicWithBrokerRegistration
};

struct RouteLimits {
  std::size_t brokers = 10'000;  // addresses, and names
  std::size_t topics = 500'000;
  std::size_t queues = 2'000'000;                     // topics on brokers
  std::size_t name_bytes = 1024;                      // of a topic, broker, cluster or address
  std::size_t mapping_bytes = std::size_t{64} << 20;  // of static topics, as JSON text
};

struct BrokerAddress {
  std::string cluster;
  std::string address;
  auto operator<=>(const BrokerAddress&) const = default;
};

class RouteTable {
 public:
  explicit RouteTable(RouteLimits limits = {}) : limits_(limits) {}

  [[nodiscard]] RegisterOutcome register_broker(Registration registration, const RouteOptions& options,
                                                std::int64_t now_ms);
  // Nothing happens to a broker that is not known.
  [[nodiscard]] std::optional<MinBrokerIdChange> unregister_broker(const BrokerAddress& broker,
                                                                   std::string_view name, std::int64_t id);
  // The brokers that registered through it are gone.
  [[nodiscard]] std::vector<MinBrokerIdChange> connection_closed(const wire::Connection& connection);
  // Brokers that were silent for longer than they promised are gone; their connections are to be closed.
  struct Expired {
    std::vector<std::pair<BrokerAddress, std::shared_ptr<wire::Connection>>> brokers;
    std::vector<MinBrokerIdChange> changes;
  };
  [[nodiscard]] Expired expire(std::int64_t now_ms);

  void heard_from(const BrokerAddress& broker, std::int64_t now_ms);
  [[nodiscard]] std::optional<wire::DataVersion> data_version(const BrokerAddress& broker) const;

  // Nothing where no broker that is there has the topic. `acting_master`: where a name has no master, its
  // smallest id is shown as one (supportActingMaster).
  [[nodiscard]] std::optional<Route> route(std::string_view topic, bool acting_master) const;

  // False: a broker of `queues` is not known; the ones before it are taken. RocketMQ: registerTopic.
  bool register_topic(const std::string& topic, const std::vector<std::pair<std::string, QueueData>>& queues);
  void delete_topic(std::string_view topic);
  void delete_topic(std::string_view topic, std::string_view cluster);
  // How many topics the broker has.
  std::int32_t wipe_write_perm(std::string_view broker_name);
  std::int32_t add_write_perm(std::string_view broker_name);

  [[nodiscard]] ByName<BrokerData> brokers() const;
  [[nodiscard]] ByName<std::set<std::string>> clusters() const;
  [[nodiscard]] std::map<std::int64_t, std::string> members(std::string_view broker_name) const;
  [[nodiscard]] std::vector<std::string> topics() const;
  [[nodiscard]] std::vector<std::string> topics_of_cluster(std::string_view cluster) const;
  // By TopicSysFlag of the topic's first broker: those with all of `set` and none of `clear`.
  [[nodiscard]] std::vector<std::string> topics_by_flag(std::int32_t set, std::int32_t clear) const;

 private:
  struct Live {
    std::int64_t last_ms = 0;
    std::int64_t timeout_ms = 0;
    wire::DataVersion version;
    std::shared_ptr<wire::Connection> connection;
    std::string ha_address;
    std::vector<std::string> filter_servers;
  };
  struct Mapping {
    json::Value content;
    std::size_t bytes = 0;
  };
  using Topics = ByName<ByName<QueueData>>;

  [[nodiscard]] bool within_limits(const Registration& registration) const;
  [[nodiscard]] bool room_for_name(const Registration& registration) const;
  [[nodiscard]] bool newer_owner(const Registration& registration, const BrokerData& data) const;
  void take_topics(const Registration& registration, const RouteOptions& options, bool first,
                   bool wipe_write);
  void take_mappings(const Registration& registration);
  void delete_absent(const Registration& registration);
  void put_queue(const std::string& topic, const std::string& broker_name, const QueueData& queue);
  Topics::iterator remove_queue(Topics::iterator topic, std::string_view broker_name);
  void remove_name(std::string_view broker_name);
  [[nodiscard]] std::optional<MinBrokerIdChange> remove_broker(const BrokerAddress& broker,
                                                               std::string_view name, std::int64_t id);
  void remove_address(const BrokerAddress& broker, std::vector<MinBrokerIdChange>& changes);
  std::int32_t change_perm(std::string_view broker_name,
                           const std::function<std::int32_t(std::int32_t)>& change);

  const RouteLimits limits_;
  mutable std::shared_mutex mutex_;
  Topics topics_;
  std::size_t queue_count_ = 0;
  ByName<BrokerData> brokers_;
  ByName<std::set<std::string>> clusters_;
  std::map<BrokerAddress, Live> live_;
  ByName<ByName<Mapping>> mappings_;  // by topic, by broker name
  std::size_t mapping_bytes_ = 0;
};

// With __ZONE_MODE, only brokers of the zone, and those without a master. RocketMQ: ZoneRouteRPCHook.
void keep_zone(Route& route, std::string_view zone);

}  // namespace rmq::namesrv
