#include "libstore/format/commit_log_record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/message_properties.h"
#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

constexpr std::size_t kBodyCrcOffset = 8;

Bytes record(const std::string& name) { return golden("commit_log_record/" + name); }

// encode() computes BODYCRC; where the field on disk is wrong, that is the one difference to the bytes
// parsed.
Bytes encoded_with_crc_of(const MessageView& message) {
  auto bytes = encode(to_record(message));
  EXPECT_TRUE(bytes);
  store_be(bytes->data() + kBodyCrcOffset, message.body_crc);
  return *bytes;
}

class CommitLogRecord : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Written, CommitLogRecord,
                         testing::Values("v1-ipv4", "v1-4.9", "v2-long-topic", "v1-ipv6", "v1-mixed-hosts",
                                         "v1-property-crc", "v1-zlib", "v1-lz4", "v1-zstd", "v1-zstd-4.9",
                                         "v1-prepared", "v1-empty-body", "v1-lmq", "v1-delayed"),
                         [](const auto& name) {
                           std::string text = name.param;
                           std::ranges::replace_if(text, [](char c) { return c == '-' || c == '.'; }, '_');
                           return text;
                         });

TEST_P(CommitLogRecord, ParsesAndEncodesToTheSameBytes) {
  const Bytes bytes = record(GetParam());
  const auto message = MessageView::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(static_cast<std::size_t>(message->total_size), bytes.size());
  EXPECT_TRUE(message->body_crc_matches());
  const auto again = encode(to_record(*message));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, bytes);
}

TEST_P(CommitLogRecord, TakesNoMoreThanItsSize) {
  Bytes bytes = record(GetParam());
  const std::size_t size = bytes.size();
  bytes.resize(size + 100, std::byte{0xFF});
  const auto message = MessageView::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(static_cast<std::size_t>(message->total_size), size);
}

TEST_P(CommitLogRecord, EveryTruncationIsTruncated) {
  for_each_truncation(record(GetParam()), [](std::span<const std::byte> part) {
    const auto message = MessageView::parse(part);
    ASSERT_FALSE(message) << part.size();
    EXPECT_EQ(message.error().fault, DecodeFault::truncated) << part.size();
  });
}

TEST_P(CommitLogRecord, EveryBitFlipIsRefusedOrKept) {
  Bytes bytes = record(GetParam());
  const auto whole = MessageView::parse(bytes);
  ASSERT_TRUE(whole);
  const auto body_at = static_cast<std::size_t>(whole->body.data() - bytes.data());
  const std::size_t body_end = body_at + whole->body.size();
  const bool has_crc = whole->check_property_crc(bytes) == MessageView::PropertyCrc::matches;
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    const auto message = MessageView::parse(bytes);
    const std::size_t at = bit / 8;
    if (!message) return;
    EXPECT_EQ(encoded_with_crc_of(*message), bytes) << bit;
    if ((at >= kBodyCrcOffset && at < kBodyCrcOffset + 4) || (at >= body_at && at < body_end)) {
      EXPECT_EQ(message->body_crc_matches(), message->body.empty()) << bit;
    }
    if (has_crc) {
      EXPECT_NE(message->check_property_crc(bytes), MessageView::PropertyCrc::matches) << bit;
    }
  });
}

TEST(CommitLogRecordFields, V1) {
  const Bytes bytes = record("v1-ipv4");
  const auto m = MessageView::parse(bytes);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->version, 1);
  EXPECT_EQ(m->body_crc, 1002195226);
  EXPECT_EQ(m->queue_id, 1);
  EXPECT_EQ(m->queue_offset, 0);
  EXPECT_EQ(m->physical_offset, 1043);
  EXPECT_EQ(m->born_timestamp, 1767314601064);
  EXPECT_EQ(m->store_timestamp, 1767314602579);
  EXPECT_EQ(to_string(m->born_host), "10.114.60.174:30163");
  EXPECT_EQ(to_string(m->store_host), "127.0.0.1:10911");
  EXPECT_EQ(m->body.size(), 1272U);
  EXPECT_EQ(m->topic, "TopicA");
  EXPECT_EQ(find_property(m->properties, kPropertyTags), "TagB");
  EXPECT_EQ(find_property(m->properties, kPropertyUniqKey), "7F00009689845F6FCEF000000003");
  EXPECT_EQ(offset_message_id(*m), "7F00000100002A9F0000000000000413");
  EXPECT_EQ(m->check_property_crc(bytes), MessageView::PropertyCrc::absent);
}

TEST(CommitLogRecordFields, V2HasATopicOver127) {
  const auto bytes = record("v2-long-topic");
  const auto m = MessageView::parse(bytes);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->version, 2);
  EXPECT_EQ(m->topic.size(), 128U);
  EXPECT_EQ(find_property(m->properties, kPropertyKeys),
            "key\xE4\xB8\xAD"
            "37 key1 key2");
}

TEST(CommitLogRecordFields, Ipv6) {
  const auto bytes = record("v1-ipv6");
  const auto m = MessageView::parse(bytes);
  ASSERT_TRUE(m);
  EXPECT_EQ(to_string(m->born_host), "[2001:33f3:1408:7fe9:95a3:6bc1:de04:38d3]:24581");
  EXPECT_EQ(to_string(m->store_host), "[2001:1a6b:ee8f:11f0:c198:1b43:9a2c:38cc]:27205");
  EXPECT_EQ(offset_message_id(*m), "20011A6BEE8F11F0C1981B439A2C38CC00006A45000000000000389E");
}

TEST(CommitLogRecordFields, PropertyCrcIsMadeAsRocketMqMakesIt) {
  const Bytes bytes = record("v1-property-crc");
  const auto m = MessageView::parse(bytes);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->check_property_crc(bytes), MessageView::PropertyCrc::matches);
  MessageRecord plain = to_record(*m);
  plain.properties.resize(plain.properties.find(kPropertyCrc32));
  plain.append_property_crc = true;
  EXPECT_EQ(*encode(plain), bytes);
  plain.properties.pop_back();  // the separator comes back by itself
  EXPECT_EQ(*encode(plain), bytes);
}

TEST(CommitLogRecordFields, LimitsOfTheLengthFields) {
  MessageRecord r;
  r.topic = std::string(127, 't');
  r.properties = std::string(32767, 'p');
  EXPECT_TRUE(MessageView::parse(*encode(r)));
  r.topic += 't';
  EXPECT_FALSE(encode(r));
  r.version = 2;
  r.topic = std::string(32767, 't');
  EXPECT_TRUE(MessageView::parse(*encode(r)));
  r.topic += 't';
  EXPECT_FALSE(encode(r));
  r.topic = "t";
  r.properties += 'p';
  EXPECT_FALSE(encode(r));
  r.properties.clear();
  r.sys_flag = kSysFlagBornHostV6;
  EXPECT_FALSE(encode(r));
  r.born_address.resize(16);
  EXPECT_TRUE(MessageView::parse(*encode(r)));
}

TEST(CommitLogRecordFields, TheSmallestRecords) {
  MessageRecord r;
  EXPECT_EQ(encode(r)->size(), static_cast<std::size_t>(kMinRecordSize));
  EXPECT_TRUE(MessageView::parse(*encode(r)));
  r.version = 2;
  EXPECT_EQ(encode(r)->size(), static_cast<std::size_t>(kMinRecordSize) + 1);
  EXPECT_TRUE(MessageView::parse(*encode(r)));
}

TEST(CommitLogRecordFields, ABlankIsNoRecordAndTheOtherWayRound) {
  Bytes blank = golden("commit_log_record/blank");
  const auto parsed = BlankView::parse(blank);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->size, 65536 - 64661);
  const auto again = encode_blank(parsed->size);
  EXPECT_TRUE(std::ranges::equal(again, blank));
  EXPECT_EQ(MessageView::parse(blank).error().fault, DecodeFault::bad_magic);
  EXPECT_EQ(BlankView::parse(record("v1-ipv4")).error().fault, DecodeFault::bad_magic);
  for_each_truncation(blank, [](std::span<const std::byte> part) {
    EXPECT_EQ(BlankView::parse(part).error().fault, DecodeFault::truncated);
  });
  for_each_bit_flip(blank, [&](std::size_t bit) {
    const auto flipped = BlankView::parse(blank);
    EXPECT_EQ(flipped.has_value(), bit < 32 && load_be<std::int32_t>(blank.data()) >= kBlankSize) << bit;
  });
}

TEST(CommitLogRecordFields, HostsAsJavaPrintsThem) {
  Bytes address(16);
  EXPECT_EQ(to_string(HostView{address, 1}), "[0:0:0:0:0:0:0:0]:1");
  address[10] = address[11] = std::byte{0xFF};
  address[12] = std::byte{10};
  EXPECT_EQ(to_string(HostView{address, -1}), "10.0.0.0:-1");
}

}  // namespace
}  // namespace rmq::format
