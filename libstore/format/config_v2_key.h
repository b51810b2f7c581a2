// The keys of config/rdb, in which a broker with configManagerVersion=v2 keeps topics, groups and offsets,
// and the value of a data version. Other values: JSON behind one byte, or an i64. RocketMQ:
// broker.config.v2.ConfigHelper, ConsumerOffsetManagerV2. Page: docs/format/config_v2_key.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"
#include "libstore/format/config_files.h"

namespace rmq::format {

inline constexpr std::array<LayoutField, 5> kConfigV2NameKeyLayout{{
    {"tablePrefix", "0", "1", "i8"},
    {"tableId", "1", "2", "i16"},
    {"recordPrefix", "3", "1", "i8"},
    {"nameLength", "4", "2", "i16"},
    {"name", "6", "n", "bytes"},
}};
inline constexpr std::array<LayoutField, 10> kConfigV2OffsetKeyLayout{{
    {"tablePrefix", "0", "1", "i8"},
    {"tableId", "1", "2", "i16"},
    {"recordPrefix", "3", "1", "i8"},
    {"groupLength", "4", "2", "i16"},
    {"group", "6", "g", "bytes"},
    {"separator", "6+g", "1", "i8"},
    {"topicLength", "7+g", "2", "i16"},
    {"topic", "9+g", "t", "bytes"},
    {"separator", "9+g+t", "1", "i8"},
    {"queueId", "10+g+t", "4", "i32"},
}};
inline constexpr std::array<LayoutField, 3> kConfigV2DataVersionLayout{{
    {"stateVersion", "0", "8", "i64"},
    {"timestamp", "8", "8", "i64"},
    {"counter", "16", "8", "i64"},
}};

// The first byte of topics' and groups' values: how the rest is written. Stock has no other.
inline constexpr std::byte kConfigV2Json{1};

struct ConfigV2Key {
  enum class Table : std::int16_t { consumer_offset = 1, pull_offset = 2, topic = 3, subscription_group = 4 };
  Table table = Table::topic;
  bool is_data_version = false;  // and nothing of what follows is there
  std::string_view name;         // topic or group; of an offset: the topic. Borrows from the key
  std::string_view group;        // of an offset
  std::int32_t queue_id = 0;     // of an offset

  [[nodiscard]] static Decoded<ConfigV2Key> parse(std::span<const std::byte> key);
  [[nodiscard]] std::vector<std::byte> encode() const;
  [[nodiscard]] bool is_offset() const {
    return table == Table::consumer_offset || table == Table::pull_offset;
  }
  bool operator==(const ConfigV2Key&) const = default;
};

[[nodiscard]] Decoded<DataVersion> parse_config_v2_data_version(std::span<const std::byte> value);

}  // namespace rmq::format
