// Consume queues that lie in RocksDB: the keys and values of the units, and of the table with each queue's
// ends. RocketMQ: RocksDBConsumeQueueTable, RocksDBConsumeQueueOffsetTable. Page: docs/format/rocks_queue.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"

namespace rmq::format {

inline constexpr std::string_view kRocksOffsetFamily = "offset";  // units are in the default one
inline constexpr std::string_view kRocksCheckpointTopic = "CHECKPOINT_TOPIC";
inline constexpr std::int64_t kRocksQueueValueSize = 28;

inline constexpr std::array<LayoutField, 7> kRocksQueueKeyLayout{{
    {"topicLength", "0", "4", "i32"},
    {"separator", "4", "1", "i8"},
    {"topic", "5", "t", "bytes"},
    {"separator", "5+t", "1", "i8"},
    {"queueId", "6+t", "4", "i32"},
    {"separator", "10+t", "1", "i8"},
    {"queueOffset", "11+t", "8", "i64"},
}};
inline constexpr std::array<LayoutField, 4> kRocksQueueValueLayout{{
    {"commitLogOffset", "0", "8", "i64"},
    {"size", "8", "4", "i32"},
    {"tagsCode", "12", "8", "i64"},
    {"storeTimestamp", "20", "8", "i64"},
}};
inline constexpr std::array<LayoutField, 7> kRocksOffsetKeyLayout{{
    {"topicLength", "0", "4", "i32"},
    {"separator", "4", "1", "i8"},
    {"topic", "5", "t", "bytes"},
    {"separator", "5+t", "1", "i8"},
    {"end", "6+t", "3", "bytes"},
    {"separator", "9+t", "1", "i8"},
    {"queueId", "10+t", "4", "i32"},
}};
inline constexpr std::array<LayoutField, 2> kRocksOffsetValueLayout{{
    {"commitLogOffset", "0", "8", "i64"},
    {"queueOffset", "8", "8", "i64"},
}};

struct RocksQueueKey {
  std::string_view topic;  // borrows from the key
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;

  // The whole key: bytes behind it are refused.
  [[nodiscard]] static Decoded<RocksQueueKey> parse(std::span<const std::byte> key);
  [[nodiscard]] std::vector<std::byte> encode() const;
  bool operator==(const RocksQueueKey&) const = default;
};

struct RocksQueueValue {
  std::int64_t commit_log_offset = 0;
  std::int32_t size = 0;
  std::int64_t tags_code = 0;
  std::int64_t store_timestamp = 0;

  [[nodiscard]] static Decoded<RocksQueueValue> parse(std::span<const std::byte> value);
  [[nodiscard]] std::vector<std::byte> encode() const;
  bool operator==(const RocksQueueValue&) const = default;
};

struct RocksOffsetKey {
  std::string_view topic;
  bool is_max = false;
  std::int32_t queue_id = 0;

  [[nodiscard]] static Decoded<RocksOffsetKey> parse(std::span<const std::byte> key);
  [[nodiscard]] std::vector<std::byte> encode() const;
  bool operator==(const RocksOffsetKey&) const = default;
};

// At the maximum: the last unit, and where its record begins. The checkpoint's value is the first field
// alone.
struct RocksOffsetValue {
  std::int64_t commit_log_offset = 0;
  std::int64_t queue_offset = 0;

  [[nodiscard]] static Decoded<RocksOffsetValue> parse(std::span<const std::byte> value);
  [[nodiscard]] std::vector<std::byte> encode() const;
  bool operator==(const RocksOffsetValue&) const = default;
};

}  // namespace rmq::format
