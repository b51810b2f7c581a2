#include "libstore/format/rocks_queue.h"

#include <gtest/gtest.h>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

TEST(RocksQueue, ReadsAndWritesWhatRocketMqWrote) {
  const Bytes key = golden("rocks_queue/key");
  const RocksQueueKey wanted_key{"RdbA", 0, 2};
  ASSERT_TRUE(RocksQueueKey::parse(key));
  EXPECT_EQ(*RocksQueueKey::parse(key), wanted_key);
  EXPECT_EQ(wanted_key.encode(), key);

  const Bytes value = golden("rocks_queue/value");
  const RocksQueueValue wanted_value{8457, 373, 2598922, 1767315224327};
  ASSERT_TRUE(RocksQueueValue::parse(value));
  EXPECT_EQ(*RocksQueueValue::parse(value), wanted_value);
  EXPECT_EQ(wanted_value.encode(), value);

  const Bytes offset_key = golden("rocks_queue/offset_key");
  const RocksOffsetKey wanted_end{"RdbB", true, 0};
  ASSERT_TRUE(RocksOffsetKey::parse(offset_key));
  EXPECT_EQ(*RocksOffsetKey::parse(offset_key), wanted_end);
  EXPECT_EQ(wanted_end.encode(), offset_key);

  const Bytes offset_value = golden("rocks_queue/offset_value");
  const RocksOffsetValue wanted_offset{0x16B02, 37};
  ASSERT_TRUE(RocksOffsetValue::parse(offset_value));
  EXPECT_EQ(*RocksOffsetValue::parse(offset_value), wanted_offset);
  EXPECT_EQ(wanted_offset.encode(), offset_value);
}

// The bytes' order is the order of topics' lengths, topics, queues and offsets.
TEST(RocksQueue, KeysLieInTheOrderOfTheirQueues) {
  const std::vector<RocksQueueKey> ordered{{"A", 0, 0}, {"A", 0, 1}, {"A", 0, 255}, {"A", 0, 256},
                                           {"A", 1, 0}, {"B", 0, 0}, {"AA", 0, 0}};
  for (std::size_t i = 1; i < ordered.size(); ++i)
    EXPECT_LT(ordered[i - 1].encode(), ordered[i].encode()) << i;
}

TEST(RocksQueue, EveryTruncationIsRefused) {
  for_each_truncation(golden("rocks_queue/key"), [](auto part) { EXPECT_FALSE(RocksQueueKey::parse(part)); });
  for_each_truncation(golden("rocks_queue/value"),
                      [](auto part) { EXPECT_FALSE(RocksQueueValue::parse(part)); });
  for_each_truncation(golden("rocks_queue/offset_key"),
                      [](auto part) { EXPECT_FALSE(RocksOffsetKey::parse(part)); });
  for_each_truncation(golden("rocks_queue/offset_value"),
                      [](auto part) { EXPECT_FALSE(RocksOffsetValue::parse(part)); });
}

TEST(RocksQueue, BytesBehindAreRefused) {
  for (const char* name : {"key", "value", "offset_key", "offset_value"}) {
    Bytes bytes = golden(std::string("rocks_queue/") + name);
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(RocksQueueKey::parse(bytes));
    EXPECT_FALSE(RocksQueueValue::parse(bytes));
    EXPECT_FALSE(RocksOffsetKey::parse(bytes));
    EXPECT_FALSE(RocksOffsetValue::parse(bytes));
  }
}

TEST(RocksQueue, EveryBitFlipIsAnotherKeyOrRefused) {
  Bytes key = golden("rocks_queue/key");
  const Bytes whole = key;
  for_each_bit_flip(key, [&](std::size_t bit) {
    const auto found = RocksQueueKey::parse(key);
    const std::size_t at = bit / 8;
    const bool is_form = at < 5 || at == 9 || at == 14;  // length and separators
    EXPECT_EQ(found.has_value(), !is_form) << bit;
    if (found) {
      EXPECT_EQ(found->encode(), key);
    }
  });
  Bytes end = golden("rocks_queue/offset_key");
  for_each_bit_flip(end, [&](std::size_t bit) {
    const std::size_t at = bit / 8;
    const bool is_form = at < 5 || (at >= 9 && at <= 13);
    EXPECT_EQ(RocksOffsetKey::parse(end).has_value(), !is_form) << bit;
  });
}

}  // namespace
}  // namespace rmq::format
