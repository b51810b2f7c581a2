// Views of files: what read_at says, without a copy; and a file that is cut while it is looked at ends
// nobody.
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/io/read_file_system.h"
#include "tests/io/temporary_directory.h"

namespace rmq::io {
namespace {

constexpr std::int64_t kSize = (5 << 20) + 123;

class MappingFiles : public ::testing::Test {
 protected:
  MappingFiles() {
    std::mt19937_64 random(7);
    text_.resize(static_cast<std::size_t>(kSize));
    for (char& one : text_) one = static_cast<char>(random() | 1);
    write();
  }
  void write() const { std::ofstream(path_, std::ios::binary) << text_; }  // it is in the page cache then
  [[nodiscard]] std::unique_ptr<ReadFile> open() const { return *mapping_read_file_system().open(path_); }

  TemporaryDirectory directory_;
  std::string path_ = directory_.path() + "/file";
  std::string text_;
};

TEST_F(MappingFiles, AViewIsWhatReadingSays) {
  const auto file = open();
  std::int64_t seen = 0;
  for (std::int64_t position = 0; position < kSize; position += 700'001) {
    const auto view = file->view(position, 1 << 20);
    ASSERT_LE(std::ssize(view), std::min<std::int64_t>(1 << 20, kSize - position));
    EXPECT_EQ(as_text(view), text_.substr(static_cast<std::size_t>(position), view.size()));
    seen += std::ssize(view);
  }
  EXPECT_GT(seen, 0);
  EXPECT_FALSE(file->view_failed());
  for (const std::int64_t position : {kSize, kSize + 1, std::int64_t{-1}})
    EXPECT_TRUE(file->view(position, 10).empty());
}

TEST_F(MappingFiles, OnlyWhereItWasAskedFor) {
  EXPECT_TRUE((*posix_read_file_system().open(path_))->view(0, 100).empty());
  text_.resize(1000);  // a small file is read
  write();
  EXPECT_TRUE(open()->view(0, 100).empty());
}

TEST_F(MappingFiles, AFileThatIsCutReadsAsZeros) {
  const auto file = open();
  const auto view = file->view(kSize - 500'000, 400'000);
  ASSERT_EQ(view.size(), 400'000U);
  constexpr std::int64_t kLeft = kSize - 450'000;
  std::filesystem::resize_file(path_, static_cast<std::uintmax_t>(kLeft));
  std::size_t zeros = 0;
  for (const std::byte one : view) zeros += one == std::byte{0} ? 1 : 0;
  EXPECT_EQ(zeros, 350'000U);
  EXPECT_TRUE(file->view_failed());
  EXPECT_TRUE(file->view(0, 100).empty());  // from now on it is read
  std::vector<std::byte> bytes(100'000);
  const auto got = file->read_at(kLeft - 10, bytes);
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, 10U);
}

TEST_F(MappingFiles, WhatLiesBehindTheEndIsNotShown) {
  const auto file = open();
  std::filesystem::resize_file(path_, 3 << 20);
  EXPECT_TRUE(file->view((3 << 20) + 100, 1000).empty());
  EXPECT_FALSE(file->view_failed());
}

using MappingFilesDeathTest = MappingFiles;

TEST_F(MappingFilesDeathTest, OtherBusErrorsAreNotTaken) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::signal(SIGBUS, SIG_DFL);
        (void)mapping_read_file_system();
        (void)std::raise(SIGBUS);
        (void)std::raise(SIGBUS);  // the first one has put the signal back where it was
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace rmq::io
