#include "servers/broker/message_queue.h"

#include <utility>
#include <vector>

#include "libstore/json/json_writer.h"
#include "servers/broker/json_fields.h"

namespace rmq::broker {
std::optional<MessageQueue> read_message_queue(const json::Value& value) {
  if (value.if_object() == nullptr) return std::nullopt;
  MessageQueue queue{text_field(value, "topic").value_or(""), text_field(value, "brokerName").value_or(""),
                     0};
  if (const json::Value* id = value.find("queueId")) {
    const std::int64_t number = id->as_int64().value_or(-1);
    if (number < 0 || number > INT32_MAX) return std::nullopt;
    queue.queue_id = static_cast<std::int32_t>(number);
  }
  return queue;
}

json::Value to_json(const MessageQueue& queue) {
  json::Object object;
  object.set("brokerName", queue.broker_name);
  object.set("queueId", queue.queue_id);
  object.set("topic", queue.topic);
  return object;
}

json::Value to_json(const std::map<MessageQueue, json::Value>& table) {
  std::vector<json::Member> members;
  members.reserve(table.size());
  for (const auto& [queue, value] : table)
    members.push_back(
        {json::write_fastjson(to_json(queue), {.pretty = false}), json::KeyForm::object, value});
  return json::Object::from_members(std::move(members));
}

}  // namespace rmq::broker
