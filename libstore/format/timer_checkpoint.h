// The checkpoint of the timer, config/timercheck (5.x): how far waiting messages were put into the timer log,
// and up to which time they were delivered. RocketMQ: TimerCheckpoint. Page: docs/format/timer_checkpoint.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"

namespace rmq::format {

inline constexpr std::int64_t kTimerCheckpointFileSize = 4096;  // the fields, then zeros
inline constexpr std::int64_t kTimerCheckpointUsed = 56;

inline constexpr std::array<LayoutField, 7> kTimerCheckpointLayout{{
    {"lastReadTimeMs", "0", "8", "i64"},
    {"lastTimerLogFlushPos", "8", "8", "i64"},
    {"lastTimerQueueOffset", "16", "8", "i64"},
    {"masterTimerQueueOffset", "24", "8", "i64"},
    {"stateVersion", "32", "8", "i64"},
    {"timestamp", "40", "8", "i64"},
    {"counter", "48", "8", "i64"},
}};

struct TimerCheckpoint {
  std::int64_t last_read_time = 0;           // ms: slots before it were delivered
  std::int64_t last_log_flush_position = 0;  // timer log offset
  std::int64_t last_queue_offset = 0;        // next message of rmq_sys_wheel_timer to put into the timer log
  std::int64_t master_queue_offset = 0;      // the same of the master
  std::int64_t state_version = 0;            // DataVersion
  std::int64_t timestamp = 0;                // ms: when one of the above last moved
  std::int64_t counter = 0;

  // Reads what is there: Java maps the file at 4096 bytes whatever its length, so missing bytes are zeros.
  [[nodiscard]] static TimerCheckpoint read(std::span<const std::byte> bytes);
  [[nodiscard]] std::array<std::byte, kTimerCheckpointFileSize> encode() const;
  bool operator==(const TimerCheckpoint&) const = default;
};

}  // namespace rmq::format
