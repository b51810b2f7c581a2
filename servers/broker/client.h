// A client as it is known by its connection. RocketMQ: ClientChannelInfo.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libstore/json/json_value.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

struct Client {
  std::shared_ptr<wire::Connection> connection;
  std::string id;  // chosen by the client: "10.0.0.7@4711#123"
  wire::LanguageCode language = wire::LanguageCode::java;
  std::int32_t version = 0;         // MQVersion.Version's number
  std::int64_t last_update_ms = 0;  // when it was heard of last
};

// From here on clients know what relays ask of them (MQVersion.Version.V3_1_8_SNAPSHOT), and resetting
// offsets (V3_0_7_SNAPSHOT).
inline constexpr std::int32_t kVersionKnowsRelays = 62;
inline constexpr std::int32_t kVersionKnowsResetOffset = 28;
// A client's own largest count of redeliveries counts (V3_4_9).
inline constexpr std::int32_t kVersionKnowsMaxReconsumeTimes = 121;

// {"clientAddr":...,"clientId":...,"language":"JAVA","version":479}. RocketMQ: Connection.
[[nodiscard]] json::Value connection_json(const Client& client);
// Its name in JSON; null for numbers nobody knows.
[[nodiscard]] json::Value language_json(wire::LanguageCode language);

}  // namespace rmq::broker
