#include "libstore/format/store_checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

TEST(StoreCheckpoint, ReadsWhatRocketMqWrote) {
  const Bytes newer = golden("store_checkpoint/5.3.3");
  const StoreCheckpoint five{1767314723982, 1767314996352, 1767314866091, 0, 0};
  EXPECT_EQ(StoreCheckpoint::read(newer), five);
  EXPECT_TRUE(std::ranges::equal(five.encode(), newer));
  const Bytes older = golden("store_checkpoint/4.9.7");
  EXPECT_EQ(StoreCheckpoint::read(older), (StoreCheckpoint{0, 1767315356632, 1767315321477, 0, 0}));
}

TEST(StoreCheckpoint, MissingBytesAreZeros) {
  const Bytes whole = golden("store_checkpoint/5.3.3");
  for (std::size_t size = 0; size < 64; ++size) {
    Bytes zeroed = whole;
    std::fill(zeroed.begin() + static_cast<std::ptrdiff_t>(size), zeroed.end(), std::byte{0});
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(StoreCheckpoint::read(part), StoreCheckpoint::read(zeroed)) << size;
  }
}

TEST(StoreCheckpoint, EveryBitFlipOfTheFieldsShows) {
  Bytes bytes = golden("store_checkpoint/5.3.3");
  const StoreCheckpoint whole = StoreCheckpoint::read(bytes);
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    if (bit >= 41 * 8) return;
    const StoreCheckpoint flipped = StoreCheckpoint::read(bytes);
    EXPECT_EQ(flipped == whole, bit / 8 >= 40) << bit;
    if (bit / 8 < 40) {
      EXPECT_TRUE(std::ranges::equal(flipped.encode(), bytes)) << bit;
    }
  });
}

TEST(StoreCheckpoint, WhereRecoveryStarts) {
  StoreCheckpoint point{10'000, 9'000, 5'500, 0, 0};
  EXPECT_EQ(point.min_timestamp(), 6'000);
  EXPECT_EQ(point.min_timestamp_index(), 5'500);
  point.logics_msg_timestamp = 2'999;
  EXPECT_EQ(point.min_timestamp(), 0);
  // Java's subtraction wraps, and the result is above 0.
  point.logics_msg_timestamp = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(point.min_timestamp(), std::numeric_limits<std::int64_t>::max() - 2999);
}

}  // namespace
}  // namespace rmq::format
