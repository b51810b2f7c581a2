// One unit of the timer log (5.x): a message that waits, or a request to delete one, chained to the unit
// before it that is due in the same slot of the timer wheel. RocketMQ: TimerLog, TimerMessageStore.doEnqueue.
// Page: docs/format/timer_log_unit.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "libstore/base/saturate.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"

namespace rmq::format {

inline constexpr std::int64_t kTimerLogUnitSize = 52;
inline constexpr std::int64_t kTimerLogBlankSize =
    16;  // what ends a file, and what a unit leaves free behind it
inline constexpr std::int32_t kTimerLogBlankMagic =
    static_cast<std::int32_t>(0xBBCCDDEEU ^ (1880681586U + 8U));  // TimerLog.BLANK_MAGIC_CODE
inline constexpr std::int64_t kDefaultTimerLogFileSize = 100 << 20;
// TimerMessageStore.MAGIC_*: bits.
inline constexpr std::int32_t kTimerDefault = 1;
inline constexpr std::int32_t kTimerRoll =
    2;  // due later than a window reaches: put into the queue again when it is due
inline constexpr std::int32_t kTimerDelete = 4;  // takes another waiting message away

inline constexpr std::array<LayoutField, 9> kTimerLogUnitLayout{{
    {"size", "0", "4", "i32"},
    {"prevPos", "4", "8", "i64"},
    {"magic", "12", "4", "i32"},
    {"currWriteTime", "16", "8", "i64"},
    {"delayedTime", "24", "4", "i32"},
    {"offsetPy", "28", "8", "i64"},
    {"sizePy", "36", "4", "i32"},
    {"hashCodeOfRealTopic", "40", "4", "i32"},
    {"reserved", "44", "8", "i64"},
}};

inline constexpr std::array<LayoutField, 3> kTimerLogBlankLayout{{
    {"size", "0", "4", "i32"},
    {"zero", "4", "8", "i64"},
    {"magic", "12", "4", "i32"},
}};

struct TimerLogUnit {
  std::int64_t previous = -1;  // timer log offset of the unit before it in its slot; -1: none
  std::int32_t magic = 0;
  std::int64_t write_time = 0;         // ms; when it was put into the log, in whole ticks
  std::int32_t delay = 0;              // ms behind write_time
  std::int64_t commit_log_offset = 0;  // of the message in rmq_sys_wheel_timer
  std::int32_t size = 0;               // its TOTALSIZE
  std::int32_t topic_hash = 0;         // String.hashCode of its real topic
  std::int64_t reserved = 0;

  // Refuses what TimerMessageStore.recoverAndRevise stops at.
  [[nodiscard]] static Decoded<TimerLogUnit> parse(std::span<const std::byte> bytes) {
    if (std::ssize(bytes) < kTimerLogUnitSize) return DecodeError{DecodeFault::truncated, bytes.size()};
    if (load_be<std::int32_t>(bytes.data()) != kTimerLogUnitSize)
      return DecodeError{DecodeFault::bad_length, 0};
    const TimerLogUnit unit = load(bytes.data());
    if ((unit.magic | 0xF) != 0xF) return DecodeError{DecodeFault::bad_magic, 12};
    return unit;
  }
  [[nodiscard]] static TimerLogUnit load(const std::byte* at) {
    return {load_be<std::int64_t>(at + 4),  load_be<std::int32_t>(at + 12), load_be<std::int64_t>(at + 16),
            load_be<std::int32_t>(at + 24), load_be<std::int64_t>(at + 28), load_be<std::int32_t>(at + 36),
            load_be<std::int32_t>(at + 40), load_be<std::int64_t>(at + 44)};
  }
  void store(std::byte* at) const {
    store_be(at, static_cast<std::int32_t>(kTimerLogUnitSize));
    store_be(at + 4, previous);
    store_be(at + 12, magic);
    store_be(at + 16, write_time);
    store_be(at + 24, delay);
    store_be(at + 28, commit_log_offset);
    store_be(at + 36, size);
    store_be(at + 40, topic_hash);
    store_be(at + 44, reserved);
  }

  [[nodiscard]] std::int64_t due() const { return saturated_add(write_time, delay); }  // ms
  [[nodiscard]] bool is_delete() const { return (magic & kTimerDelete) != 0; }
  [[nodiscard]] bool is_roll() const { return (magic & kTimerRoll) != 0; }
  bool operator==(const TimerLogUnit&) const = default;
};

// True where a file's last units end: `left` bytes remain in the file, and the blank says so.
[[nodiscard]] inline bool is_timer_log_blank(std::span<const std::byte> bytes, std::int64_t left) {
  return std::ssize(bytes) >= kTimerLogBlankSize && load_be<std::int32_t>(bytes.data()) == left &&
         load_be<std::int64_t>(bytes.data() + 4) == 0 &&
         load_be<std::int32_t>(bytes.data() + 12) == kTimerLogBlankMagic;
}

}  // namespace rmq::format
