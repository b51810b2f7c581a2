#include "libstore/format/timer_log_unit.h"

#include <gtest/gtest.h>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

Bytes encoded(const TimerLogUnit& unit) {
  Bytes bytes(kTimerLogUnitSize);
  unit.store(bytes.data());
  return bytes;
}

TEST(TimerLogUnit, ReadsWhatRocketMqWrote) {
  const Bytes bytes = golden("timer_log_unit/units");
  const TimerLogUnit wanted[] = {{-1, 1, 1795225804000, 1000, 0, 380, -650349302, 0},
                                 {-1, 3, 1795225804000, 86400000, 3420, 477, -650349302, 0},
                                 {468, 5, 1795225804000, 74922000, 4784, 426, -650349302, 0}};
  for (std::size_t i = 0; i < std::size(wanted); ++i) {
    const auto part = std::span(bytes).subspan(i * kTimerLogUnitSize, kTimerLogUnitSize);
    const auto unit = TimerLogUnit::parse(part);
    ASSERT_TRUE(unit);
    EXPECT_EQ(*unit, wanted[i]);
    EXPECT_EQ(encoded(*unit), Bytes(part.begin(), part.end()));
  }
  EXPECT_TRUE(wanted[1].is_roll() && !wanted[1].is_delete());
  EXPECT_TRUE(!wanted[2].is_roll() && wanted[2].is_delete());
  EXPECT_EQ(wanted[0].due(), wanted[0].write_time + wanted[0].delay);
}

TEST(TimerLogUnit, EveryTruncationAndEveryBitFlip) {
  Bytes bytes = golden("timer_log_unit/units");
  bytes.resize(kTimerLogUnitSize);
  for_each_truncation(bytes, [](std::span<const std::byte> part) {
    EXPECT_EQ(TimerLogUnit::parse(part).error().fault, DecodeFault::truncated);
  });
  const auto whole = TimerLogUnit::load(bytes.data());
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    const std::size_t byte = bit / 8;
    const auto unit = TimerLogUnit::parse(bytes);
    if (byte < 4) {
      EXPECT_EQ(unit.error().fault, DecodeFault::bad_length) << bit;
    } else if (byte >= 12 && byte < 16 && !(byte == 15 && bit % 8 < 4)) {
      EXPECT_EQ(unit.error().fault, DecodeFault::bad_magic) << bit;
    } else {
      ASSERT_TRUE(unit) << bit;
      EXPECT_NE(*unit, whole) << bit;
      EXPECT_EQ(encoded(*unit), bytes) << bit;
    }
  });
}

TEST(TimerLogUnit, Blank) {
  Bytes bytes(kTimerLogBlankSize);
  store_be(bytes.data(), std::int32_t{24});
  store_be(bytes.data() + 12, kTimerLogBlankMagic);
  EXPECT_TRUE(is_timer_log_blank(bytes, 24));
  EXPECT_FALSE(is_timer_log_blank(bytes, 25));
  EXPECT_FALSE(TimerLogUnit::parse(bytes));
  for_each_truncation(bytes,
                      [](std::span<const std::byte> part) { EXPECT_FALSE(is_timer_log_blank(part, 24)); });
  for_each_bit_flip(bytes, [&](std::size_t bit) { EXPECT_FALSE(is_timer_log_blank(bytes, 24)) << bit; });
}

TEST(TimerLogUnit, TimesDoNotOverflow) {
  TimerLogUnit unit;
  unit.write_time = std::numeric_limits<std::int64_t>::max();
  unit.delay = 1;
  EXPECT_EQ(unit.due(), std::numeric_limits<std::int64_t>::max());
}

}  // namespace
}  // namespace rmq::format
