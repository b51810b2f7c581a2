#include "libstore/format/pop_state.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"
#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

constexpr const char* kRetryTopic = "%RETRY%pop_group_PopTopic";

TEST(PopState, ReadsAndWritesWhatRocketMqWrote) {
  const Bytes key = golden("pop_state/key");
  const PopStateKey wanted{1795225899052, "pop_group", kRetryTopic, 0, 17};
  ASSERT_TRUE(PopStateKey::parse(key));
  EXPECT_EQ(*PopStateKey::parse(key), wanted);
  EXPECT_EQ(wanted.encode(), key);

  const Bytes value = golden("pop_state/value.json");
  const auto state = parse_pop_state(as_text(value));
  ASSERT_TRUE(state);
  EXPECT_EQ(state->topic, kRetryTopic);
  EXPECT_EQ(state->group, "pop_group");
  EXPECT_EQ(state->queue_id, 0);
  EXPECT_EQ(state->queue_offset, 17);
  EXPECT_EQ(state->pop_time, 1795225779052);
  EXPECT_EQ(state->invisible_time, 120000);
  EXPECT_EQ(state->attempts, 0);
  EXPECT_EQ(state->key().encode(), key);
}

TEST(PopState, KeysLieInTheOrderOfTime) {
  const std::vector<PopStateKey> ordered{{1, "z", "T", 0, 0},   {255, "a", "T", 0, 0}, {256, "a", "T", 0, 0},
                                         {256, "b", "T", 0, 0}, {256, "b", "T", 1, 0}, {256, "b", "T", 1, 9}};
  for (std::size_t i = 1; i < ordered.size(); ++i)
    EXPECT_LT(ordered[i - 1].encode(), ordered[i].encode()) << i;
}

TEST(PopState, EveryTruncationIsRefused) {
  for_each_truncation(golden("pop_state/key"), [](auto part) {
    // What the fixed end cuts off the topic may be another topic; it is not the key of this value.
    const auto found = PopStateKey::parse(part);
    if (found) {
      EXPECT_EQ(found->encode(), Bytes(part.begin(), part.end()));
    }
  });
  for (std::size_t size = 0; size < 8 + 1 + 14; ++size) EXPECT_FALSE(PopStateKey::parse(Bytes(size)));
  for_each_truncation(golden("pop_state/value.json"),
                      [](auto part) { EXPECT_FALSE(parse_pop_state(as_text(part))); });
}

TEST(PopState, EveryBitFlipIsAnotherKeyOrRefused) {
  Bytes key = golden("pop_state/key");
  const Bytes whole = key;
  const std::size_t end = key.size() - 14;
  for_each_bit_flip(key, [&](std::size_t bit) {
    const std::size_t at = bit / 8;
    const bool is_form = at == 17 || at == end || at == end + 5;
    const auto found = PopStateKey::parse(key);
    EXPECT_EQ(found.has_value(), !is_form) << bit;
    if (found) {
      EXPECT_EQ(found->encode(), key);
      EXPECT_NE(key, whole);
    }
  });
  Bytes value = golden("pop_state/value.json");
  for_each_bit_flip(value, [&](std::size_t) {
    const auto state = parse_pop_state(as_text(value));
    if (state) {
      EXPECT_GE(state->queue_id, 0);
      EXPECT_FALSE(state->topic.empty());
    }
  });
}

TEST(PopState, RefusesWhatNamesNoQueue) {
  for (const char* value : {"", "[]", "null", "{}", R"({"topicId":"T","groupId":"","queueId":1})",
                            R"({"topicId":"T","groupId":"g","queueId":-1})",
                            R"({"topicId":"T","groupId":"g","queueId":99999999999})",
                            R"({"topicId":"T","groupId":"g","queueId":1,"offset":"x"})",
                            R"({"topicId":1,"groupId":"g","queueId":1})"})
    EXPECT_FALSE(parse_pop_state(value)) << value;
}

TEST(PopState, NumbersStopAtTheEndsOfTheirType) {
  const auto state = parse_pop_state(
      R"({"topicId":"T","groupId":"g","queueId":1,"popTime":9,"invisibleTime":9223372036854775807,"attemptTimes":99999999999})");
  ASSERT_TRUE(state);
  EXPECT_EQ(state->visible_at(), INT64_MAX);
  EXPECT_EQ(state->attempts, INT32_MAX);
}

}  // namespace
}  // namespace rmq::format
