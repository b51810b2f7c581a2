// What a broker tells a name server of itself (REGISTER_BROKER, 103): its topics, their version, static
// topics. Two forms: JSON, and with header `compressed` a zlib stream of lengths, JSON and blank-separated
// text. RocketMQ: RegisterBrokerBody, TopicConfigAndMappingSerializeWrapper, TopicConfig.encode. Values;
// stateless functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/format/config_files.h"
#include "libstore/json/json_value.h"

namespace rmq::wire {

using format::DataVersion;
[[nodiscard]] json::Value to_json(const DataVersion& version);
[[nodiscard]] DataVersion read_data_version(const json::Value& value);  // what is missing is 0

// The compressed form loses `sys_flag` and `order`.
using RegisteredTopic = format::TopicConfig;

// A static topic's queues on one broker; `content` is the whole TopicQueueMappingInfo.
struct RegisteredMapping {
  std::string topic;
  std::string broker_name;
  json::Value content;
  bool operator==(const RegisteredMapping&) const = default;
};

struct RegisterBrokerBody {
  std::vector<RegisteredTopic> topics;
  DataVersion data_version;
  DataVersion mapping_version;  // written; what is read has none, for no name server looks at it
  std::vector<RegisteredMapping> mappings;
  std::vector<std::string> filter_servers;
  bool operator==(const RegisterBrokerBody&) const = default;
};

inline constexpr std::int32_t kVersion3_0_11 = 37;  // older brokers send the topics alone
inline constexpr std::int32_t kVersion5_0_0 = 413;  // older brokers' compressed form has no mappings

// What one body may hold. A JSON value costs about 100 bytes of memory while it is read.
struct RegisterBrokerLimits {
  std::size_t bytes = std::size_t{64} << 20;  // of JSON, or of what the stream unpacks to
  std::size_t values = std::size_t{3} << 20;  // of JSON
};

// `version` is the broker's, from the command. Errors (wrong_use) say what is wrong where. An empty body is
// an empty registration.
[[nodiscard]] Result<RegisterBrokerBody> decode_register_broker_body(std::span<const std::byte> bytes,
                                                                     bool compressed, std::int32_t version,
                                                                     const RegisterBrokerLimits& limits = {});
// As a broker of 5.x writes it.
[[nodiscard]] std::string encode_register_broker_body(const RegisterBrokerBody& body, bool compressed);

}  // namespace rmq::wire
