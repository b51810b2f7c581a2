#include "libstore/format/pop_record.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"
#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

using Offsets = std::vector<std::int64_t>;

TEST(PopRecord, ReadsACheckPointOf5) {
  const Bytes body = golden("pop_record/ck.json");
  const auto record = parse_pop_record(kPopCheckPointTag, as_text(body));
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->is_check_point);
  EXPECT_EQ(record->topic, "PopTopic");
  EXPECT_EQ(record->group, "pop_group");
  EXPECT_EQ(record->queue_id, 0);
  EXPECT_EQ(record->start_offset, 14);
  EXPECT_EQ(record->offsets, (Offsets{14}));
  EXPECT_EQ(record->visible_at(), 1795225705760);
  EXPECT_FALSE(record->is_acked(0));
}

TEST(PopRecord, ReadsAnAckOf5) {
  const Bytes body = golden("pop_record/ack.json");
  const auto record = parse_pop_record(kPopAckTag, as_text(body));
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->is_check_point);
  EXPECT_EQ(record->topic, "PopTopic");
  EXPECT_EQ(record->offsets, (Offsets{0}));
}

TEST(PopRecord, ReadsABatchAckAndACheckPointWithoutDifferences) {
  const auto batch =
      parse_pop_record(kPopBatchAckTag, R"({"ao":-1,"aol":[3,4,9],"c":"g","pt":5,"q":1,"so":0,"t":"T"})");
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->offsets, (Offsets{3, 4, 9}));
  const auto old =
      parse_pop_record(kPopCheckPointTag, R"({"bm":5,"c":"g","it":7,"n":3,"pt":5,"q":1,"so":40,"t":"T"})");
  ASSERT_TRUE(old);
  EXPECT_EQ(old->offsets, (Offsets{40, 41, 42}));
  EXPECT_TRUE(old->is_acked(0));
  EXPECT_FALSE(old->is_acked(1));
  EXPECT_TRUE(old->is_acked(2));
  EXPECT_FALSE(old->is_acked(64));
}

TEST(PopRecord, RefusesWhatNamesNoQueue) {
  for (const char* body : {"", "[]", "null", "{}", R"({"t":"T","c":"","q":1})", R"({"t":"T","c":"g","q":-1})",
                           R"({"t":"T","c":"g","q":99999999999})", R"({"t":5,"c":"g","q":1})"})
    EXPECT_FALSE(parse_pop_record(kPopAckTag, body)) << body;
}

TEST(PopRecord, NumbersStopAtTheEndsOfTheirType) {
  const auto record = parse_pop_record(
      kPopCheckPointTag,
      R"({"c":"g","d":[0,9],"it":9223372036854775807,"pt":5,"q":1,"so":9223372036854775807,"t":"T"})");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->offsets, (Offsets{INT64_MAX, INT64_MAX}));
  EXPECT_EQ(record->visible_at(), INT64_MAX);
}

TEST(PopRecord, EveryTruncationAndBitFlipIsReadOrRefused) {
  Bytes body = golden("pop_record/ck.json");
  for_each_truncation(body, [](std::span<const std::byte> part) {
    EXPECT_FALSE(parse_pop_record(kPopCheckPointTag, as_text(part)));
  });
  for_each_bit_flip(body, [&](std::size_t) {
    const auto record = parse_pop_record(kPopCheckPointTag, as_text(body));
    if (record) {
      EXPECT_LE(record->offsets.size(), 128U);
    }
  });
}

}  // namespace
}  // namespace rmq::format
