#include "libstore/engine/commit_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

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

// Large groups go past the page cache, small ones do not, and both end within pages that the next one begins.
TEST(CommitLogSync, GroupsOfAllSizesAreInTheFileWhenFlushIsBack) {
  std::string pattern = (std::filesystem::temp_directory_path() / "rmq-log-XXXXXX").string();
  const std::string directory = ::mkdtemp(pattern.data());
  io::FileSystem& files = io::posix_file_system();
  CommitLogOptions options;
  options.directories = {directory};
  options.file_size = 4 << 20;
  options.flush = FlushDiskType::sync_flush;
  const auto opened = CommitLog::open(files, options, {}, 0);
  ASSERT_TRUE(opened);
  CommitLog& log = **opened;
  std::vector<std::byte> all;
  for (const std::int64_t size : {100, 300'000, 5000, 4096, 700'001, 12, 262'144, 1'000'000}) {
    const auto extent = log.reserve(size);
    ASSERT_TRUE(extent) << extent.error().message();
    ASSERT_EQ(extent->offset, std::ssize(all));
    std::ranges::fill(extent->bytes, static_cast<std::byte>(size % 251));
    all.insert(all.end(), extent->bytes.begin(), extent->bytes.end());
    log.complete(*extent);
    ASSERT_TRUE(log.flush());
    std::vector<std::byte> read(all.size());
    const auto got = log.read(0, read);
    ASSERT_TRUE(got && *got == all.size());
    EXPECT_EQ(read, all);
    const auto file = files.open(directory + "/00000000000000000000");
    ASSERT_TRUE(file);
    const auto in_file = (*file)->read_at(0, read);
    ASSERT_TRUE(in_file && *in_file == all.size());
    EXPECT_EQ(read, all);
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace rmq::engine
