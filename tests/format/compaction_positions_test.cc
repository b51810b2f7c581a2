#include "libstore/format/compaction_positions.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"
#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

TEST(CompactionPositions, ReadsWhatRocketMqWrote) {
  const Bytes bytes = golden("compaction_positions/5.3.3");
  const auto positions = read_compaction_positions(as_text(bytes));
  ASSERT_TRUE(positions);
  ASSERT_EQ(positions->size(), 1U);
  EXPECT_EQ(positions->at("CompactMe_0"), 189);
}

TEST(CompactionPositions, OtherShapes) {
  EXPECT_TRUE(read_compaction_positions("{}")->empty());
  EXPECT_TRUE(read_compaction_positions(R"({"empty":true,"queueOffsetMap":{}})")->empty());
  EXPECT_TRUE(read_compaction_positions(R"({"queueOffsetMap":null})")->empty());
  EXPECT_EQ(read_compaction_positions(R"({"queueOffsetMap":{"A_b_3":"17"}})")->at("A_b_3"), 17);
  EXPECT_FALSE(read_compaction_positions("[]"));
  EXPECT_FALSE(read_compaction_positions(R"({"queueOffsetMap":[]})"));
  EXPECT_FALSE(read_compaction_positions(R"({"queueOffsetMap":{"A_0":"x"}})"));
}

TEST(CompactionPositions, EveryTruncationAndEveryBitFlipIsReadOrRefused) {
  Bytes bytes = golden("compaction_positions/5.3.3");
  for_each_truncation(bytes, [](std::span<const std::byte> part) {
    EXPECT_FALSE(read_compaction_positions(as_text(part))) << part.size();
  });
  for_each_bit_flip(bytes, [&](std::size_t) { (void)read_compaction_positions(as_text(bytes)); });
}

}  // namespace
}  // namespace rmq::format
