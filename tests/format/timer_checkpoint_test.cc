#include "libstore/format/timer_checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

TEST(TimerCheckpoint, ReadsWhatRocketMqWrote) {
  const Bytes bytes = golden("timer_checkpoint/5.3.3");
  const TimerCheckpoint wanted{1795225827000, 3432, 66, 66, 0, 1795225827781, 13};
  EXPECT_EQ(TimerCheckpoint::read(bytes), wanted);
  EXPECT_TRUE(std::ranges::equal(wanted.encode(), bytes));
}

TEST(TimerCheckpoint, MissingBytesAreZeros) {
  const Bytes whole = golden("timer_checkpoint/5.3.3");
  for_each_truncation(std::span(whole).first(80), [&](std::span<const std::byte> part) {
    Bytes zeroed = whole;
    std::fill(zeroed.begin() + std::ssize(part), zeroed.end(), std::byte{0});
    EXPECT_EQ(TimerCheckpoint::read(part), TimerCheckpoint::read(zeroed)) << part.size();
  });
}

TEST(TimerCheckpoint, EveryBitFlipOfTheFieldsShows) {
  Bytes bytes = golden("timer_checkpoint/5.3.3");
  bytes.resize(64);
  const TimerCheckpoint whole = TimerCheckpoint::read(bytes);
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    EXPECT_EQ(TimerCheckpoint::read(bytes) == whole, bit / 8 >= kTimerCheckpointUsed) << bit;
  });
}

}  // namespace
}  // namespace rmq::format
