// How long reading takes at a rate, in a time that passes only where somebody waits.
#include "libstore/io/rate_limited_files.h"

#include <gtest/gtest.h>

#include <vector>

#include "libstore/testing/memory_file_system.h"

namespace rmq::io {
namespace {

class Time final : public Waiter {
 public:
  [[nodiscard]] std::int64_t now_ms() const override { return now_; }
  void wait_ms(std::int64_t milliseconds) override { now_ += milliseconds; }

 private:
  std::int64_t now_ = 5000;
};

TEST(RateLimitedFiles, TakeAsLongAsTheRateSays) {
  testing::MemoryFileSystem memory;
  memory.files["/a"].bytes.resize(300'000);
  Time time;
  const RateLimitedFileSystem files(memory, 100'000, time);
  const auto file = files.open("/a");
  ASSERT_TRUE(file);
  std::vector<std::byte> block(1000);
  for (std::int64_t at = 0; at < 300'000; at += 1000) {
    ASSERT_EQ((*file)->read_at(at, block).value(), 1000U);
    // Never ahead of the rate, but for the burst of a tenth of a second.
    EXPECT_LE(at + 1000, (time.now_ms() - 5000 + 101) * 100);
  }
  EXPECT_NEAR(static_cast<double>(time.now_ms() - 5000), 3000, 110);
}

TEST(RateLimitedFiles, AreOneBudgetForAllFilesAndAnIdleTimeIsNotSaved) {
  testing::MemoryFileSystem memory;
  memory.files["/a"].bytes.resize(100'000);
  memory.files["/b"].bytes.resize(100'000);
  Time time;
  const RateLimitedFileSystem files(memory, 100'000, time);
  std::vector<std::byte> block(100'000);
  ASSERT_TRUE((*files.open("/a"))->read_at(0, block));
  time.wait_ms(60'000);
  const std::int64_t before = time.now_ms();
  ASSERT_TRUE((*files.open("/b"))->read_at(0, block));
  EXPECT_NEAR(static_cast<double>(time.now_ms() - before), 900, 5);
}

TEST(RateLimitedFiles, CountWhatWasReadAndNotWhatWasAsked) {
  testing::MemoryFileSystem memory;
  memory.files["/a"].bytes.resize(10);
  Time time;
  const RateLimitedFileSystem files(memory, 1000, time);
  std::vector<std::byte> block(1 << 20);
  EXPECT_EQ((*files.open("/a"))->read_at(0, block).value(), 10U);
  EXPECT_FALSE(files.open("/none"));
  EXPECT_EQ(time.now_ms(), 5010);
}

}  // namespace
}  // namespace rmq::io
