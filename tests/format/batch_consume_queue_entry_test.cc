#include "libstore/format/batch_consume_queue_entry.h"

#include <gtest/gtest.h>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

Bytes encoded(const BatchConsumeQueueEntry& entry) {
  Bytes bytes(kBatchConsumeQueueEntrySize);
  entry.store(bytes.data());
  return bytes;
}

TEST(BatchConsumeQueueEntry, ReadsWhatRocketMqWrote) {
  const Bytes bytes = golden("batch_consume_queue_entry/units");
  const BatchConsumeQueueEntry wanted[] = {{3183, 3589, 0, 1767315563119, 0, 11, -1, 0},
                                           {11905, 149, 110182, 1767315563528, 11, 1, -1, 0}};
  for (std::size_t i = 0; i < 2; ++i) {
    const auto part = std::span(bytes).subspan(i * 46, 46);
    const auto entry = BatchConsumeQueueEntry::parse(part);
    ASSERT_TRUE(entry);
    EXPECT_EQ(*entry, wanted[i]);
    EXPECT_TRUE(entry->is_used());
    EXPECT_EQ(encoded(*entry), Bytes(part.begin(), part.end()));
  }
}

TEST(BatchConsumeQueueEntry, UnusedUnits) {
  EXPECT_FALSE((BatchConsumeQueueEntry{0, 0, 0, 0, 0, 0, 0, 0}).is_used());
  EXPECT_FALSE((BatchConsumeQueueEntry{0, 1, 0, 0, 0, 0, -1, 0}).is_used());
  EXPECT_FALSE((BatchConsumeQueueEntry{0, 1, 0, 0, -1, 1, -1, 0}).is_used());
  EXPECT_TRUE((BatchConsumeQueueEntry{0, 1, 0, 0, 0, 1, -1, 0}).is_used());
}

TEST(BatchConsumeQueueEntry, EveryTruncationAndEveryBitFlip) {
  Bytes bytes = golden("batch_consume_queue_entry/units");
  bytes.resize(46);
  for_each_truncation(bytes, [](std::span<const std::byte> part) {
    EXPECT_EQ(BatchConsumeQueueEntry::parse(part).error().fault, DecodeFault::truncated);
  });
  const auto whole = BatchConsumeQueueEntry::load(bytes.data());
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    const auto entry = BatchConsumeQueueEntry::parse(bytes);
    ASSERT_TRUE(entry);
    EXPECT_NE(*entry, whole) << bit;
    EXPECT_EQ(encoded(*entry), bytes) << bit;
  });
}

}  // namespace
}  // namespace rmq::format
