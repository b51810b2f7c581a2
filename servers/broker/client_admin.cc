#include "servers/broker/client_admin.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "servers/broker/admin_reply.h"
#include "servers/broker/broker.h"
#include "servers/broker/client_relay.h"
#include "servers/broker/consume_stats.h"
#include "servers/broker/offset_reset.h"

namespace rmq::broker {
namespace {

json::Value connections_json(const std::vector<Client>& clients) {
  json::Array list;
  for (const Client& client : clients) list.items.emplace_back(connection_json(client));
  return list;
}

template <class E>
json::Value name_or_null(const std::optional<E>& value) {
  return value ? json::Value(to_string(*value)) : json::Value();
}

template <class Names>
json::Value names_json(const Names& names) {
  json::Array list;
  for (const std::string& name : names) list.items.emplace_back(name);
  return list;
}

// "a,b" as String.split gives it.
std::vector<std::string> split_at_commas(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (comma != 0) names.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return names;
}

}  // namespace

wire::Response ClientAdmin::consumer_connections(const wire::Request& request) const {
  RequestFields fields(request);
  const std::string group(fields.text("consumerGroup"));
  if (fields.failed()) return fields.failure();
  const auto found = clients_.consumers().group(group);
  if (!found)
    return answer(ResponseCode::consumer_not_online, "the consumer group[" + group + "] not online");
  json::Object subscriptions;
  for (const auto& [topic, subscription] : found->subscriptions)
    subscriptions.set(topic, to_json(*subscription));
  json::Object body;
  body.set("connectionSet", connections_json(found->clients));
  body.set("consumeFromWhere", name_or_null(found->consume_from_where));
  body.set("consumeType", name_or_null(found->consume_type));
  body.set("messageModel", name_or_null(found->message_model));
  body.set("subscriptionTable", std::move(subscriptions));
  return answer_json(body);
}

wire::Response ClientAdmin::producer_connections(const wire::Request& request) const {
  RequestFields fields(request);
  const std::string group(fields.text("producerGroup"));
  if (fields.failed()) return fields.failure();
  const auto clients = clients_.producers().clients(group);
  if (!clients) return answer(ResponseCode::system_error, "the producer group[" + group + "] not exist");
  json::Object body;
  body.set("connectionSet", connections_json(*clients));
  return answer_json(body);
}

wire::Response ClientAdmin::all_producers(const wire::Request&) const {
  json::Object data;
  for (const auto& [group, clients] : clients_.producers().all()) {
    json::Array list;
    for (const Client& client : clients) {
      json::Object one;
      one.set("clientId", client.id);
      one.set("language", language_json(client.language));
      one.set("lastUpdateTimestamp", client.last_update_ms);
      one.set("remoteIP",
              '/' + std::string(client.connection->remote_address()));  // as Java prints addresses
      one.set("version", client.version);
      list.items.emplace_back(std::move(one));
    }
    data.set(group, std::move(list));
  }
  json::Object body;
  body.set("data", std::move(data));
  return answer_json(body);
}

wire::Response ClientAdmin::who_consumes(const wire::Request& request) const {
  RequestFields fields(request);
  const std::string_view topic = fields.text("topic");
  if (fields.failed()) return fields.failure();
  // 5.3.3 has the topic's own name in the list instead of the groups that are online; 4.9 has the groups.
  std::set<std::string> groups;
  for (std::string& group : clients_.consumers().groups_of(topic)) groups.insert(std::move(group));
  for (std::string& group : broker_.offsets().groups_of(topic)) groups.insert(std::move(group));
  json::Object body;
  body.set("groupList", names_json(groups));
  return answer_json(body);
}

wire::Response ClientAdmin::topics_of_group(const wire::Request& request) const {
  RequestFields fields(request);
  const std::string_view group = fields.text("group");
  if (fields.failed()) return fields.failure();
  json::Object body;
  body.set("brokerAddr", broker_.address());
  body.set("topicList", names_json(broker_.offsets().topics_of(group)));
  return answer_json(body);
}

wire::Response ClientAdmin::subscription(const wire::Request& request) const {
  RequestFields fields(request);
  const std::string_view group = fields.text("group");
  const std::string_view topic = fields.text("topic");
  if (fields.failed()) return fields.failure();
  const auto found = clients_.consumers().subscription(group, topic);
  json::Object body;
  body.set("group", group);
  body.set("subscriptionData", found ? to_json(*found) : json::Value());
  body.set("topic", topic);
  return answer_json(body);
}

wire::Response ClientAdmin::correction_offsets(const wire::Request& request) const {
  RequestFields fields(request);
  const std::string_view topic = fields.text("topic");
  const std::string_view compared = fields.text("compareGroup");
  const std::vector<std::string> without = split_at_commas(fields.text("filterGroups", ""));
  if (fields.failed()) return fields.failure();
  ConsumerOffsets::Queues smallest = broker_.offsets().smallest(topic, without, [&](std::int32_t queue) {
    return broker_.store().min_offset(topic, queue).value_or(0);
  });
  for (const auto& [queue, offset] : broker_.offsets().query(compared, topic)) {
    const auto found = smallest.find(queue);
    if (found == smallest.end())
      return answer(ResponseCode::system_error,
                    "queue " + std::to_string(queue) + " has no offset to compare with");
    if (found->second > offset) found->second = std::numeric_limits<std::int64_t>::max();
  }
  json::Object table;
  for (const auto& [queue, offset] : smallest)
    table.set(std::to_string(queue), offset, json::KeyForm::integer);
  json::Object body;
  body.set("correctionOffsets", std::move(table));
  return answer_json(body);
}

wire::Response ClientAdmin::clone_offsets(const wire::Request& request) const {
  RequestFields fields(request);
  const std::string_view from = fields.text("srcGroup");
  const std::string_view to = fields.text("destGroup");
  const std::string_view only = fields.text("topic", "");
  const bool offline = fields.flag("offline", false);
  if (fields.failed()) return fields.failure();
  std::vector<std::string> topics;
  if (only.empty())
    topics = broker_.offsets().topics_of(from);
  else
    topics.emplace_back(only);
  for (const std::string& topic : topics) {
    if (!broker_.topics().find(topic)) continue;
    const bool subscribes = clients_.consumers().subscription(from, topic) != nullptr;
    if (!offline && clients_.consumers().has_subscriptions(from) && !subscribes) continue;
    broker_.offsets().clone(from, to, topic);
  }
  return answer_success();
}

void add_client_admin(Broker& broker) {
  ClientTables& clients = *broker.clients();
  const auto answer_with = [&broker](RequestCode code, auto part, auto function) {
    broker.add(code, [part, function](const wire::Request& request, wire::Responder responder) {
      responder.send(((*part).*function)(request));
    });
  };
  const auto admin = std::make_shared<ClientAdmin>(broker, clients);
  answer_with(RequestCode::get_consumer_connection_list, admin, &ClientAdmin::consumer_connections);
  answer_with(RequestCode::get_producer_connection_list, admin, &ClientAdmin::producer_connections);
  answer_with(RequestCode::get_all_producer_info, admin, &ClientAdmin::all_producers);
  answer_with(RequestCode::query_topic_consume_by_who, admin, &ClientAdmin::who_consumes);
  answer_with(RequestCode::query_topics_by_consumer, admin, &ClientAdmin::topics_of_group);
  answer_with(RequestCode::query_subscription_by_consumer, admin, &ClientAdmin::subscription);
  answer_with(RequestCode::query_correction_offset, admin, &ClientAdmin::correction_offsets);
  answer_with(RequestCode::clone_group_offset, admin, &ClientAdmin::clone_offsets);

  const auto stats = std::make_shared<ConsumeStats>(broker, clients);
  answer_with(RequestCode::get_consume_stats, stats, &ConsumeStats::of_group);
  answer_with(RequestCode::get_broker_consume_stats, stats, &ConsumeStats::of_broker);
  answer_with(RequestCode::query_consume_time_span, stats, &ConsumeStats::time_span);

  const auto reset = std::make_shared<OffsetReset>(broker, clients);
  answer_with(RequestCode::invoke_broker_to_reset_offset, reset, &OffsetReset::reset);

  const auto relay = std::make_shared<ClientRelay>(broker, clients);
  const auto relay_with = [&broker, relay](
                              RequestCode code,
                              void (ClientRelay::*function)(const wire::Request&, wire::Responder) const) {
    broker.add(code, [relay, function](const wire::Request& request, wire::Responder responder) {
      ((*relay).*function)(request, std::move(responder));
    });
  };
  relay_with(RequestCode::get_consumer_running_info, &ClientRelay::running_info);
  relay_with(RequestCode::consume_message_directly, &ClientRelay::consume_directly);
  relay_with(RequestCode::invoke_broker_to_get_consumer_status, &ClientRelay::consumer_status);
}

}  // namespace rmq::broker
