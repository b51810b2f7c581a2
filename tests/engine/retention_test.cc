#include "libstore/engine/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rmq::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

DiskUse use_of(UsedPercent log, UsedPercent queues) { return {{{"/log", log}}, queues}; }

TEST(Retention, WhatFollowsFromHowFullDisksAre) {
  struct Case {
    UsedPercent log;
    UsedPercent queues;
    bool refusing;
    bool remove;
    bool at_once;
    bool refuse;
  };
  const Case cases[] = {
      {10, 10, false, false, false, false},  //
      {75, 10, false, false, false, false},
      {76, 10, false, true, false, false},  // over diskMaxUsedSpaceRatio: what is expired goes at any hour
      {10, 76, false, true, false, false},
      {85, 10, false, true, false, false},
      {86, 10, false, true, true, false},  // forced
      {10, 86, false, true, true, false},
      {90, 10, false, true, true, false},
      {91, 10, false, true, true, true},  // warning level
      {10, 91, false, true, true, true},
      {88, 10, true, true, true, true},  // not healed before it is below the forced ratio
      {85, 10, true, true, false, false},
      {85, 88, true, true, true, false},              // as stock: the log's disk being well says so for both
      {std::nullopt, 10, false, true, false, false},  // nobody knows: what is expired goes
      {10, std::nullopt, true, true, false, false},
  };
  for (const Case& one : cases) {
    const DiskJudgement judged = judge_disks(use_of(one.log, one.queues), {}, one.refusing);
    const std::string shown =
        "log " + std::to_string(one.log.value_or(-1)) + " queues " + std::to_string(one.queues.value_or(-1));
    EXPECT_EQ(judged.remove, one.remove) << shown;
    EXPECT_EQ(judged.at_once, one.at_once) << shown;
    EXPECT_EQ(judged.refuse_puts, one.refuse) << shown;
  }
}

TEST(Retention, TheEmptiestOfSeveralPathsDecidesAndFullOnesAreLeftOut) {
  const DiskUse use{{{"/a", 95}, {"/b", 20}, {"/c", 86}}, 10};
  const DiskJudgement judged = judge_disks(use, {}, false);
  EXPECT_FALSE(judged.remove);
  EXPECT_FALSE(judged.refuse_puts);
  EXPECT_THAT(judged.full, ElementsAre("/a", "/c"));
}

TEST(Retention, RatiosAreKeptWithinStocksBounds) {
  RetentionOptions options;
  options.disk_max_used_space_ratio = 1;
  options.disk_space_clean_forcibly_ratio = 99;
  options.disk_space_warning_level_ratio = 1;
  EXPECT_FALSE(judge_disks(use_of(10, 0), options, false).remove);
  EXPECT_TRUE(judge_disks(use_of(11, 0), options, false).remove);
  EXPECT_FALSE(judge_disks(use_of(85, 0), options, false).at_once);
  EXPECT_TRUE(judge_disks(use_of(86, 0), options, false).refuse_puts);
}

TEST(Retention, PercentsAreRoundedUp) {
  EXPECT_EQ(used_percent(0, 100), 0);
  EXPECT_EQ(used_percent(1, 999), 1);
  EXPECT_EQ(used_percent(750, 250), 75);
  EXPECT_EQ(used_percent(751, 249), 76);
  EXPECT_EQ(used_percent(0, 0), 0);
  EXPECT_EQ(used_percent(INT64_MAX / 2, INT64_MAX / 2), 50);
}

TEST(Retention, HoursOfDeleteWhen) {
  EXPECT_THAT(*parse_delete_when("04"), ElementsAre(4));
  EXPECT_THAT(*parse_delete_when("04;16;23"), ElementsAre(4, 16, 23));
  EXPECT_THAT(*parse_delete_when(""), IsEmpty());
  for (const char* wrong : {"4pm", "24", "-1", "04;;05", "04,05"})
    EXPECT_FALSE(parse_delete_when(wrong)) << wrong;
}

}  // namespace
}  // namespace rmq::engine
