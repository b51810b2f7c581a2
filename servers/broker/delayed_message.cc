#include "servers/broker/delayed_message.h"

#include <algorithm>
#include <utility>

#include "libstore/engine/put_properties.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/tags_code.h"

namespace rmq::broker {
namespace {

constexpr std::string_view kPropertyRealTopic = "REAL_TOPIC";
constexpr std::string_view kPropertyRealQueueId = "REAL_QID";

}  // namespace

std::optional<std::int32_t> delay_level(std::string_view properties) {
  const auto text = format::find_property(properties, format::kPropertyDelay);
  if (!text) return 0;
  std::int32_t level = 0;
  if (!format::parse_java_int(*text, level)) return std::nullopt;
  return level;
}

Destination delayed(Destination message, std::int32_t level, std::int32_t max_level) {
  level = std::min(level, max_level);
  for (const std::string_view timer : {"TIMER_DELIVER_MS", "TIMER_DELAY_SEC", "TIMER_DELAY_MS"})
    engine::remove_property(message.properties, timer);
  engine::set_property(message.properties, format::kPropertyDelay, std::to_string(level));
  engine::set_property(message.properties, kPropertyRealTopic, message.topic);
  engine::set_property(message.properties, kPropertyRealQueueId, std::to_string(message.queue_id));
  message.topic = format::kScheduleTopic;
  message.queue_id = queue_of_delay_level(level);
  return message;
}

std::optional<Destination> due(const format::MessageView& message) {
  const auto topic = format::find_property(message.properties, kPropertyRealTopic);
  const auto queue = format::find_property(message.properties, kPropertyRealQueueId);
  Destination destination;
  if (!topic || topic->empty() || !queue || !format::parse_java_int(*queue, destination.queue_id) ||
      destination.queue_id < 0)
    return std::nullopt;
  destination.topic = *topic;
  destination.properties = message.properties;
  // Its checksum is that of the record it stood in.
  engine::remove_property(destination.properties, format::kPropertyCrc32);
  return destination;
}

}  // namespace rmq::broker
