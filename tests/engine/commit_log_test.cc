#include "libstore/engine/commit_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "libstore/testing/simulated_file_system.h"

namespace rmq::engine {
namespace {

class CommitLogTest : public ::testing::TestWithParam<FlushDiskType> {};

INSTANTIATE_TEST_SUITE_P(FlushDiskType, CommitLogTest,
                         ::testing::Values(FlushDiskType::async_flush, FlushDiskType::sync_flush),
                         [](const auto& type) {
                           return type.param == FlushDiskType::async_flush ? "async" : "sync";
                         });

// One thread appends, one makes files ahead without a pause, one flushes: every piece stays where it was put.
TEST_P(CommitLogTest, FilesAreMadeAheadWhileTheyAreNeeded) {
  constexpr std::int64_t kFileSize = 8 << 10;
  constexpr std::int64_t kPiece = 3000;
  constexpr int kPieces = 1500;
  rmq::testing::SimulatedFileSystem files(1);
  files.set_write_back(0);
  ASSERT_TRUE(files.make_directories("/log"));
  CommitLogOptions options;
  options.directories = {"/log"};
  options.file_size = kFileSize;
  options.flush = GetParam();
  const auto opened = CommitLog::open(files, options, {}, 0);
  ASSERT_TRUE(opened);
  CommitLog& log = **opened;
  std::atomic<bool> done{false};
  std::vector<std::int64_t> offsets;
  {
    std::jthread preparer([&] {
      while (!done) (void)log.prepare();
    });
    std::jthread flusher([&] {
      while (!done) ASSERT_TRUE(log.flush());
    });
    for (int i = 0; i < kPieces; ++i) {
      const auto extent = log.reserve(kPiece);
      ASSERT_TRUE(extent) << extent.error().message();
      std::ranges::fill(extent->bytes, static_cast<std::byte>(i));
      log.complete(*extent);
      offsets.push_back(extent->offset);
    }
    done = true;
  }
  ASSERT_TRUE(log.flush());
  std::array<std::byte, static_cast<std::size_t>(kPiece)> piece{};
  for (int i = 0; i < kPieces; ++i) {
    const auto got = log.read(offsets[static_cast<std::size_t>(i)], piece);
    ASSERT_TRUE(got);
    ASSERT_EQ(*got, piece.size());
    ASSERT_TRUE(std::ranges::all_of(piece, [&](std::byte byte) { return byte == static_cast<std::byte>(i); }))
        << i;
  }
}

}  // namespace
}  // namespace rmq::engine
