// What a client says of itself every 30 s: its groups and what they subscribe to. RocketMQ: HeartbeatData,
// ConsumerData, ProducerData. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/json/json_value.h"
#include "servers/broker/subscription_data.h"

namespace rmq::broker {

// In Java's order: the clients in C++ write the number.
enum class ConsumeType : std::uint8_t { actively, passively, pop };
enum class MessageModel : std::uint8_t { broadcasting, clustering };
enum class ConsumeFromWhere : std::uint8_t {
  last_offset,
  last_offset_and_from_min_when_boot_first,
  min_offset,
  max_offset,
  first_offset,
  timestamp,
};
[[nodiscard]] std::string_view to_string(ConsumeType type);        // "CONSUME_PASSIVELY"
[[nodiscard]] std::string_view to_string(MessageModel model);      // "CLUSTERING"
[[nodiscard]] std::string_view to_string(ConsumeFromWhere where);  // "CONSUME_FROM_LAST_OFFSET"

// What a client said that names nothing known is nothing, as in Java.
struct ConsumerData {
  std::string group;
  std::optional<ConsumeType> consume_type;
  std::optional<MessageModel> message_model;
  std::optional<ConsumeFromWhere> consume_from_where;
  std::vector<SubscriptionData> subscriptions;
  bool unit_mode = false;
};

struct HeartbeatData {
  std::string client_id;
  std::vector<std::string> producer_groups;
  std::vector<ConsumerData> consumers;
  std::int32_t fingerprint = 0;        // of the subscriptions; 0: the client knows no second version
  bool without_subscriptions = false;  // the broker knows them by the fingerprint
};

// `body` is the client's JSON, with all limits of json::parse; groups without a name are left out.
[[nodiscard]] json::Parsed<HeartbeatData> read_heartbeat(std::span<const std::byte> body,
                                                         std::int64_t now_ms);

}  // namespace rmq::broker
