// What verify says about the timer's files: nothing about those that RocketMQ wrote, and the right place when
// any of their bytes is changed.
#include <gtest/gtest.h>

#include "libstore/format/timer_checkpoint.h"
#include "libstore/format/timer_log_unit.h"
#include "libstore/format/timer_slot.h"
#include "tests/forensics/part_testing.h"

namespace rmq::forensics {
namespace {

using format::kTimerLogUnitSize;
using format::kTimerSlotSize;
using format::TimerLogUnit;
using format::TimerSlot;

constexpr std::string_view kLog = "timerlog/00000000000000000000";
constexpr std::string_view kWheel = "timerwheel";
constexpr std::string_view kCheck = "config/timercheck";

const PartStore& pristine() {
  static const PartStore store("broker-timer");
  return store;
}

struct Unit {
  std::int64_t offset;
  TimerLogUnit unit;
};

std::vector<Unit> units(PartStore& store) {
  std::vector<Unit> found;
  const auto& bytes = store.bytes(kLog);
  for (std::size_t at = 0; at + kTimerLogUnitSize <= bytes.size(); at += kTimerLogUnitSize) {
    if (const auto unit = TimerLogUnit::parse(std::span(bytes).subspan(at)))
      found.push_back({static_cast<std::int64_t>(at), *unit});
  }
  return found;
}

std::int64_t read_time(PartStore& store) {
  return format::TimerCheckpoint::read(store.bytes(kCheck)).last_read_time;
}

std::vector<std::int64_t> used_slots(PartStore& store) {
  std::vector<std::int64_t> found;
  const auto& bytes = store.bytes(kWheel);
  for (std::size_t at = 0; at + kTimerSlotSize <= bytes.size(); at += kTimerSlotSize) {
    if (TimerSlot::load(bytes.data() + at).time != 0) found.push_back(static_cast<std::int64_t>(at));
  }
  return found;
}

TEST(VerifyTimer, WhatRocketMqWroteIsCleanAtEveryLevel) {
  for (const auto level :
       {VerifyLevel::quick, VerifyLevel::normal, VerifyLevel::deep, VerifyLevel::paranoid}) {
    const Judgement judgement = pristine().judge(level);
    EXPECT_TRUE(judgement.summary.clean);
    EXPECT_TRUE(judgement.of("TM-").empty()) << ::testing::PrintToString(judgement.of("TM-"));
  }
}

TEST(VerifyTimer, EveryByteOfAUnitIsJudged) {
  PartStore store = pristine();
  const std::int64_t now = read_time(store);
  const auto all = units(store);
  ASSERT_GT(all.size(), 20U);
  // One that waits alone, one amid a chain, a rolled one, a request to delete, and one that was delivered.
  std::vector<Unit> chosen;
  const auto choose = [&](auto&& wanted) {
    const auto found = std::ranges::find_if(all, wanted);
    ASSERT_NE(found, all.end());
    chosen.push_back(*found);
  };
  choose([&](const Unit& u) { return u.unit.due() > now && u.unit.magic == 1; });
  choose([&](const Unit& u) { return u.unit.due() > now && u.unit.previous >= 0; });
  choose([&](const Unit& u) { return u.unit.is_roll(); });
  choose([&](const Unit& u) { return u.unit.is_delete(); });
  choose([&](const Unit& u) { return u.unit.due() < now && u.unit.previous >= 0; });
  for (const Unit& unit : chosen) {
    for (std::int64_t byte = 0; byte < kTimerLogUnitSize; ++byte) {
      for (const int bit : {0, 6}) {
        std::byte& flipped = store.bytes(kLog)[static_cast<std::size_t>(unit.offset + byte)];
        flipped ^= std::byte{1} << bit;
        const Judgement judgement = store.judge();
        EXPECT_TRUE(names_only(judgement, "TM-", kLog, unit.offset, unit.offset + kTimerLogUnitSize))
            << "unit at " << unit.offset << ", byte " << byte << ", bit " << bit;
        // Within a tick, and in what was delivered, nothing depends on it.
        const TimerLogUnit changed = TimerLogUnit::load(store.bytes(kLog).data() + unit.offset);
        const bool same_tick =
            unit.unit.is_roll() && changed.due() / 1000 == unit.unit.due() / 1000 && byte >= 16 && byte < 28;
        EXPECT_EQ(judgement.summary.clean, worst_of(judgement.of("TM-")) == Severity::benign);
        EXPECT_TRUE(!judgement.summary.clean || same_tick || unit.unit.due() < now)
            << "unit at " << unit.offset << ", byte " << byte;
        flipped ^= std::byte{1} << bit;
      }
    }
  }
}

TEST(VerifyTimer, EveryByteOfASlotIsJudged) {
  PartStore store = pristine();
  const std::int64_t now = read_time(store);
  const auto slots = used_slots(store);
  ASSERT_GT(slots.size(), 10U);
  for (const std::int64_t at : {slots.front(), slots[slots.size() / 2], slots.back()}) {
    const TimerSlot slot = TimerSlot::load(store.bytes(kWheel).data() + at);
    for (std::int64_t byte = 0; byte < kTimerSlotSize; ++byte) {
      std::byte& flipped = store.bytes(kWheel)[static_cast<std::size_t>(at + byte)];
      flipped ^= std::byte{4};
      const Judgement judgement = store.judge(VerifyLevel::normal);
      EXPECT_TRUE(names_only(judgement, "TM-", kWheel, at, at + kTimerSlotSize))
          << "slot at " << at << ", byte " << byte;
      const bool leads = byte < 24 && slot.time * 1000 > now;  // the rest is for monitoring
      EXPECT_EQ(worst_of(judgement.of("TM-")), leads ? Severity::degraded : Severity::benign)
          << "slot at " << at << ", byte " << byte;
      flipped ^= std::byte{4};
    }
  }
}

TEST(VerifyTimer, ZeroedPages) {
  PartStore store = pristine();
  const auto slots = used_slots(store);
  for (std::size_t i = 0; i < kTimerSlotSize; ++i)
    store.bytes(kWheel)[static_cast<std::size_t>(slots.back()) + i] = std::byte{0};
  EXPECT_TRUE(names_only(store.judge(VerifyLevel::normal), "TM-", kWheel, slots.back(),
                         slots.back() + kTimerSlotSize));
  PartStore other = pristine();
  std::fill_n(other.bytes(kLog).begin() + 520, 520, std::byte{0});
  const Judgement judgement = other.judge();
  EXPECT_TRUE(names_only(judgement, "TM-", kLog, 520, 1040));
  ASSERT_EQ(judgement.of("TM-").size(), 1U) << ::testing::PrintToString(judgement.of("TM-"));
  EXPECT_EQ(judgement.of("TM-").front().severity, Severity::degraded);
}

TEST(VerifyTimer, FilesThatAreGoneOrForeign) {
  const auto only = [](PartStore& store, std::string_view code, Severity severity, std::string_view file) {
    const Judgement judgement = store.judge();
    const auto findings = judgement.of("TM-");
    ASSERT_EQ(findings.size(), 1U) << file << ::testing::PrintToString(findings);
    EXPECT_EQ(findings.front().code, code) << file;
    EXPECT_EQ(findings.front().severity, severity) << ::testing::PrintToString(findings.front());
    EXPECT_EQ(findings.front().file, file);
    EXPECT_FALSE(judgement.summary.clean);
  };
  PartStore no_wheel = pristine();
  no_wheel.remove(kWheel);
  only(no_wheel, "TM-FILE", Severity::degraded, kWheel);
  PartStore no_log = pristine();
  no_log.remove(kLog);
  only(no_log, "TM-LOST", Severity::hidden, kLog);
  PartStore no_check = pristine();
  no_check.remove(kCheck);
  only(no_check, "TM-CHECK", Severity::degraded, kCheck);
  PartStore empty_check = pristine();
  std::ranges::fill(empty_check.bytes(kCheck), std::byte{0});
  only(empty_check, "TM-CHECK", Severity::degraded, kCheck);
  PartStore short_check = pristine();
  short_check.resize(kCheck, 20);
  only(short_check, "TM-CHECK", Severity::degraded, kCheck);
  PartStore short_wheel = pristine();
  short_wheel.resize(kWheel, 12'000'000);
  only(short_wheel, "TM-FILE", Severity::degraded, kWheel);
  PartStore stray = pristine();
  stray.add("timerlog/00000000000000000000.bak", "copy");
  only(stray, "TM-FILE", Severity::degraded, "timerlog/00000000000000000000.bak");
}

TEST(VerifyTimer, ALogCutShortIsNamed) {
  PartStore store = pristine();
  const std::size_t cut = 20 * kTimerLogUnitSize;
  const std::size_t whole = store.bytes(kLog).size();
  store.resize(kLog, cut);
  const Judgement by_conf =
      store.judge(VerifyLevel::deep, "mappedFileSizeTimerLog=" + std::to_string(whole) + "\n");
  ASSERT_EQ(by_conf.of("TM-FILE").size(), 1U);
  EXPECT_EQ(by_conf.of("TM-FILE").front().file, kLog);
  const Judgement judgement = store.judge();
  ASSERT_EQ(judgement.of("TM-LOST").size(), 1U) << ::testing::PrintToString(judgement.of("TM-"));
  EXPECT_EQ(judgement.of("TM-LOST").front().severity, Severity::degraded);
  EXPECT_EQ(judgement.of("TM-LOST").front().offset, static_cast<std::int64_t>(cut));
}

TEST(VerifyTimer, FieldsOfTheCheckpoint) {
  const auto with = [](auto&& change) {
    PartStore store = pristine();
    format::TimerCheckpoint point = format::TimerCheckpoint::read(store.bytes(kCheck));
    change(point);
    const auto bytes = point.encode();
    store.bytes(kCheck).assign(bytes.begin(), bytes.end());
    const Judgement judgement = store.judge();
    EXPECT_TRUE(names_only(judgement, "TM-", kCheck, 0, 4096));
    EXPECT_EQ(judgement.of("TM-").size(), 1U) << ::testing::PrintToString(judgement.of("TM-"));
    return worst_of(judgement.of("TM-"));
  };
  EXPECT_EQ(with([](auto& point) { point.last_read_time += 86'400'000; }), Severity::hidden);
  EXPECT_EQ(with([](auto& point) { point.last_read_time += 1; }), Severity::degraded);
  EXPECT_EQ(with([](auto& point) { point.last_log_flush_position += 520; }), Severity::degraded);
  EXPECT_EQ(with([](auto& point) { point.last_queue_offset += 100; }), Severity::degraded);
  EXPECT_EQ(with([](auto& point) { point.last_queue_offset = point.master_queue_offset = 100; }),
            Severity::degraded);
  EXPECT_EQ(with([](auto& point) { point.counter = -1; }), Severity::degraded);
}

TEST(VerifyTimer, Metrics) {
  PartStore store = pristine();
  store.add("config/timermetrics", R"({"timingCount":{"TimerTopic":{"count":7,"timeStamp":1}}})");
  const Judgement judgement = store.judge();
  ASSERT_EQ(judgement.of("TM-METRICS").size(), 1U);
  EXPECT_EQ(judgement.of("TM-METRICS").front().severity, Severity::benign);
  store.add("config/timermetrics", R"({"timingCount":{"TimerTopic":{"count":"many"}}})");
  EXPECT_EQ(worst_of(store.judge().of("TM-METRICS")), Severity::degraded);
}

}  // namespace
}  // namespace rmq::forensics
