#include "servers/namesrv/name_server.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/json/json_value.h"
#include "servers/namesrv/codes.h"
#include "servers/namesrv/json_bodies.h"
#include "servers/namesrv/kept_file.h"
#include "servers/wire/register_broker_body.h"

namespace rmq::namesrv {
namespace {

constexpr std::string_view kZoneName = "__ZONE_NAME";  // MixAll.ZONE_NAME
constexpr std::string_view kZoneMode = "__ZONE_MODE";
constexpr std::int32_t kVersion4_9_4 = 401;  // clients from here on read standard JSON
constexpr std::string_view kFaq =
    "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

wire::Response success(std::string body = {}) {
  return {.remark = {}, .fields = {}, .body = std::move(body), .parts = {}};
}
wire::Response refusal(std::int32_t code, std::string remark) {
  return {.code = code, .remark = std::move(remark), .fields = {}, .body = {}, .parts = {}};
}
wire::Response system_error(std::string remark) {
  return refusal(response_code::kSystemError, std::move(remark));
}

std::optional<std::string> text_field(const wire::Request& request, std::string_view name) {
  const auto value = request.field(name);
  return value ? std::optional<std::string>(*value) : std::nullopt;
}
// What Java prints for a field that is not there.
std::string text_or_null(const wire::Request& request, std::string_view name) {
  return text_field(request, name).value_or("null");
}
// Nothing for what Long.parseLong refuses: RocketMQ leaves the field as it was.
std::optional<std::int64_t> long_field(const wire::Request& request, std::string_view name) {
  auto text = request.field(name);
  if (!text) return std::nullopt;
  if (text->starts_with('+') && !text->starts_with("+-")) text->remove_prefix(1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return number;
}
// Boolean.parseBoolean.
std::optional<bool> flag_field(const wire::Request& request, std::string_view name) {
  const auto text = request.field(name);
  if (!text) return std::nullopt;
  return text->size() == 4 && std::ranges::equal(*text, std::string_view("true"), {}, [](char c) {
           return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
         });
}

bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n\f") == std::string_view::npos; }

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(';'), list.size());
    if (end > 0) parts.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return parts;
}

// RocketMQ: DefaultRequestProcessor.initConfigBlackList.
std::vector<std::string> black_list_of(const Settings& settings) {
  std::vector<std::string> keys = split(settings.config_black_list);
  for (const char* key : {"configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome"})
    keys.emplace_back(key);
  return keys;
}

BrokerAddress broker_address(const wire::Request& request) {
  return {text_field(request, "clusterName").value_or(""), text_field(request, "brokerAddr").value_or("")};
}

std::string described(const BrokerAddress& broker) {
  return broker.address + " of cluster " + broker.cluster;
}

}  // namespace

NameServer::NameServer(Environment environment, RouteLimits limits)
    : environment_(std::move(environment)),
      routes_(limits),
      kv_(environment_.files, environment_.config.settings()->kv_config_path),
      started_ms_(environment_.now_ms()),
      black_list_(black_list_of(*environment_.config.settings())) {}

Status NameServer::load() {
  std::string warning;
  RMQ_CHECK(kv_.load(warning));
  if (!warning.empty()) log(Severity::warning, warning);
  return {};
}

void NameServer::log(Severity severity, const std::string& text) const {
  if (environment_.log) environment_.log(severity, text);
}

void NameServer::remove_silent_brokers() {
  const RouteTable::Expired expired = routes_.expire(environment_.now_ms());
  for (const auto& [broker, connection] : expired.brokers) {
    log(Severity::warning, "broker " + described(broker) + " was silent too long and is removed");
    if (connection) connection->close();
  }
  for (const MinBrokerIdChange& change : expired.changes) tell(change);
}

void NameServer::connection_closed(const std::shared_ptr<wire::Connection>& connection) {
  for (const MinBrokerIdChange& change : routes_.connection_closed(*connection)) tell(change);
}

// RocketMQ: RouteInfoManager.notifyMinBrokerIdChanged.
void NameServer::tell(const MinBrokerIdChange& change) {
  if (!environment_.config.settings()->notify_min_broker_id_changed || environment_.brokers == nullptr ||
      change.addresses.empty())
    return;
  const auto& [min_id, min_address] = *change.addresses.begin();
  wire::Command command{.code = request_code::kNotifyMinBrokerIdChange,
                        .fields = {{"minBrokerId", std::to_string(min_id)}, {"minBrokerAddr", min_address}},
                        .body = {}};
  if (change.offline_address) command.fields.emplace_back("offlineBrokerAddr", *change.offline_address);
  if (change.ha_address) command.fields.emplace_back("haBrokerAddr", *change.ha_address);
  const bool all = change.offline_address.has_value() || change.addresses.size() == 1;
  for (const auto& [id, address] : change.addresses)
    if (all || id != min_id) environment_.brokers->send_oneway(address, command);
}

namespace {

class Forwarder : public wire::RequestHandler {
 public:
  explicit Forwarder(NameServer& server) : server_(server) {}
  void handle(const wire::Request& request, wire::Responder responder) override {
    const auto connection = responder.connection();
    responder.send(server_.answer(request, connection));
  }

 private:
  NameServer& server_;
};

}  // namespace

std::unique_ptr<wire::RequestHandler> NameServer::make_handler() {
  return std::make_unique<Forwarder>(*this);
}

NameServer::Handler NameServer::handler_of(std::int32_t code) {
  using namespace request_code;
  switch (code) {
    case kPutKvConfig: return &NameServer::put_kv;
    case kGetKvConfig: return &NameServer::get_kv;
    case kDeleteKvConfig: return &NameServer::delete_kv;
    case kRegisterBroker: return &NameServer::register_broker;
    case kUnregisterBroker: return &NameServer::unregister_broker;
    case kGetRouteInfoByTopic: return &NameServer::route;
    case kGetBrokerClusterInfo: return &NameServer::cluster_info;
    case kWipeWritePermOfBroker: return &NameServer::wipe_write_perm;
    case kGetAllTopicListFromNameserver: return &NameServer::all_topics;
    case kDeleteTopicInNamesrv: return &NameServer::delete_topic;
    case kRegisterTopicInNamesrv: return &NameServer::register_topic;
    case kGetKvListByNamespace: return &NameServer::list_kv;
    case kGetTopicsByCluster: return &NameServer::topics_of_cluster;
    case kGetSystemTopicListFromNs: return &NameServer::system_topics;
    case kGetUnitTopicList:
    case kGetHasUnitSubTopicList:
    case kGetHasUnitSubUnunitTopicList: return &NameServer::unit_topics;
    case kUpdateNamesrvConfig: return &NameServer::update_config;
    case kGetNamesrvConfig: return &NameServer::get_config;
    case kQueryDataVersion: return &NameServer::query_data_version;
    case kAddWritePermOfBroker: return &NameServer::add_write_perm;
    case kGetBrokerMemberGroup: return &NameServer::member_group;
    case kBrokerHeartbeat: return &NameServer::heartbeat;
    default: return nullptr;
  }
}

wire::Response NameServer::answer(const wire::Request& request,
                                  const std::shared_ptr<wire::Connection>& connection) {
  const Handler handler = handler_of(request.code);
  if (handler == nullptr)
    return refusal(response_code::kRequestCodeNotSupported,
                   " request type " + std::to_string(request.code) + " not supported");
  return (this->*handler)(request, connection);
}

// ---- KV configuration

wire::Response NameServer::put_kv(const wire::Request& request, const std::shared_ptr<wire::Connection>&) {
  const auto name_space = request.field("namespace");
  const auto key = request.field("key");
  if (!name_space || !key) return system_error("namespace or key is null");
  const Status put = kv_.put(*name_space, *key, request.field("value"));
  if (put) return success();
  log(Severity::error, "KV configuration: " + put.error().message());
  return put.error().code == ErrorCode::wrong_use ? system_error(put.error().message()) : success();
}

wire::Response NameServer::get_kv(const wire::Request& request, const std::shared_ptr<wire::Connection>&) {
  const auto name_space = request.field("namespace");
  const auto key = request.field("key");
  auto value = name_space && key ? kv_.get(*name_space, *key) : std::nullopt;
  if (!value)
    return refusal(response_code::kQueryNotFound,
                   "No config item, Namespace: " + text_or_null(request, "namespace") +
                       " Key: " + text_or_null(request, "key"));
  wire::Response response = success();
  response.fields.emplace_back("value", std::move(*value));
  return response;
}

wire::Response NameServer::delete_kv(const wire::Request& request, const std::shared_ptr<wire::Connection>&) {
  const Status removed =
      kv_.remove(request.field("namespace").value_or(""), request.field("key").value_or(""));
  if (!removed) log(Severity::error, "KV configuration: " + removed.error().message());
  return success();
}

wire::Response NameServer::list_kv(const wire::Request& request, const std::shared_ptr<wire::Connection>&) {
  const auto name_space = request.field("namespace");
  auto table = name_space ? kv_.list(*name_space) : std::nullopt;
  if (!table)
    return refusal(response_code::kQueryNotFound,
                   "No config item, Namespace: " + text_or_null(request, "namespace"));
  return success(std::move(*table));
}

// ---- brokers

wire::Response NameServer::register_broker(const wire::Request& request,
                                           const std::shared_ptr<wire::Connection>& connection) {
  if (const auto crc = long_field(request, "bodyCrc32");
      crc.value_or(0) != 0 && java_crc32(request.body) != *crc)
    return system_error("crc32 not match");
  const auto settings = environment_.config.settings();
  BrokerAddress broker = broker_address(request);
  const auto name = text_field(request, "brokerName");
  const auto id = long_field(request, "brokerId");
  if (!name || !id || broker.address.empty() || broker.cluster.empty())
    return system_error(
        "register broker failed: clusterName, brokerName, brokerAddr and brokerId are needed");
  auto body = wire::decode_register_broker_body(
      request.body, flag_field(request, "compressed").value_or(false), request.version);
  if (!body) {
    log(Severity::warning,
        "broker " + described(broker) + ": body of its registration: " + body.error().message());
    return system_error("Failed to decode RegisterBrokerBody: " + body.error().message());
  }
  RegisterOutcome outcome = routes_.register_broker(
      {.cluster = broker.cluster,
       .address = broker.address,
       .broker_name = *name,
       .broker_id = *id,
       .ha_address = text_field(request, "haServerAddr").value_or(""),
       .zone = text_field(request, kZoneName),
       .heartbeat_timeout_ms = long_field(request, "heartbeatTimeoutMillis"),
       .enable_acting_master = flag_field(request, "enableActingMaster"),
       .body = std::move(*body),
       .connection = connection},
      {.delete_absent_topics = settings->delete_topic_with_registration}, environment_.now_ms());
  const std::string who = "broker " + *name + " [" + std::to_string(*id) + "] " + described(broker);
  switch (outcome.result) {
    case Registered::yes:
      if (outcome.first) log(Severity::info, who + " registered");
      break;
    case Registered::older:
      log(Severity::warning, who + " is ignored: another address has this id and newer data");
      break;
    case Registered::lone_topic:
      log(Severity::warning, who + " sent a single topic before its first registration");
      return system_error("register broker failed");
    case Registered::over_a_limit:
      log(Severity::error, who + " is refused: too many brokers or topics, or too long a name");
      return system_error("register broker failed: too many brokers or topics, or too long a name");
  }
  if (outcome.change) tell(*outcome.change);
  wire::Response response = success();
  if (outcome.ha_address) response.fields.emplace_back("haServerAddr", std::move(*outcome.ha_address));
  if (outcome.master_address) response.fields.emplace_back("masterAddr", std::move(*outcome.master_address));
  if (settings->return_order_topic_config) response.body = kv_.list(kOrderTopicConfig).value_or("");
  return response;
}

wire::Response NameServer::unregister_broker(const wire::Request& request,
                                             const std::shared_ptr<wire::Connection>&) {
  const BrokerAddress broker = broker_address(request);
  const std::string name = text_field(request, "brokerName").value_or("");
  const auto change = routes_.unregister_broker(broker, name, long_field(request, "brokerId").value_or(-1));
  log(Severity::info, "broker " + name + " " + described(broker) + " unregistered");
  if (change) tell(*change);
  return success();
}

wire::Response NameServer::query_data_version(const wire::Request& request,
                                              const std::shared_ptr<wire::Connection>&) {
  const BrokerAddress broker = broker_address(request);
  const auto known = routes_.data_version(broker);
  const auto asked = json::parse(as_text(request.body), {.bytes = 4096, .values = 64, .depth = 8});
  const bool same =
      known && asked && asked->if_object() != nullptr && wire::read_data_version(*asked) == *known;
  routes_.heard_from(broker, environment_.now_ms());
  wire::Response response = success(known ? data_version_body(*known) : std::string());
  response.fields.emplace_back("changed", same ? "false" : "true");
  return response;
}

wire::Response NameServer::heartbeat(const wire::Request& request, const std::shared_ptr<wire::Connection>&) {
  routes_.heard_from(broker_address(request), environment_.now_ms());
  return success();
}

wire::Response NameServer::member_group(const wire::Request& request,
                                        const std::shared_ptr<wire::Connection>&) {
  const auto name = text_field(request, "brokerName");
  return success(
      member_group_body(text_field(request, "clusterName"), name, routes_.members(name.value_or(""))));
}

wire::Response NameServer::cluster_info(const wire::Request&, const std::shared_ptr<wire::Connection>&) {
  return success(cluster_info_body(routes_.brokers(), routes_.clusters()));
}

wire::Response NameServer::wipe_write_perm(const wire::Request& request,
                                           const std::shared_ptr<wire::Connection>&) {
  const std::string name = text_field(request, "brokerName").value_or("");
  const std::string count = std::to_string(routes_.wipe_write_perm(name));
  log(Severity::warning, "write permission of broker " + name + " wiped: " + count + " topics");
  wire::Response response = success();
  response.fields.emplace_back("wipeTopicCount", count);
  return response;
}

wire::Response NameServer::add_write_perm(const wire::Request& request,
                                          const std::shared_ptr<wire::Connection>&) {
  const std::string name = text_field(request, "brokerName").value_or("");
  const std::string count = std::to_string(routes_.add_write_perm(name));
  log(Severity::warning, "write permission of broker " + name + " given back: " + count + " topics");
  wire::Response response = success();
  response.fields.emplace_back("addTopicCount", count);
  return response;
}

// ---- topics

wire::Response NameServer::route(const wire::Request& request, const std::shared_ptr<wire::Connection>&) {
  const auto settings = environment_.config.settings();
  if (settings->need_wait_for_service &&
      environment_.now_ms() - started_ms_ < settings->wait_seconds_for_service * 1000)
    return system_error("name server not ready");
  const auto topic = request.field("topic");
  auto route = topic ? routes_.route(*topic, settings->support_acting_master) : std::nullopt;
  if (!route)
    return refusal(response_code::kTopicNotExist, "No topic route info in name server for the topic: " +
                                                      text_or_null(request, "topic") + std::string(kFaq));
  if (settings->order_message_enable) route->order_conf = kv_.get(kOrderTopicConfig, *topic);
  const bool standard =
      request.version >= kVersion4_9_4 || flag_field(request, "acceptStandardJsonOnly").value_or(false);
  const auto zone = request.field(kZoneName);
  if (flag_field(request, kZoneMode).value_or(false) && zone && !blank(*zone)) {
    keep_zone(*route, *zone);
    return success(route_body(*route, RouteStyle::fastjson));  // as stock, whoever asks
  }
  return success(route_body(*route, standard ? RouteStyle::standard : RouteStyle::fastjson));
}

wire::Response NameServer::all_topics(const wire::Request&, const std::shared_ptr<wire::Connection>&) {
  if (!environment_.config.settings()->enable_all_topic_list) return system_error("disable");
  return success(topic_list_body(routes_.topics()));
}

wire::Response NameServer::topics_of_cluster(const wire::Request& request,
                                             const std::shared_ptr<wire::Connection>&) {
  if (!environment_.config.settings()->enable_topic_list) return system_error("disable");
  return success(topic_list_body(routes_.topics_of_cluster(request.field("cluster").value_or(""))));
}

// RocketMQ: RouteInfoManager.getSystemTopicList: names of clusters and brokers, and the address of some
// broker.
wire::Response NameServer::system_topics(const wire::Request&, const std::shared_ptr<wire::Connection>&) {
  std::vector<std::string> topics;
  for (const auto& [cluster, names] : routes_.clusters()) {
    topics.push_back(cluster);
    topics.insert(topics.end(), names.begin(), names.end());
  }
  std::ranges::sort(topics);
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  const auto brokers = routes_.brokers();
  const auto some =
      std::ranges::find_if(brokers, [](const auto& broker) { return !broker.second.addresses.empty(); });
  if (some == brokers.end()) return success(topic_list_body(topics));
  return success(topic_list_body(topics, some->second.addresses.begin()->second));
}

wire::Response NameServer::unit_topics(const wire::Request& request,
                                       const std::shared_ptr<wire::Connection>&) {
  if (!environment_.config.settings()->enable_topic_list) return system_error("disable");
  const std::int32_t set = request.code == request_code::kGetUnitTopicList ? kUnitFlag : kUnitSubFlag;
  const std::int32_t clear = request.code == request_code::kGetHasUnitSubUnunitTopicList ? kUnitFlag : 0;
  return success(topic_list_body(routes_.topics_by_flag(set, clear)));
}

wire::Response NameServer::register_topic(const wire::Request& request,
                                          const std::shared_ptr<wire::Connection>&) {
  const auto topic = text_field(request, "topic");
  const auto queues = read_queue_datas(as_text(request.body));
  if (topic && queues && !queues->empty() && !routes_.register_topic(*topic, *queues))
    log(Severity::warning, "topic " + *topic + " was to be registered with brokers that are not known");
  return success();
}

wire::Response NameServer::delete_topic(const wire::Request& request,
                                        const std::shared_ptr<wire::Connection>&) {
  const auto topic = request.field("topic").value_or("");
  const auto cluster = request.field("clusterName").value_or("");
  if (cluster.empty()) {
    routes_.delete_topic(topic);
  } else {
    routes_.delete_topic(topic, cluster);
  }
  return success();
}

// ---- configuration

wire::Response NameServer::update_config(const wire::Request& request,
                                         const std::shared_ptr<wire::Connection>& connection) {
  if (request.body.empty()) return success();
  const auto changes = wire::parse_properties(as_text(request.body));
  if (!changes) return system_error("string2Properties error");
  if (std::ranges::any_of(black_list_, [&](const std::string& key) { return changes->contains(key); }))
    return refusal(response_code::kNoPermission, "Can not update config in black list.");
  for (const std::string& warning : environment_.config.update(*changes)) log(Severity::warning, warning);
  log(Severity::info, "configuration changed by " +
                          (connection ? std::string(connection->remote_address()) : std::string("nobody")));
  const Status kept = keep_text(environment_.files, environment_.config.settings()->config_store_path,
                                wire::write_properties(environment_.config.shown()));
  if (!kept) log(Severity::error, "configuration: " + kept.error().message());
  return success();
}

wire::Response NameServer::get_config(const wire::Request&, const std::shared_ptr<wire::Connection>&) {
  return success(wire::write_properties(environment_.config.shown()));
}

}  // namespace rmq::namesrv
