#include "libstore/format/message_properties.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/commit_log_record.h"
#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs pairs_of(std::string_view text) {
  Pairs pairs;
  PropertyReader reader(text);
  while (const auto property = reader.next()) pairs.emplace_back(property->name, property->value);
  return pairs;
}

TEST(MessageProperties, OfRealRecordsComeBackTheSame) {
  for (const char* name :
       {"v1-ipv4", "v1-4.9", "v2-long-topic", "v1-delayed", "v1-prepared", "v1-property-crc"}) {
    const Bytes bytes = golden(std::string("commit_log_record/") + name);
    const auto message = MessageView::parse(bytes);
    ASSERT_TRUE(message);
    EXPECT_FALSE(pairs_of(message->properties).empty());
    std::string text(message->properties);
    if (text.back() != kPropertySeparator) text += kPropertySeparator;  // 4.9 leaves it out
    EXPECT_EQ(encode_properties(pairs_of(message->properties)), text) << name;
  }
}

// The verdicts of MessageDecoder.string2messageProperties.
TEST(MessageProperties, WhatCountsAsAPair) {
  EXPECT_EQ(pairs_of("a\x01"
                     "b\x02"),
            (Pairs{{"a", "b"}}));
  EXPECT_EQ(pairs_of("a\x01"
                     "b"),
            (Pairs{{"a", "b"}}));
  EXPECT_EQ(pairs_of("a\x01"
                     "b\x01"
                     "c\x02"),
            (Pairs{{"a",
                    "b\x01"
                    "c"}}));
  EXPECT_EQ(pairs_of("\x02\x02"
                     "a\x01"
                     "b\x02\x02"
                     "c\x01"
                     "d"),
            (Pairs{{"a", "b"}, {"c", "d"}}));
  EXPECT_TRUE(pairs_of("a\x01\x02").empty());
  EXPECT_TRUE(pairs_of("\x01"
                       "b\x02")
                  .empty());
  EXPECT_TRUE(pairs_of("abc\x02").empty());
  EXPECT_TRUE(pairs_of("\xC3\xA9\x01\x02").empty());
  EXPECT_TRUE(pairs_of("").empty());
}

TEST(MessageProperties, TheLastOfTwoWins) {
  EXPECT_EQ(find_property("a\x01"
                          "1\x02"
                          "a\x01"
                          "2\x02",
                          "a"),
            "2");
  EXPECT_EQ(find_property("a\x01"
                          "1\x02",
                          "b"),
            std::nullopt);
}

TEST(MessageProperties, WhatTheStoreReads) {
  const std::string text = encode_properties({{"TAGS", "t"},
                                              {"KEYS", "k1 k2"},
                                              {"UNIQ_KEY", "u"},
                                              {"DELAY", "3"},
                                              {"INNER_NUM", "5"},
                                              {"INNER_MULTI_DISPATCH", "d"},
                                              {"INNER_MULTI_QUEUE_OFFSET", "o"},
                                              {"KEYZ", "x"},
                                              {"TAGS", "last"}});
  const StoreProperties found = store_properties(text);
  EXPECT_EQ(found.tags, "last");
  EXPECT_EQ(found.keys, "k1 k2");
  EXPECT_EQ(found.uniq_key, "u");
  EXPECT_EQ(found.delay, "3");
  EXPECT_EQ(found.inner_num, "5");
  EXPECT_EQ(found.multi_dispatch, "d");
  EXPECT_EQ(found.multi_queue_offset, "o");
}

// The walk that finds separators 64 bytes at a time, against the one that goes from pair to pair.
TEST(MessageProperties, WhatTheStoreReadsIsWhatStandsThere) {
  std::mt19937 random(7);
  const std::array<std::string_view, 12> pieces{"TAGS",      "KEYS",  "UNIQ_KEY",
                                                "\1",        "\1",    "\2",
                                                "\2",        "value", "a longer value of a property",
                                                "INNER_NUM", "x",     std::string_view("\0", 1)};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::size_t n = random() % 24; n > 0; --n) text += pieces[random() % pieces.size()];
    const StoreProperties found = store_properties(text);
    EXPECT_EQ(found.tags, find_property(text, "TAGS")) << testing::PrintToString(text);
    EXPECT_EQ(found.keys, find_property(text, "KEYS")) << testing::PrintToString(text);
    EXPECT_EQ(found.uniq_key, find_property(text, "UNIQ_KEY")) << testing::PrintToString(text);
    EXPECT_EQ(found.inner_num, find_property(text, "INNER_NUM")) << testing::PrintToString(text);
    EXPECT_EQ(found.has_zero, text.find('\0') != std::string::npos) << testing::PrintToString(text);
  }
}

void expect_same(const StoreProperties& found, const StoreProperties& right, std::string_view text) {
  EXPECT_EQ(found.tags, right.tags) << testing::PrintToString(text);
  EXPECT_EQ(found.keys, right.keys) << testing::PrintToString(text);
  EXPECT_EQ(found.uniq_key, right.uniq_key) << testing::PrintToString(text);
  EXPECT_EQ(found.delay, right.delay) << testing::PrintToString(text);
  EXPECT_EQ(found.inner_num, right.inner_num) << testing::PrintToString(text);
  EXPECT_EQ(found.multi_dispatch, right.multi_dispatch) << testing::PrintToString(text);
  EXPECT_EQ(found.multi_queue_offset, right.multi_queue_offset) << testing::PrintToString(text);
  EXPECT_EQ(found.has_zero, right.has_zero) << testing::PrintToString(text);
}

// The reader that remembers, against the one that does not: texts of one shape, and the same with a byte
// changed.
TEST(MessageProperties, AReaderThatRemembersReadsTheSame) {
  std::mt19937 random(11);
  const std::string base = encode_properties(
      {{"UNIQ_KEY", "0123456789ABCDEF"}, {"TAGS", "TagA"}, {"KEYS", "order-17"}, {"WAIT", "true"}});
  constexpr std::string_view kBytes("\0\1\2ASK", 6);
  StorePropertiesReader reader;
  for (int round = 0; round < 50'000; ++round) {
    std::string text = base;
    const auto any = [&] { return random() % text.size(); };
    for (char& c : text) {
      if (c >= '0' && c <= '9') c = static_cast<char>('0' + random() % 10);
    }
    if (round % 3 == 0) text[any()] = kBytes[random() % kBytes.size()];
    if (round % 7 == 0) text.resize(any());
    if (round % 1000 > 900) text.append(static_cast<std::size_t>(round % 1000), 'x');  // a long one
    expect_same(reader.read(text), store_properties(text), text);
  }
}

TEST(MessageProperties, KeysAreSplitAtSingleSpaces) {
  std::vector<std::string> keys;
  for_each_key(" a  bc d ", [&](std::string_view key) { keys.emplace_back(key); });
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "bc", "d"}));
}

TEST(MessageProperties, EveryTruncationAndEveryBitFlipReadsWithinTheText) {
  const Bytes record = golden("commit_log_record/v1-delayed");
  const std::string_view text = MessageView::parse(record)->properties;
  Bytes bytes(as_bytes(text).begin(), as_bytes(text).end());
  const auto check = [](std::span<const std::byte> part) {
    for (const auto& [name, value] : pairs_of(as_text(part))) {
      EXPECT_FALSE(name.empty());
      EXPECT_FALSE(value.empty());
      EXPECT_EQ(name.find(kNameValueSeparator), std::string::npos);
      EXPECT_EQ((name + value).find(kPropertySeparator), std::string::npos);
      EXPECT_TRUE(find_property(as_text(part), name));
    }
  };
  for_each_truncation(bytes, check);
  for_each_bit_flip(bytes, [&](std::size_t) { check(bytes); });
}

}  // namespace
}  // namespace rmq::format
