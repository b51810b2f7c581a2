#include "servers/broker/query_processor.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libstore/json/json_writer.h"
#include "servers/broker/broker.h"
#include "servers/broker/clients.h"
#include "servers/broker/request_fields.h"

namespace rmq::broker {
namespace {

constexpr std::int32_t kMaxMsgsNumBatch = 64;

wire::Response answer_error(const Error& error) {
  return answer(ResponseCode::system_error, error.message());
}

void add_piece(engine::LogPiece piece, wire::Response& response) {
  response.parts.push_back({piece.bytes, piece.file, piece.offset, piece.size, std::move(piece.owner)});
}

// QUERY_MESSAGE, DefaultMessageStore.queryMessage.
wire::Response query_message(Broker& broker, const wire::Request& request) {
  RequestFields fields(request);
  const std::string_view topic = fields.text("topic");
  const std::string_view key = fields.text("key");
  std::int32_t most = fields.int32("maxNum");
  engine::QueryOptions options;
  options.since_ms = fields.int64("beginTimestamp");
  options.until_ms = fields.int64("endTimestamp");
  if (fields.failed()) return fields.failure();
  if (request.field("_UNIQUE_KEY_QUERY") == "true")
    most = static_cast<std::int32_t>(broker.config().number<"defaultQueryMaxNum">());
  options.most = static_cast<std::size_t>(std::clamp(most, 0, kMaxMsgsNumBatch));
  auto found = broker.store().query(topic, key, options);
  if (!found) return answer_error(found.error());
  std::ranges::sort(*found);
  wire::Response response;
  for (const std::int64_t offset : *found) {
    auto piece = broker.store().pin(offset);
    if (!piece) return answer_error(piece.error());
    if (*piece) add_piece(std::move(**piece), response);
  }
  const derive::DerivedUpTo indexed =
      response.parts.empty() ? derive::DerivedUpTo() : broker.store().indexed_up_to();
  response.fields.emplace_back("indexLastUpdateTimestamp", std::to_string(indexed.store_timestamp));
  response.fields.emplace_back("indexLastUpdatePhyoffset", std::to_string(indexed.log_offset));
  if (response.parts.empty()) {
    response.code = static_cast<std::int32_t>(ResponseCode::query_not_found);
    response.remark = "can not find message, maybe time range not correct";
  }
  return response;
}

wire::Response view_message_by_id(Broker& broker, const wire::Request& request) {
  RequestFields fields(request);
  const std::int64_t offset = fields.int64("offset");
  if (fields.failed()) return fields.failure();
  auto piece = broker.store().pin(offset);
  if (!piece) return answer_error(piece.error());
  if (!*piece)
    return answer(ResponseCode::system_error,
                  "can not find message by the offset, " + std::to_string(offset));
  wire::Response response;
  add_piece(std::move(**piece), response);
  return response;
}

wire::Response answer_field(std::string_view name, std::int64_t value) {
  wire::Response response;
  response.fields.emplace_back(name, std::to_string(value));
  return response;
}

// Which queue is meant by 29 to 32.
struct QueueName {
  std::string_view topic;
  std::int32_t queue_id = 0;
};
QueueName queue_name(RequestFields& fields) { return {fields.text("topic"), fields.int32("queueId")}; }

wire::Response search_offset(Broker& broker, const wire::Request& request) {
  RequestFields fields(request);
  const QueueName queue = queue_name(fields);
  const std::int64_t timestamp = fields.int64("timestamp");
  if (fields.failed()) return fields.failure();
  std::string boundary(fields.text("boundaryType", "lower"));
  std::ranges::transform(boundary, boundary.begin(), [](char letter) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  });
  const auto offset = broker.store().offset_by_time(
      queue.topic, queue.queue_id, timestamp,
      boundary == "upper" ? engine::TimeBoundary::upper : engine::TimeBoundary::lower);
  if (!offset) return answer_error(offset.error());
  return answer_field("offset", *offset);
}

wire::Response max_offset(Broker& broker, const wire::Request& request) {
  RequestFields fields(request);
  const QueueName queue = queue_name(fields);
  if (fields.failed()) return fields.failure();
  return answer_field("offset", broker.store().max_offset(queue.topic, queue.queue_id).value_or(0));
}

wire::Response min_offset(Broker& broker, const wire::Request& request) {
  RequestFields fields(request);
  const QueueName queue = queue_name(fields);
  if (fields.failed()) return fields.failure();
  return answer_field("offset", broker.store().min_offset(queue.topic, queue.queue_id).value_or(0));
}

// GET_EARLIEST_MSG_STORETIME.
wire::Response earliest_store_time(Broker& broker, const wire::Request& request) {
  RequestFields fields(request);
  const QueueName queue = queue_name(fields);
  if (fields.failed()) return fields.failure();
  const auto first = broker.store().min_offset(queue.topic, queue.queue_id);
  if (!first) return answer_field("timestamp", -1);
  const auto stored = broker.store().store_time(queue.topic, queue.queue_id, *first);
  if (!stored) return answer_error(stored.error());
  return answer_field("timestamp", stored->value_or(-1));
}

void add_subscription(Broker& broker, std::string_view topic, std::string_view group, json::Object& body) {
  std::shared_ptr<const SubscriptionData> subscription;
  if (ClientTables* clients = broker.clients())
    subscription = clients->consumers().subscription(group, topic);
  if (subscription) {
    body.set("subscriptionData", to_json(*subscription));
    body.set("filterData", "null");
  } else {
    body.set("filterData", std::string(group) + "@" + std::string(topic) + " is not online!");
  }
}

// QUERY_CONSUME_QUEUE.
wire::Response query_consume_queue(Broker& broker, const wire::Request& request) {
  RequestFields fields(request);
  const std::string_view topic = fields.text("topic", "");
  const std::int32_t queue_id = fields.int32("queueId", 0);
  const std::int64_t index = fields.int64("index", 0);
  const std::int32_t count = fields.int32("count", 0);
  if (fields.failed()) return fields.failure();
  const auto first = broker.store().min_offset(topic, queue_id);
  const auto end = broker.store().max_offset(topic, queue_id);
  if (!first || !end)
    return answer(ResponseCode::system_error,
                  std::to_string(queue_id) + "@" + std::string(topic) + " is not exist!");
  constexpr std::int64_t kMostUnits = 10'000;  // what one answer carries
  const auto units = broker.store().units(topic, queue_id, index, std::min<std::int64_t>(count, kMostUnits));
  if (!units) return answer_error(units.error());
  if (index < *first || index >= *end)
    return answer(ResponseCode::success, "Index " + std::to_string(index) + " of " +
                                             std::to_string(queue_id) + "@" + std::string(topic) +
                                             " is not exist!");
  json::Object body;
  if (const auto group = request.field("consumerGroup")) add_subscription(broker, topic, *group, body);
  body.set("maxQueueIndex", *end);
  body.set("minQueueIndex", *first);
  json::Array data;
  for (const engine::QueueUnit& unit : *units) {
    json::Object one;
    one.set("eval", false);
    one.set("physicOffset", unit.log_offset);
    one.set("physicSize", unit.size);
    one.set("tagsCode", unit.tags_code);
    data.items.emplace_back(std::move(one));
  }
  body.set("queueData", std::move(data));
  wire::Response response;
  response.body = json::write_fastjson(body, {.pretty = false});
  return response;
}

}  // namespace

void add_query_processors(Broker& broker) {
  using Query = wire::Response (*)(Broker&, const wire::Request&);
  const auto add = [&broker](RequestCode code, Query query) {
    broker.add(code, [&broker, query](const wire::Request& request, wire::Responder responder) {
      responder.send(query(broker, request));
    });
  };
  add(RequestCode::query_message, query_message);
  add(RequestCode::view_message_by_id, view_message_by_id);
  add(RequestCode::search_offset_by_timestamp, search_offset);
  add(RequestCode::get_max_offset, max_offset);
  add(RequestCode::get_min_offset, min_offset);
  add(RequestCode::get_earliest_msg_storetime, earliest_store_time);
  add(RequestCode::query_consume_queue, query_consume_queue);
}

}  // namespace rmq::broker
