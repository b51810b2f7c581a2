#include "libstore/format/timer_slot.h"

#include <gtest/gtest.h>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

Bytes encoded(const TimerSlot& slot) {
  Bytes bytes(kTimerSlotSize);
  slot.store(bytes.data());
  return bytes;
}

TEST(TimerSlot, ReadsWhatRocketMqWrote) {
  const Bytes bytes = golden("timer_slot/slots");
  const TimerSlot wanted[] = {{1795225805, 0, 208, 2, 0}, {1795225806, 104, 2496, 7, 0}};
  for (std::size_t i = 0; i < std::size(wanted); ++i) {
    const auto part = std::span(bytes).subspan(i * kTimerSlotSize, kTimerSlotSize);
    const auto slot = TimerSlot::parse(part);
    ASSERT_TRUE(slot);
    EXPECT_EQ(*slot, wanted[i]);
    EXPECT_EQ(encoded(*slot), Bytes(part.begin(), part.end()));
    EXPECT_EQ(TimerSlot::index_of(slot->time), 179405 + static_cast<std::int64_t>(i));
  }
}

TEST(TimerSlot, EveryTruncationAndEveryBitFlip) {
  Bytes bytes = golden("timer_slot/slots");
  bytes.resize(kTimerSlotSize);
  for_each_truncation(bytes, [](std::span<const std::byte> part) {
    EXPECT_EQ(TimerSlot::parse(part).error().fault, DecodeFault::truncated);
  });
  const auto whole = TimerSlot::load(bytes.data());
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    const auto slot = TimerSlot::parse(bytes);
    ASSERT_TRUE(slot);
    EXPECT_NE(*slot, whole) << bit;
    EXPECT_EQ(encoded(*slot), bytes) << bit;
  });
}

}  // namespace
}  // namespace rmq::format
