// The checkpoint file: how far the store had flushed its parts, as store times.
// RocketMQ: StoreCheckpoint. Page: docs/format/store_checkpoint.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"

namespace rmq::format {

inline constexpr std::int64_t kCheckpointFileSize = 4096;  // the fields, then zeros

inline constexpr std::array<LayoutField, 5> kStoreCheckpointLayout{{
    {"physicMsgTimestamp", "0", "8", "i64"},
    {"logicsMsgTimestamp", "8", "8", "i64"},
    {"indexMsgTimestamp", "16", "8", "i64"},
    {"masterFlushedOffset", "24", "8", "i64"},
    {"confirmPhyOffset", "32", "8", "i64"},
}};

struct StoreCheckpoint {
  std::int64_t physic_msg_timestamp = 0;  // ms: store time of the last flushed commit log message
  std::int64_t logics_msg_timestamp = 0;  // ms: store time of the last message in a consume queue
  std::int64_t index_msg_timestamp = 0;   // ms: end time of the last sealed index file
  std::int64_t master_flushed_offset = 0;  // 5.x; 4.x leaves zeros
  std::int64_t confirm_phy_offset = 0;     // 5.x

  // Reads what is there: Java maps the file at 4096 bytes whatever its length, so missing bytes are zeros.
  [[nodiscard]] static StoreCheckpoint read(std::span<const std::byte> bytes);
  [[nodiscard]] std::array<std::byte, kCheckpointFileSize> encode() const;

  // StoreCheckpoint.getMinTimestamp: three seconds before the older of log and queues, never below 0.
  [[nodiscard]] std::int64_t min_timestamp() const;
  [[nodiscard]] std::int64_t min_timestamp_index() const;
  bool operator==(const StoreCheckpoint&) const = default;
};

}  // namespace rmq::format
