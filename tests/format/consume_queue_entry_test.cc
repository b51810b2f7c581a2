#include "libstore/format/consume_queue_entry.h"

#include <gtest/gtest.h>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

Bytes encoded(const ConsumeQueueEntry& entry) {
  Bytes bytes(kConsumeQueueEntrySize);
  entry.store(bytes.data());
  return bytes;
}

TEST(ConsumeQueueEntry, ReadsWhatRocketMqWrote) {
  const Bytes bytes = golden("consume_queue_entry/units");
  const ConsumeQueueEntry wanted[] = {{1043, 1443, 2598920}, {4064, 426, 2598919}, {6730, 2085, 0}};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto part = std::span(bytes).subspan(i * 20, 20);
    const auto entry = ConsumeQueueEntry::parse(part);
    ASSERT_TRUE(entry);
    EXPECT_EQ(*entry, wanted[i]);
    EXPECT_TRUE(entry->is_used());
    EXPECT_FALSE(is_ext_address(entry->tags_code));
    EXPECT_EQ(encoded(*entry), Bytes(part.begin(), part.end()));
  }
}

TEST(ConsumeQueueEntry, AddressesOfTheExt) {
  const Bytes bytes = golden("consume_queue_entry/ext-address");
  const ConsumeQueueEntry first = ConsumeQueueEntry::load(bytes.data());
  const ConsumeQueueEntry second = ConsumeQueueEntry::load(bytes.data() + 20);
  ASSERT_TRUE(is_ext_address(first.tags_code));
  ASSERT_TRUE(is_ext_address(second.tags_code));
  EXPECT_EQ(ext_offset(first.tags_code), 0);
  EXPECT_EQ(ext_offset(second.tags_code), 20);
  EXPECT_EQ(ext_address(20), second.tags_code);
  EXPECT_FALSE(is_ext_address(std::numeric_limits<std::int32_t>::min()));
  EXPECT_TRUE(is_ext_address(std::int64_t{std::numeric_limits<std::int32_t>::min()} - 1));
}

TEST(ConsumeQueueEntry, PreBlankAndEnd) {
  EXPECT_TRUE(kPreBlankEntry.is_pre_blank());
  EXPECT_TRUE(kPreBlankEntry.is_used());
  EXPECT_FALSE(ConsumeQueueEntry{}.is_used());
  EXPECT_FALSE((ConsumeQueueEntry{-1, 5, 0}).is_used());
  EXPECT_FALSE((ConsumeQueueEntry{5, -1, 0}).is_used());
  EXPECT_FALSE((ConsumeQueueEntry{20, 100, 0}).is_pre_blank());
}

TEST(ConsumeQueueEntry, EveryTruncationAndEveryBitFlip) {
  Bytes bytes = golden("consume_queue_entry/units");
  bytes.resize(20);
  for_each_truncation(bytes, [](std::span<const std::byte> part) {
    EXPECT_EQ(ConsumeQueueEntry::parse(part).error().fault, DecodeFault::truncated);
  });
  const auto whole = ConsumeQueueEntry::load(bytes.data());
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    const auto entry = ConsumeQueueEntry::parse(bytes);
    ASSERT_TRUE(entry);
    EXPECT_NE(*entry, whole) << bit;
    EXPECT_EQ(encoded(*entry), bytes) << bit;
  });
}

}  // namespace
}  // namespace rmq::format
