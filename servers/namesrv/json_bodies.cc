#include "servers/namesrv/json_bodies.h"

#include <utility>

#include "libstore/json/json_writer.h"

namespace rmq::namesrv {
namespace {

std::string compact(const json::Value& value) { return json::write_fastjson(value, {.pretty = false}); }

template <class Map, class Convert>
json::Value object_of(const Map& map, const Convert& convert) {
  std::vector<json::Member> members;
  members.reserve(map.size());
  for (const auto& [name, value] : map) members.push_back({name, json::KeyForm::text, convert(value)});
  return json::Object::from_members(std::move(members));
}

template <class Texts>
json::Value texts_json(const Texts& texts) {
  json::Array array;
  for (const std::string& text : texts) array.items.emplace_back(text);
  return array;
}

json::Value addresses_json(const std::map<std::int64_t, std::string>& addresses) {
  std::vector<json::Member> members;
  for (const auto& [id, address] : addresses)
    members.push_back({std::to_string(id), json::KeyForm::integer, address});
  return json::Object::from_members(std::move(members));
}

json::Value optional_json(const std::optional<std::string>& text) {
  return text ? json::Value(*text) : json::Value();
}

json::Value broker_json(std::string_view name, const BrokerData& broker) {
  json::Object object;
  object.set("brokerAddrs", addresses_json(broker.addresses));
  object.set("brokerName", name);
  object.set("cluster", broker.cluster);
  object.set("enableActingMaster", broker.enable_acting_master);
  object.set("zoneName", optional_json(broker.zone));
  return object;
}

json::Value queue_json(std::string_view broker_name, const QueueData& queue) {
  json::Object object;
  object.set("brokerName", broker_name);
  object.set("perm", queue.perm);
  object.set("readQueueNums", queue.read_queues);
  object.set("topicSysFlag", queue.sys_flag);
  object.set("writeQueueNums", queue.write_queues);
  return object;
}

std::int32_t int_of(const json::Value& value, std::string_view name) {
  const json::Value* member = value.find(name);
  return member == nullptr ? 0 : static_cast<std::int32_t>(member->as_int64().value_or(0));
}

}  // namespace

std::string route_body(const Route& route, RouteStyle style) {
  json::Array brokers;
  for (const auto& [name, broker] : route.brokers) brokers.items.push_back(broker_json(name, broker));
  json::Array queues;
  for (const auto& [name, queue] : route.queues) queues.items.push_back(queue_json(name, queue));
  json::Object object;
  object.set("brokerDatas", std::move(brokers));
  object.set("filterServerTable", object_of(route.filter_servers, texts_json<std::vector<std::string>>));
  object.set("orderTopicConf", optional_json(route.order_conf));
  object.set("queueDatas", std::move(queues));
  if (!route.mappings.empty())
    object.set("topicQueueMappingByBroker",
               object_of(route.mappings, [](const json::Value& value) { return value; }));
  return json::write_fastjson(object, {.pretty = false, .browser_compatible = style == RouteStyle::standard});
}

std::string cluster_info_body(const ByName<BrokerData>& brokers,
                              const ByName<std::set<std::string>>& clusters) {
  std::vector<json::Member> table;
  for (const auto& [name, broker] : brokers)
    table.push_back({name, json::KeyForm::text, broker_json(name, broker)});
  json::Object object;
  object.set("brokerAddrTable", json::Object::from_members(std::move(table)));
  object.set("clusterAddrTable", object_of(clusters, texts_json<std::set<std::string>>));
  return compact(object);
}

std::string topic_list_body(const std::vector<std::string>& topics,
                            const std::optional<std::string>& broker_address) {
  json::Object object;
  object.set("brokerAddr", optional_json(broker_address));
  object.set("topicList", texts_json(topics));
  return compact(object);
}

std::string member_group_body(const std::optional<std::string>& cluster,
                              const std::optional<std::string>& broker_name,
                              const std::map<std::int64_t, std::string>& addresses) {
  json::Object group;
  group.set("brokerAddrs", addresses_json(addresses));
  group.set("brokerName", optional_json(broker_name));
  group.set("cluster", optional_json(cluster));
  json::Object object;
  object.set("brokerMemberGroup", std::move(group));
  return compact(object);
}

std::string data_version_body(const wire::DataVersion& version) { return compact(wire::to_json(version)); }

std::optional<std::vector<std::pair<std::string, QueueData>>> read_queue_datas(std::string_view body) {
  const auto value = json::parse(body, {.bytes = std::size_t{1} << 20, .values = 100'000, .depth = 32});
  const json::Value* list = value ? value->find("queueDatas") : nullptr;
  const json::Array* array = list == nullptr ? nullptr : list->if_array();
  if (array == nullptr) return std::nullopt;
  std::vector<std::pair<std::string, QueueData>> queues;
  for (const json::Value& item : array->items) {
    const json::Value* name = item.find("brokerName");
    if (name == nullptr || name->if_string() == nullptr) return std::nullopt;
    queues.emplace_back(*name->if_string(), QueueData{.read_queues = int_of(item, "readQueueNums"),
                                                      .write_queues = int_of(item, "writeQueueNums"),
                                                      .perm = int_of(item, "perm"),
                                                      .sys_flag = int_of(item, "topicSysFlag")});
  }
  return queues;
}

}  // namespace rmq::namesrv
