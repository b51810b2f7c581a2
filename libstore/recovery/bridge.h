// What is written over bytes of the log that are lost, so that every reader walks across them: records that
// stand in the slots of lost messages (placeholders), fillers that enter no queue, and a BLANK where the
// range ends with its file. RocketMQ has neither; it reads both as ordinary messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/format/commit_log_record.h"

namespace rmq::recovery {

// A placeholder carries this tag and this property; a filler is a message of this topic that was rolled back.
inline constexpr std::string_view kPlaceholderTag = "RMQ_LOST_MESSAGE";
inline constexpr std::string_view kPlaceholderProperty = "rmqLostMessage";
inline constexpr std::string_view kFillerTopic = "RMQ_LOST_BYTES";
// RocketMQ allocates what it reads as one record.
inline constexpr std::int64_t kLargestFiller = 4 << 20;

struct Slot {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
  std::int32_t messages = 1;  // more: a batch, in a batch queue
  bool batch = false;
};

struct BridgeRecord {
  enum class Kind { placeholder, filler, blank };
  Kind kind = Kind::filler;
  std::int64_t log_offset = 0;
  std::int64_t size = 0;
  Slot slot;  // placeholders only
};

// Told by the topic, or by the tag where there is no body; a placeholder that had no room for its mark is not
// known any more.
enum class StandIn { no, placeholder, filler };
[[nodiscard]] StandIn stands_for_lost_bytes(const format::MessageView& message);

// Of the placeholder with its mark.
[[nodiscard]] std::int64_t placeholder_size(const Slot& slot);

// Records over [from, to) with a placeholder for each slot, in their order; nothing where there is no room
// for them. `to_file_end`: the range ends with its file.
[[nodiscard]] std::optional<std::vector<BridgeRecord>> plan_bridge(std::int64_t from, std::int64_t to,
                                                                   bool to_file_end,
                                                                   const std::vector<Slot>& slots);

// The bytes of one of them; of a BLANK only the eight that are defined.
[[nodiscard]] std::vector<std::byte> encode_bridge(const BridgeRecord& record, std::int64_t store_timestamp);

}  // namespace rmq::recovery
