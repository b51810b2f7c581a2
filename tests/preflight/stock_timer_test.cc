// What keeps a stock broker's timer, and with it the broker, from starting.
#include "libstore/preflight/stock_timer.h"

#include <gtest/gtest.h>

#include <string>

#include "libstore/format/timer_slot.h"
#include "libstore/preflight/preflight.h"
#include "libstore/testing/memory_file_system.h"
#include "tests/scan/oracle_store.h"

namespace rmq::preflight {
namespace {

class StockTimer : public ::testing::Test {
 protected:
  StockTimer() {
    const testing::OracleStore oracle(testing::oracle_stores() / "broker-timer",
                                      testing::unpacked_oracle_stores());
    root_ = oracle.root().string();
    files_.load(root_);
  }
  testing::MemoryFile& file(const std::string& shown) { return files_.files.at(root_ + "/" + shown); }
  void add(const std::string& shown, std::size_t size) {
    files_.files[root_ + "/" + shown].bytes.assign(size, std::byte{0});
  }
  Preflight forecast(StockVersion version = StockVersion::v5_3, const std::string& broker_conf = "") {
    scan::StoreConfig config;
    config.root = root_;
    config = *scan::apply_broker_conf(config, broker_conf);
    const auto survey = scan::survey_store(files_, config);
    EXPECT_TRUE(survey);
    PreflightOptions options;
    options.version = version;
    return *run_preflight(files_, *survey, options);
  }
  void expect_stopped(const std::string& reason) {
    const Preflight stopped = forecast();
    EXPECT_FALSE(stopped.starts);
    EXPECT_EQ(stopped.reason, reason);
    EXPECT_TRUE(stopped.queues.empty());
    EXPECT_TRUE(forecast(StockVersion::v4_9).starts);  // it has no timer
    EXPECT_TRUE(forecast(StockVersion::v5_3, "timerWheelEnable=false").starts);
  }

  std::string root_;
  testing::MemoryFileSystem files_;
};

TEST_F(StockTimer, WhatRocketMqWroteStarts) {
  const Preflight good = forecast();
  EXPECT_TRUE(good.starts);
  EXPECT_EQ(good.reason, "");
  file("timerwheel").bytes.clear();  // as it is before it was ever written
  EXPECT_TRUE(forecast().starts);
  files_.files.erase(root_ + "/timerwheel");
  EXPECT_TRUE(forecast().starts);
}

TEST_F(StockTimer, AWheelOfAnotherLength) {
  file("timerwheel").bytes.resize(4096);
  expect_stopped("timerwheel has 4096 bytes instead of 38707200");
}

TEST_F(StockTimer, AForeignFileInTheTimerLog) {
  const std::size_t size = file("timerlog/00000000000000000000").bytes.size();
  add("timerlog/copy", size);
  expect_stopped("timerlog/copy has a name that is no offset");
}

TEST_F(StockTimer, ATimerLogFileOfAnotherLength) {
  const std::size_t size = file("timerlog/00000000000000000000").bytes.size();
  const auto name = [&](std::size_t i) {
    const std::string number = std::to_string(i * size);
    return "timerlog/" + std::string(20 - number.size(), '0') + number;
  };
  for (std::size_t i = 1; i < 4; ++i)
    if (!files_.files.contains(root_ + "/" + name(i))) add(name(i), size);
  EXPECT_TRUE(forecast().starts);
  file(name(1)).bytes.resize(100);
  expect_stopped(name(1) + " has 100 bytes instead of " + std::to_string(size));
  EXPECT_FALSE(forecast(StockVersion::v5_3, "mappedFileSizeTimerLog=100").starts);
}

TEST_F(StockTimer, AnEmptyLastFileIsDeleted) {
  const std::size_t size = file("timerlog/00000000000000000000").bytes.size();
  add("timerlog/00000000000000" + std::to_string(size), 0);
  EXPECT_TRUE(forecast().starts);
}

}  // namespace
}  // namespace rmq::preflight
