#include "servers/broker/offset_reset.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "servers/broker/admin_reply.h"
#include "servers/broker/broker.h"
#include "servers/broker/message_queue.h"

namespace rmq::broker {

wire::Response OffsetReset::reset(const wire::Request& request) const {
  RequestFields fields(request);
  const Asked asked{.group = std::string(fields.text("group")),
                    .topic = std::string(fields.text("topic")),
                    .timestamp = fields.int64("timestamp"),
                    .force = fields.flag("isForce"),
                    .queue_id = fields.int32("queueId", -1),
                    .offset = fields.int64("offset", -1),
                    .list_form = request.language == wire::LanguageCode::cpp};
  if (fields.failed()) return fields.failure();
  return broker_.config().flag<"useServerSideResetOffset">() ? reset_here(asked) : tell_clients(asked);
}

Result<std::int64_t> OffsetReset::offset_for(const Asked& asked, std::int32_t queue_id) const {
  if (asked.timestamp < 0) return broker_.store().max_offset(asked.topic, queue_id).value_or(0);
  return broker_.store().offset_by_time(asked.topic, queue_id, asked.timestamp);
}

wire::Response OffsetReset::reset_here(const Asked& asked) const {
  const TopicConfigPtr topic = broker_.topics().find(asked.topic);
  if (!topic) return answer(ResponseCode::topic_not_exist, "Topic " + asked.topic + " does not exist");
  if (!broker_.groups().find(asked.group))
    return answer(ResponseCode::subscription_group_not_exist, "Group " + asked.group + " does not exist");
  Offsets offsets;
  if (asked.queue_id >= 0 && asked.offset != -1) {
    const std::int64_t min = broker_.store().min_offset(asked.topic, asked.queue_id).value_or(0);
    const std::int64_t max = broker_.store().max_offset(asked.topic, asked.queue_id).value_or(0);
    if (asked.offset < min || asked.offset > max + 1)
      return answer(ResponseCode::system_error, "Target offset " + std::to_string(asked.offset) +
                                                    " not in consume queue range [" + std::to_string(min) +
                                                    "-" + std::to_string(max) + "]");
    offsets[asked.queue_id] = asked.offset;
  } else {
    const std::int32_t first = std::max(asked.queue_id, 0);
    const std::int32_t end = asked.queue_id >= 0 ? asked.queue_id + 1 : topic->read_queues;
    for (std::int32_t id = first; id < end; ++id) {
      const auto offset = offset_for(asked, id);
      if (!offset) return answer(ResponseCode::system_error, offset.error().message());
      offsets[id] = *offset;
    }
  }
  if (offsets.empty()) return answer(ResponseCode::system_error, "No queues to reset.");
  for (const auto& [id, offset] : offsets)
    broker_.offsets().assign_reset(asked.group, asked.topic, id, offset);
  wire::Response response = answer_success();
  response.body = body_json(asked, offsets, false);
  return response;
}

wire::Response OffsetReset::tell_clients(const Asked& asked) const {
  const TopicConfigPtr topic = broker_.topics().find(asked.topic);
  if (!topic)
    return answer(ResponseCode::topic_not_exist,
                  "[reset-offset] reset offset failed, no topic in this broker. topic=" + asked.topic);
  Offsets offsets;
  for (std::int32_t id = 0; id < topic->write_queues; ++id) {
    const auto consumed = broker_.offsets().query(asked.group, asked.topic, id);
    if (!consumed)
      return answer(ResponseCode::system_error, "THe consumer group <" + asked.group + "> not exist");
    const auto offset = offset_for(asked, id);
    if (!offset) return answer(ResponseCode::system_error, offset.error().message());
    offsets[id] = asked.force ? *offset : std::min(*offset, *consumed);
  }
  const auto group = clients_.consumers().group(asked.group);
  if (!group)
    return answer(ResponseCode::consumer_not_online,
                  "Consumer not online, so can not reset offset, Group: " + asked.group +
                      " Topic: " + asked.topic + " Timestamp: " + std::to_string(asked.timestamp));
  for (const Client& client : group->clients)
    if (client.version < kVersionKnowsResetOffset)
      return answer(ResponseCode::system_error,
                    "the client does not support this feature. version=" + std::to_string(client.version));
  const wire::Command command{
      .code = static_cast<std::int32_t>(RequestCode::reset_consumer_client_offset),
      .fields = {{"group", asked.group},
                 {"topic", asked.topic},
                 {"timestamp", std::to_string(asked.timestamp)},
                 {"isForce", "false"},  // stock does not hand it on: the offsets say it already
                 {"queueId", "-1"}},
      .body = body_json(asked, offsets, asked.list_form)};
  for (const Client& client : group->clients) client.connection->send_oneway(command);
  wire::Response response = answer_success();
  response.body = body_json(asked, offsets, false);
  return response;
}

// ResetOffsetBody, or ResetOffsetBodyForC.
std::string OffsetReset::body_json(const Asked& asked, const Offsets& offsets, bool list_form) const {
  MessageQueue queue{asked.topic, broker_.config().text<"brokerName">(), 0};
  std::map<MessageQueue, json::Value> table;
  json::Array list;
  for (const auto& [id, offset] : offsets) {
    queue.queue_id = id;
    table.emplace(queue, offset);
    json::Object one;
    one.set("brokerName", queue.broker_name);
    one.set("offset", offset);
    one.set("queueId", id);
    one.set("topic", queue.topic);
    list.items.emplace_back(std::move(one));
  }
  json::Object body;
  if (list_form)
    body.set("offsetTable", std::move(list));
  else
    body.set("offsetTable", to_json(table));
  return json::write_fastjson(body, {.pretty = false});
}

}  // namespace rmq::broker
