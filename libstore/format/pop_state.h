// A message that a group popped and has not acknowledged, as the RocksDB of pop consumption has it (kvStore/,
// column family popState; popConsumerKVServiceInit). RocketMQ: PopConsumerRecord, PopConsumerRocksdbStore.
// Page: docs/format/pop_state.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"
#include "libstore/json/json_value.h"

namespace rmq::format {

inline constexpr std::string_view kPopStateFamily = "popState";

inline constexpr std::array<LayoutField, 8> kPopStateKeyLayout{{
    {"visibleAt", "0", "8", "i64"},
    {"group", "8", "g", "bytes"},
    {"separator", "8+g", "1", "i8"},
    {"topic", "9+g", "t", "bytes"},
    {"separator", "9+g+t", "1", "i8"},
    {"queueId", "10+g+t", "4", "i32"},
    {"separator", "14+g+t", "1", "i8"},
    {"queueOffset", "15+g+t", "8", "i64"},
}};

struct PopStateKey {
  std::int64_t visible_at = 0;  // ms
  std::string_view group;       // borrows from the key
  std::string_view topic;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;

  // The group ends at the first '@', the topic where the fixed fields at the end begin.
  [[nodiscard]] static Decoded<PopStateKey> parse(std::span<const std::byte> key);
  [[nodiscard]] std::vector<std::byte> encode() const;
  bool operator==(const PopStateKey&) const = default;
};

struct PopState {
  std::string topic;  // where the message lies; a retry topic where it came from there
  std::string group;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
  std::int64_t pop_time = 0;        // ms
  std::int64_t invisible_time = 0;  // ms
  std::int32_t attempts = 0;        // to put it into the retry topic that failed

  // When it comes again, unless it is acknowledged before.
  [[nodiscard]] std::int64_t visible_at() const;
  // Under which it lies: an acknowledgement deletes this key.
  [[nodiscard]] PopStateKey key() const { return {visible_at(), group, topic, queue_id, queue_offset}; }
};

[[nodiscard]] json::Parsed<PopState> parse_pop_state(std::string_view value);

}  // namespace rmq::format
