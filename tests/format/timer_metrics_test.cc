#include "libstore/format/timer_metrics.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"
#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

TEST(TimerMetrics, ReadsWhatRocketMqWrote) {
  const Bytes bytes = golden("config_files/timermetrics");
  const auto value = json::parse(as_text(bytes));
  ASSERT_TRUE(value);
  const auto metrics = read_timer_metrics(*value);
  ASSERT_TRUE(metrics);
  ASSERT_EQ(metrics->size(), 1U);
  EXPECT_EQ(metrics->front(), (TimerMetric{"TimerTopic", 24, 1795225811061}));
}

TEST(TimerMetrics, OtherShapes) {
  const auto read = [](std::string_view text) { return read_timer_metrics(*json::parse(text)); };
  EXPECT_TRUE(read("{}")->empty());
  EXPECT_TRUE(read(R"({"timingCount":null})")->empty());
  EXPECT_TRUE(read(R"({"timingCount":{"A":null}})")->empty());
  EXPECT_EQ(read(R"({"timingCount":{"A":{"count":"-3"}}})")->front(), (TimerMetric{"A", -3, 0}));
  EXPECT_FALSE(read(R"({"timingCount":[]})"));
  EXPECT_FALSE(read(R"({"timingCount":{"A":7}})"));
  EXPECT_FALSE(read(R"({"timingCount":{"A":{"count":"x"}}})"));
  EXPECT_FALSE(read(R"({"timingCount":{"A":{"timeStamp":[]}}})"));
}

TEST(TimerMetrics, EveryTruncationAndEveryBitFlipIsReadOrRefused) {
  Bytes bytes = golden("config_files/timermetrics");
  for_each_truncation(bytes, [](std::span<const std::byte> part) {
    EXPECT_TRUE(part.empty() || !json::parse(as_text(part))) << part.size();
  });
  for_each_bit_flip(bytes, [&](std::size_t) {
    const auto value = json::parse(as_text(bytes));
    if (value) (void)read_timer_metrics(*value);
  });
}

}  // namespace
}  // namespace rmq::format
