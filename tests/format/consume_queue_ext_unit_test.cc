#include "libstore/format/consume_queue_ext_unit.h"

#include <gtest/gtest.h>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

TEST(ConsumeQueueExtUnit, ReadsWhatRocketMqWrote) {
  const Bytes plain = golden("consume_queue_ext_unit/no-bit-map");
  const auto first = ConsumeQueueExtUnit::parse(plain);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->size, 20);
  EXPECT_EQ(first->tags_code, 2598920);
  EXPECT_EQ(first->store_timestamp, 1767315353007);
  EXPECT_TRUE(first->bit_map.empty());
  EXPECT_EQ(*encode(*first), plain);

  const Bytes with_map = golden("consume_queue_ext_unit/bit-map");
  const auto second = ConsumeQueueExtUnit::parse(with_map);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->store_timestamp, 1767315353333);
  ASSERT_EQ(second->bit_map.size(), 5U);
  EXPECT_EQ(second->bit_map[0], std::byte{0x9E});
  EXPECT_EQ(*encode(*second), with_map);
}

TEST(ConsumeQueueExtUnit, TheEndMarkIsNoUnit) {
  const Bytes bytes(4, std::byte{0xFF});
  EXPECT_EQ(ConsumeQueueExtUnit::parse(bytes).error().fault, DecodeFault::bad_magic);
}

TEST(ConsumeQueueExtUnit, EveryTruncationAndEveryBitFlip) {
  Bytes bytes = golden("consume_queue_ext_unit/bit-map");
  for_each_truncation(bytes, [](std::span<const std::byte> part) {
    EXPECT_EQ(ConsumeQueueExtUnit::parse(part).error().fault, DecodeFault::truncated);
  });
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    const auto unit = ConsumeQueueExtUnit::parse(bytes);
    const bool in_a_length = bit / 8 < 2 || (bit / 8 >= 18 && bit / 8 < 20);
    EXPECT_EQ(unit.has_value(), !in_a_length) << bit;
    if (unit) {
      EXPECT_EQ(*encode(*unit), bytes) << bit;
    }
  });
}

TEST(ConsumeQueueExtUnit, TheLargestUnit) {
  const Bytes map(32767 - 20, std::byte{1});
  ConsumeQueueExtUnit unit;
  unit.bit_map = map;
  const auto bytes = encode(unit);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(ConsumeQueueExtUnit::parse(*bytes)->size, 32767);
  const Bytes larger(32767 - 19);
  unit.bit_map = larger;
  EXPECT_FALSE(encode(unit));
}

}  // namespace
}  // namespace rmq::format
