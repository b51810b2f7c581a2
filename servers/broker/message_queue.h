// A queue of a topic at a broker, as clients write it. RocketMQ: MessageQueue. A value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "libstore/json/json_value.h"

namespace rmq::broker {

struct MessageQueue {
  std::string topic;
  std::string broker_name;
  std::int32_t queue_id = 0;
  auto operator<=>(const MessageQueue&) const = default;
};

[[nodiscard]] std::optional<MessageQueue> read_message_queue(const json::Value& value);
[[nodiscard]] json::Value to_json(const MessageQueue& queue);
// A Map<MessageQueue, ?> as fastjson writes it: {{"brokerName":"b","queueId":0,"topic":"t"}:...}.
[[nodiscard]] json::Value to_json(const std::map<MessageQueue, json::Value>& table);

}  // namespace rmq::broker
