#include "servers/broker/heartbeat_data.h"

#include <array>
#include <cstddef>
#include <utility>

#include "servers/broker/json_fields.h"

namespace rmq::broker {
namespace {

constexpr std::array<std::string_view, 3> kConsumeTypes = {"CONSUME_ACTIVELY", "CONSUME_PASSIVELY",
                                                           "CONSUME_POP"};
constexpr std::array<std::string_view, 2> kMessageModels = {"BROADCASTING", "CLUSTERING"};
constexpr std::array<std::string_view, 6> kFromWhere = {
    "CONSUME_FROM_LAST_OFFSET",  "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
    "CONSUME_FROM_MIN_OFFSET",   "CONSUME_FROM_MAX_OFFSET",
    "CONSUME_FROM_FIRST_OFFSET", "CONSUME_FROM_TIMESTAMP"};

// A Java enum by name or by number.
template <class Enum, std::size_t N>
std::optional<Enum> read_enum(const json::Value* value, const std::array<std::string_view, N>& names) {
  if (value == nullptr) return std::nullopt;
  if (const std::string* text = value->if_string())
    for (std::size_t at = 0; at != N; ++at)
      if (*text == names[at]) return static_cast<Enum>(at);
  const auto number = value->as_int64();
  if (!number || *number < 0 || *number >= static_cast<std::int64_t>(N)) return std::nullopt;
  return static_cast<Enum>(*number);
}

ConsumerData read_consumer(const json::Value& value, std::int64_t now_ms) {
  ConsumerData consumer;
  consumer.group = text_field(value, "groupName").value_or("");
  consumer.consume_type = read_enum<ConsumeType>(value.find("consumeType"), kConsumeTypes);
  consumer.message_model = read_enum<MessageModel>(value.find("messageModel"), kMessageModels);
  consumer.consume_from_where = read_enum<ConsumeFromWhere>(value.find("consumeFromWhere"), kFromWhere);
  consumer.unit_mode = true_field(value, "unitMode");
  for_each_item(value, "subscriptionDataSet", [&](const json::Value& item) {
    if (auto subscription = read_subscription(item, now_ms))
      consumer.subscriptions.push_back(*std::move(subscription));
  });
  return consumer;
}

}  // namespace

std::string_view to_string(ConsumeType type) { return kConsumeTypes.at(static_cast<std::size_t>(type)); }
std::string_view to_string(MessageModel model) { return kMessageModels.at(static_cast<std::size_t>(model)); }
std::string_view to_string(ConsumeFromWhere where) { return kFromWhere.at(static_cast<std::size_t>(where)); }

json::Parsed<HeartbeatData> read_heartbeat(std::span<const std::byte> body, std::int64_t now_ms) {
  const auto parsed = parse_body(body);
  if (!parsed) return parsed.error();
  if (parsed->if_object() == nullptr) return json::JsonError{1, 1, "a heart-beat is no object"};
  HeartbeatData heartbeat;
  heartbeat.client_id = text_field(*parsed, "clientID").value_or("");
  if (heartbeat.client_id.empty()) return json::JsonError{1, 1, "a heart-beat without clientID"};
  if (const json::Value* member = parsed->find("heartbeatFingerprint"))
    heartbeat.fingerprint = static_cast<std::int32_t>(member->as_int64().value_or(0));
  // fastjson takes a boolean by either name.
  heartbeat.without_subscriptions = true_field(*parsed, "withoutSub") || true_field(*parsed, "isWithoutSub");
  for_each_item(*parsed, "producerDataSet", [&](const json::Value& item) {
    if (auto group = text_field(item, "groupName").value_or(""); !group.empty())
      heartbeat.producer_groups.push_back(std::move(group));
  });
  for_each_item(*parsed, "consumerDataSet", [&](const json::Value& item) {
    if (auto consumer = read_consumer(item, now_ms); !consumer.group.empty())
      heartbeat.consumers.push_back(std::move(consumer));
  });
  return heartbeat;
}

}  // namespace rmq::broker
