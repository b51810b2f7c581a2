// What pop consumption writes into the revive topic (rmq_sys_REVIVE_LOG_<cluster>): a check point for the
// messages that a group got at a time and hides from its other members, and acknowledgements. The message's
// tag tells which. RocketMQ: PopCheckPoint, AckMsg, BatchAckMsg, PopMessageProcessor.buildCkMsg. Page:
// docs/format/pop_record.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/json/json_value.h"

namespace rmq::format {

inline constexpr std::string_view kPopCheckPointTag = "ck";
inline constexpr std::string_view kPopAckTag = "ack";
inline constexpr std::string_view kPopBatchAckTag = "bAck";

struct PopRecord {
  bool is_check_point = false;
  std::string topic;  // of the messages; a retry topic where they came from there
  std::string group;
  std::int32_t queue_id = 0;
  std::int64_t start_offset = 0;
  std::int64_t pop_time = 0;        // ms
  std::int64_t invisible_time = 0;  // ms; check points only
  // Check points: the queue offsets got; their acknowledged bits are in `bit_map`, by place. Acks: those
  // acknowledged.
  std::vector<std::int64_t> offsets;
  std::int64_t bit_map = 0;

  // When what is not acknowledged comes again.
  [[nodiscard]] std::int64_t visible_at() const;
  // Of a check point: acknowledged before it was written.
  [[nodiscard]] bool is_acked(std::size_t place) const { return place < 32 && ((bit_map >> place) & 1) != 0; }
};

[[nodiscard]] constexpr bool is_pop_tag(std::string_view tag) {
  return tag == kPopCheckPointTag || tag == kPopAckTag || tag == kPopBatchAckTag;
}

// `tag` is one of the three above.
[[nodiscard]] json::Parsed<PopRecord> parse_pop_record(std::string_view tag, std::string_view body);

}  // namespace rmq::format
