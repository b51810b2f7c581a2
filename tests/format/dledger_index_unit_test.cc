#include "libstore/format/dledger_index_unit.h"

#include <gtest/gtest.h>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

Bytes encoded(const DledgerIndexUnit& unit) {
  Bytes bytes(kDledgerIndexUnitSize);
  unit.store(bytes.data());
  return bytes;
}

TEST(DledgerIndexUnit, ReadsWhatRocketMqWrote) {
  const Bytes bytes = golden("dledger_index_unit/units");
  const DledgerIndexUnit wanted[] = {{1, 1316, 945, 1, 0}, {1, 2261, 1977, 2, 0}};
  for (std::size_t i = 0; i < 2; ++i) {
    const auto part = std::span(bytes).subspan(i * kDledgerIndexUnitSize, kDledgerIndexUnitSize);
    const auto unit = DledgerIndexUnit::parse(part);
    ASSERT_TRUE(unit);
    EXPECT_EQ(*unit, wanted[i]);
    EXPECT_EQ(encoded(*unit), Bytes(part.begin(), part.end()));
  }
}

TEST(DledgerIndexUnit, EveryTruncationAndEveryBitFlip) {
  Bytes bytes = golden("dledger_index_unit/units");
  bytes.resize(kDledgerIndexUnitSize);
  for_each_truncation(bytes, [](std::span<const std::byte> part) {
    EXPECT_EQ(DledgerIndexUnit::parse(part).error().fault, DecodeFault::truncated);
  });
  const auto whole = DledgerIndexUnit::load(bytes.data());
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    const auto unit = DledgerIndexUnit::parse(bytes);
    ASSERT_TRUE(unit);
    EXPECT_NE(*unit, whole) << bit;
    EXPECT_EQ(encoded(*unit), bytes) << bit;
  });
}

}  // namespace
}  // namespace rmq::format
