// Planning tells how much of the log it has walked, for a bar, and ends where it is told to.
#include <gtest/gtest.h>

#include <atomic>

#include "libstore/repair/repair_plan.h"
#include "tests/recovery/damaged_store.h"

namespace rmq::repair {
namespace {

class PlanProgress : public ::testing::Test {
 protected:
  PlanProgress() {
    (void)recovery::fill(files_);
    scan::StoreConfig config;
    config.root = "/store";
    config.index_slots = recovery::options().config.index_slots;
    config.index_entries = recovery::options().config.index_entries;
    survey_ = *scan::survey_store(files_, config);
    request_.progress = &walked_;
  }

  recovery::SimulatedFileSystem files_{1};
  scan::StoreSurvey survey_;
  std::atomic<std::int64_t> walked_ = 0;
  RepairRequest request_;
};

TEST_F(PlanProgress, IsTheWholeLogOnce) {
  for (const std::size_t jobs : {std::size_t{1}, std::size_t{2}}) {
    walked_ = 0;
    request_.jobs = jobs;
    ASSERT_TRUE(plan_repair(files_, survey_, request_));
    EXPECT_EQ(walked_.load(), survey_.commit_log_bytes());
  }
}

TEST_F(PlanProgress, EndsWhereItIsTold) {
  request_.cancelled = [] { return true; };
  const auto plan = plan_repair(files_, survey_, request_);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace rmq::repair
