// One slot of the timer wheel (5.x): which units of the timer log are due in one tick.
// RocketMQ: Slot, TimerWheel. Page: docs/format/timer_slot.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"

namespace rmq::format {

inline constexpr std::int64_t kDefaultTimerPrecision = 1000;  // ms a tick: timerPrecisionMs
inline constexpr std::int64_t kTimerSlotSize = 32;
inline constexpr std::int64_t kTimerSlotsPerWindow =
    7LL * 24 * 3600;  // TIMER_WHEEL_TTL_DAY, at any precision
inline constexpr std::int64_t kTimerSlots = 2 * kTimerSlotsPerWindow;
inline constexpr std::int64_t kTimerWheelFileSize = kTimerSlots * kTimerSlotSize;

inline constexpr std::array<LayoutField, 5> kTimerSlotLayout{{
    {"time", "0", "8", "i64"},
    {"firstPos", "8", "8", "i64"},
    {"lastPos", "16", "8", "i64"},
    {"num", "24", "4", "i32"},
    {"magic", "28", "4", "i32"},
}};

struct TimerSlot {
  std::int64_t time = 0;      // in ticks (timerPrecisionMs, 1000 by default) since the epoch
  std::int64_t first = 0;     // timer log offset of the slot's first unit
  std::int64_t last = 0;      // of its last: the head of the chain
  std::int32_t messages = 0;  // units that wait, less those that delete
  std::int32_t magic = 0;     // always 0

  [[nodiscard]] static Decoded<TimerSlot> parse(std::span<const std::byte> bytes) {
    if (std::ssize(bytes) < kTimerSlotSize) return DecodeError{DecodeFault::truncated, bytes.size()};
    return load(bytes.data());
  }
  [[nodiscard]] static TimerSlot load(const std::byte* at) {
    return {load_be<std::int64_t>(at), load_be<std::int64_t>(at + 8), load_be<std::int64_t>(at + 16),
            load_be<std::int32_t>(at + 24), load_be<std::int32_t>(at + 28)};
  }
  void store(std::byte* at) const {
    store_be(at, time);
    store_be(at + 8, first);
    store_be(at + 16, last);
    store_be(at + 24, messages);
    store_be(at + 28, magic);
  }

  // Where the slot of a tick lies in the wheel (TimerWheel.getSlotIndex); time >= 0.
  [[nodiscard]] static std::int64_t index_of(std::int64_t time) { return time % kTimerSlots; }
  bool operator==(const TimerSlot&) const = default;
};

}  // namespace rmq::format
