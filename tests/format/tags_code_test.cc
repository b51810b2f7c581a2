#include "libstore/format/tags_code.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

std::int64_t code_of(const std::string& name, const DelayLevels& levels = DelayLevels()) {
  const Bytes bytes = golden("commit_log_record/" + name);
  const auto message = MessageView::parse(bytes);
  EXPECT_TRUE(message);
  return *tags_code(*message, store_properties(message->properties), levels);
}

// The values RocketMQ put into the consume queues of these messages.
TEST(TagsCode, OfRealRecords) {
  EXPECT_EQ(code_of("v1-ipv4"), 2598920);
  EXPECT_EQ(code_of("v1-4.9"), 2598919);
  EXPECT_EQ(code_of("v2-long-topic"), 118);
  EXPECT_EQ(code_of("v1-property-crc"), 0);
  // That broker ran with messageDelayLevel set.
  EXPECT_EQ(code_of("v1-delayed", *DelayLevels::parse("1s 2s 3s 10m 1h 2h 1d")), 1795225737864);
}

Decoded<std::int64_t> delayed(const std::string& level, const DelayLevels& levels = DelayLevels()) {
  MessageView message;
  message.topic = kScheduleTopic;
  message.store_timestamp = 1000;
  StoreProperties properties;
  properties.tags = "TagA";
  properties.delay = level;
  return tags_code(message, properties, levels);
}

TEST(TagsCode, Delays) {
  EXPECT_EQ(*delayed("1"), 2'000);
  EXPECT_EQ(*delayed("+2"), 6'000);
  EXPECT_EQ(*delayed("18"), 7'201'000);
  EXPECT_EQ(*delayed("99"), 7'201'000);
  EXPECT_EQ(*delayed("0"), 2598919);
  EXPECT_EQ(*delayed("-3"), 2598919);
  for (const char* bad : {"", "x", "1 ", " 1", "1.0", "2147483648", "+-1", "--1"}) {
    ASSERT_FALSE(delayed(bad)) << bad;
    EXPECT_EQ(delayed(bad).error().fault, DecodeFault::bad_field);
  }
}

TEST(TagsCode, DelayLevelsAsJavaSplitsThem) {
  EXPECT_EQ(*delayed("3", *DelayLevels::parse("1s 2m 3h 4d")), 1000 + 3 * 3'600'000);
  EXPECT_EQ(DelayLevels::parse("1s 2m  ")->max_level(), 2);  // String.split drops empty parts at the end
  EXPECT_EQ(DelayLevels().max_level(), 18);
  for (const char* bad : {"", " ", "1s  2s", " 1s", "1", "s", "1x", "1.5s", "1S"}) {
    EXPECT_FALSE(DelayLevels::parse(bad)) << bad;
  }
  EXPECT_EQ(DelayLevels().deliver_timestamp(0, 5), 1005);
  EXPECT_EQ(DelayLevels().deliver_timestamp(19, 5), 1005);
}

TEST(TagsCode, EveryBitFlipOfADelayedRecordGivesACodeOrAFault) {
  Bytes bytes = golden("commit_log_record/v1-delayed");
  int codes = 0;
  for_each_bit_flip(bytes, [&](std::size_t) {
    const auto message = MessageView::parse(bytes);
    if (!message) return;
    if (tags_code(*message, store_properties(message->properties), DelayLevels())) ++codes;
  });
  EXPECT_GT(codes, 100);
}

TEST(TagsCode, TimesWrapAsInJava) {
  EXPECT_EQ(DelayLevels().deliver_timestamp(1, std::numeric_limits<std::int64_t>::max()),
            std::numeric_limits<std::int64_t>::min() + 999);
}

}  // namespace
}  // namespace rmq::format
