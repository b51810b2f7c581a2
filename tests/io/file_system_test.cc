// What every FileSystem promises, asked of the operating system's and of the simulated one alike. Faults and
// ends: posix_file_system_test.cc, simulated_file_system_test.cc.
#include "libstore/io/file_system.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include "libstore/bytes/big_endian.h"
#include "libstore/testing/simulated_file_system.h"
#include "tests/io/temporary_directory.h"

namespace rmq::io {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A file system and an empty directory of it.
struct World {
  virtual ~World() = default;
  virtual FileSystem& files() = 0;
  virtual std::string root() = 0;
};

struct PosixWorld final : World {
  FileSystem& files() override { return posix_file_system(); }
  std::string root() override { return directory.path(); }
  TemporaryDirectory directory;
};

struct SimulatedWorld final : World {
  SimulatedWorld() {
    if (!simulated.make_directories("/store")) throw std::runtime_error("no simulated directory");
  }
  FileSystem& files() override { return simulated; }
  std::string root() override { return "/store"; }
  testing::SimulatedFileSystem simulated{7};
};

struct Kind {
  std::string name;
  std::function<std::unique_ptr<World>()> make;
};

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

class FileSystemTest : public ::testing::TestWithParam<Kind> {
 protected:
  std::string path(const std::string& name) { return join_path(world_->root(), name); }

  std::string text(const std::string& name) {
    const auto bytes = read_all(files_, path(name), 1 << 30);
    if (!bytes) return "error: " + bytes.error().message();
    return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
  }

  std::string text(const ReadFile& file, std::int64_t position, std::size_t length) {
    std::vector<std::byte> bytes(length);
    const auto got = file.read_at(position, bytes);
    if (!got) return "error: " + got.error().message();
    return {reinterpret_cast<const char*>(bytes.data()), *got};
  }

  std::vector<std::string> names(const std::string& name = "") {
    std::vector<std::string> found;
    const auto entries = files_.list(path(name));
    if (!entries) return {"error: " + entries.error().message()};
    for (const DirectoryEntry& entry : *entries) found.push_back(entry.name);
    return found;
  }

  std::unique_ptr<WriteFile> create(const std::string& name, std::int64_t size, std::string_view head = "") {
    auto file = files_.create(path(name), size, bytes_of(head));
    if (!file) throw std::runtime_error(file.error().message());
    return std::move(*file);
  }

  Status write(WriteFile& file, std::int64_t position, std::string_view what) {
    return file.write_at(position, bytes_of(what));
  }

  std::unique_ptr<World> world_ = GetParam().make();
  FileSystem& files_ = world_->files();
};

INSTANTIATE_TEST_SUITE_P(All, FileSystemTest,
                         ::testing::Values(Kind{"posix", [] { return std::make_unique<PosixWorld>(); }},
                                           Kind{"simulated",
                                                [] { return std::make_unique<SimulatedWorld>(); }}),
                         [](const auto& kind) { return kind.param.name; });

#define EXPECT_OS_ERROR(expression, number)                                   \
  do {                                                                        \
    const auto outcome = (expression);                                        \
    ASSERT_FALSE(outcome);                                                    \
    EXPECT_EQ(outcome.error().os_errno, number) << outcome.error().message(); \
  } while (false)

#define EXPECT_WRONG_USE(expression)                                                    \
  do {                                                                                  \
    const auto outcome = (expression);                                                  \
    ASSERT_FALSE(outcome);                                                              \
    EXPECT_EQ(outcome.error().code, ErrorCode::wrong_use) << outcome.error().message(); \
  } while (false)

TEST_P(FileSystemTest, ACreatedFileHasItsSizeItsHeadAndZeros) {
  const auto file = create("a", 10'000, "head");
  EXPECT_EQ(file->size(), 10'000);
  EXPECT_EQ(text("a"), "head" + std::string(9'996, '\0'));
  EXPECT_EQ(text(*file, 2, 4), std::string("ad\0\0", 4));
  EXPECT_THAT(names(), ElementsAre("a"));
  const auto status = files_.stat(path("a"));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->kind, EntryKind::file);
  EXPECT_EQ(status->size, 10'000);
  EXPECT_EQ(create("empty", 0)->size(), 0);
  EXPECT_EQ(text("empty"), "");
}

TEST_P(FileSystemTest, CreateRefusesWhatIsThere) {
  create("a", 4, "kept");
  EXPECT_OS_ERROR(files_.create(path("a"), 8, {}), EEXIST);
  EXPECT_EQ(text("a"), "kept");
  ASSERT_TRUE(files_.make_directories(path("d")));
  EXPECT_OS_ERROR(files_.create(path("d"), 8, {}), EEXIST);
  EXPECT_THAT(names(), ElementsAre("a", "d"));
}

TEST_P(FileSystemTest, CreateNeedsADirectoryAndASize) {
  EXPECT_OS_ERROR(files_.create(path("d/a"), 8, {}), ENOENT);
  EXPECT_WRONG_USE(files_.create(path("a"), 3, bytes_of("head")));
  EXPECT_THAT(names(), IsEmpty());
}

TEST_P(FileSystemTest, OfTwoWhoCreateOneNameOneDoes) {
  for (int round = 0; round < 20; ++round) {
    const std::string name = std::to_string(round);
    std::atomic<int> made = 0;
    std::atomic<int> refused = 0;
    const auto run = [&](std::string_view head) {
      const auto file = files_.create(path(name), 4, bytes_of(head));
      if (file) ++made;
      if (!file && file.error().os_errno == EEXIST) ++refused;
    };
    {
      std::jthread other(run, "aaaa");
      run("bbbb");
    }
    EXPECT_EQ(made, 1);
    EXPECT_EQ(refused, 1);
    EXPECT_THAT(text(name), ::testing::AnyOf("aaaa", "bbbb"));
  }
}

TEST_P(FileSystemTest, WhatIsWrittenIsReadByAll) {
  const auto file = create("a", 9'000, "");
  const auto reader = files_.open(path("a"));
  const auto other = files_.open_for_write(path("a"));
  ASSERT_TRUE(reader);
  ASSERT_TRUE(other);
  EXPECT_EQ((*other)->size(), 9'000);
  ASSERT_TRUE(write(*file, 4'094, "across"));
  EXPECT_EQ(text(*file, 4'094, 6), "across");
  EXPECT_EQ(text(**reader, 4'094, 6), "across");
  ASSERT_TRUE((*other)->write_durable(4'096, bytes_of("!")));
  EXPECT_EQ(text(**reader, 4'094, 6), "ac!oss");
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(text(*file, 8'998, 10), std::string(2, '\0'));
  EXPECT_EQ(text(*file, 20'000, 10), "");
}

// The reading side keeps a large block for a while; whoever writes must not read such a one.
TEST_P(FileSystemTest, LargeReadsSeeWhatWasJustWritten) {
  constexpr std::int64_t kSize = 4 << 20;
  const auto file = create("a", kSize);
  ASSERT_TRUE(file->sync());
  const auto reader = files_.open(path("a"));
  ASSERT_TRUE(reader);
  std::vector<std::byte> large(256 << 10);
  ASSERT_TRUE((*reader)->read_at(0, large));
  ASSERT_TRUE(write(*file, 100, "new"));
  ASSERT_TRUE((*reader)->read_at(0, large));
  EXPECT_EQ(std::memcmp(large.data() + 100, "new", 3), 0);
}

TEST_P(FileSystemTest, WritingBehindTheEndMakesTheFileLonger) {
  const auto file = create("a", 3, "abc");
  ASSERT_TRUE(write(*file, 3, "def"));
  ASSERT_TRUE(file->write_durable(5'000, bytes_of("x")));
  EXPECT_EQ(text("a"), "abcdef" + std::string(4'994, '\0') + "x");
  EXPECT_EQ(files_.stat(path("a"))->size, 5'001);
  EXPECT_WRONG_USE(write(*file, -1, "x"));
  EXPECT_WRONG_USE(file->write_durable(INT64_MAX, bytes_of("x")));
}

TEST_P(FileSystemTest, PiecesAreWrittenInOneGo) {
  const auto file = create("a", 10'000);
  const auto one = bytes_of("one");
  const auto two = bytes_of("two");
  const std::array<std::span<const std::byte>, 3> pieces{one, std::span<const std::byte>(), two};
  ASSERT_TRUE(file->write_durable(4'094, pieces));
  EXPECT_EQ(text(*file, 4'092, 10), std::string(2, '\0') + "onetwo" + std::string(2, '\0'));
}

TEST_P(FileSystemTest, ZerosAreWrittenPastThePageCache) {
  const auto file = create("a", 5 << 20);
  ASSERT_TRUE(write(*file, 4'000, std::string(8'192, 'x')));
  ASSERT_TRUE(file->write_zeros(4'096, 3 << 20));
  ASSERT_TRUE(write(*file, 8'192, "later"));
  EXPECT_EQ(text(*file, 4'000, 100), std::string(96, 'x') + std::string(4, '\0'));
  EXPECT_EQ(text(*file, 8'190, 10), std::string(2, '\0') + "later" + std::string(3, '\0'));
  EXPECT_EQ(text(*file, 12'280, 4), std::string(4, '\0'));
}

TEST_P(FileSystemTest, OnlyFilesThatAreThereAreOpened) {
  ASSERT_TRUE(files_.make_directories(path("d")));
  EXPECT_OS_ERROR(files_.open(path("a")), ENOENT);
  EXPECT_OS_ERROR(files_.open_for_write(path("a")), ENOENT);
  EXPECT_FALSE(files_.open(path("d")));
  EXPECT_FALSE(files_.open_for_write(path("d")));
  EXPECT_THAT(names(), ElementsAre("d"));
}

TEST_P(FileSystemTest, HolesAreNeverData) {
  const auto file = create("a", 1 << 20);
  ASSERT_TRUE(write(*file, 512 << 10, "data"));
  ASSERT_TRUE(file->sync());
  EXPECT_LE(file->next_data(0), 512 << 10);
  EXPECT_LE(file->next_hole(512 << 10), 1 << 20);
  EXPECT_GT(file->next_hole(512 << 10), 512 << 10);
  EXPECT_EQ(file->next_data(512 << 10), 512 << 10);
}

TEST_P(FileSystemTest, MapsAndFilesAreTheSameBytes) {
  auto file = create("a", 20'000, "head");
  auto map = file->map(0, 20'000);
  auto part = file->map(5'000, 100);  // not at a page's boundary
  ASSERT_TRUE(map);
  ASSERT_TRUE(part);
  EXPECT_EQ((*part)->bytes().size(), 100U);
  (*part)->bytes()[7] = std::byte{'m'};
  EXPECT_EQ(text(*file, 5'007, 1), "m");
  EXPECT_EQ((*map)->bytes()[5'007], std::byte{'m'});
  ASSERT_TRUE(write(*file, 5'008, "w"));
  EXPECT_EQ((*part)->bytes()[8], std::byte{'w'});
  (*map)->populate(4'096, 8'192);
  (*map)->populate(19'000, 100'000);  // a hint, whatever it says
  EXPECT_TRUE((*part)->sync(7, 2));
  EXPECT_TRUE((*map)->sync(0, 20'000));
  file.reset();
  (*map)->bytes()[0] = std::byte{'H'};  // outlives the file
  EXPECT_TRUE((*map)->sync(0, 1));
  EXPECT_EQ(text("a").substr(0, 4), "Head");
}

TEST_P(FileSystemTest, AMapEndsWithItsFile) {
  const auto file = create("a", 5'000);
  EXPECT_WRONG_USE(file->map(0, 5'001));
  EXPECT_WRONG_USE(file->map(4'096, 4'096));
  EXPECT_WRONG_USE(file->map(0, 0));
  EXPECT_WRONG_USE(file->map(-1, 10));
  const auto map = file->map(100, 50);
  ASSERT_TRUE(map);
  EXPECT_WRONG_USE((*map)->sync(0, 51));
  EXPECT_WRONG_USE((*map)->sync(-1, 2));
}

TEST_P(FileSystemTest, ReplaceChangesAFileAsAWhole) {
  ASSERT_TRUE(files_.replace(path("a"), bytes_of("first")));
  const auto old = files_.open(path("a"));
  ASSERT_TRUE(old);
  ASSERT_TRUE(files_.replace(path("a"), bytes_of("2")));
  EXPECT_EQ(text("a"), "2");
  EXPECT_EQ(text(**old, 0, 10), "first");
  ASSERT_TRUE(files_.replace(path("a"), {}));
  EXPECT_EQ(text("a"), "");
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_P(FileSystemTest, ReplaceLeavesNothingWhereItCannot) {
  ASSERT_TRUE(files_.make_directories(path("d")));
  EXPECT_OS_ERROR(files_.replace(path("d"), bytes_of("x")), EISDIR);
  EXPECT_OS_ERROR(files_.replace(path("missing/a"), bytes_of("x")), ENOENT);
  EXPECT_THAT(names(), ElementsAre("d"));
}

TEST_P(FileSystemTest, DirectoriesAreMadeWithThoseAbove) {
  ASSERT_TRUE(files_.make_directories(path("consumequeue/T/0")));
  ASSERT_TRUE(files_.make_directories(path("consumequeue/T/0")));
  ASSERT_TRUE(files_.make_directories(path("consumequeue//T/1/")));
  EXPECT_THAT(names("consumequeue/T"), ElementsAre("0", "1"));
  create("file", 1);
  EXPECT_OS_ERROR(files_.make_directories(path("file")), ENOTDIR);
  EXPECT_OS_ERROR(files_.make_directories(path("file/d")), ENOTDIR);
  EXPECT_THAT(names(), ElementsAre("consumequeue", "file"));
}

TEST_P(FileSystemTest, RenameNeverOverwrites) {
  create("a", 1, "a");
  create("b", 1, "b");
  EXPECT_OS_ERROR(files_.rename(path("a"), path("b")), EEXIST);
  EXPECT_EQ(text("a"), "a");
  EXPECT_EQ(text("b"), "b");
  EXPECT_OS_ERROR(files_.rename(path("x"), path("y")), ENOENT);
  EXPECT_OS_ERROR(files_.rename(path("a"), path("d/a")), ENOENT);
  ASSERT_TRUE(files_.make_directories(path("d/e")));
  EXPECT_OS_ERROR(files_.rename(path("d"), path("d/e/d")), EINVAL);
  ASSERT_TRUE(files_.rename(path("a"), path("d/a")));
  ASSERT_TRUE(files_.rename(path("d"), path("f")));
  EXPECT_THAT(names(), ElementsAre("b", "f"));
  EXPECT_EQ(text("f/a"), "a");
}

TEST_P(FileSystemTest, RemoveTakesFilesAndEmptyDirectories) {
  const auto file = create("a", 1, "a");
  ASSERT_TRUE(files_.make_directories(path("d/e")));
  EXPECT_OS_ERROR(files_.remove(path("d")), ENOTEMPTY);
  ASSERT_TRUE(files_.remove(path("d/e")));
  ASSERT_TRUE(files_.remove(path("d")));
  ASSERT_TRUE(files_.remove(path("a")));
  EXPECT_OS_ERROR(files_.remove(path("a")), ENOENT);
  EXPECT_THAT(names(), IsEmpty());
}

TEST_P(FileSystemTest, AFileKnowsThatItsNameIsGone) {
  const auto file = create("a", 8, "a");
  EXPECT_FALSE(file->removed());
  ASSERT_TRUE(files_.remove(path("a")));
  EXPECT_TRUE(file->removed());
  const auto second = create("a", 8, "b");
  EXPECT_TRUE(file->removed());  // another file has it
  EXPECT_FALSE(second->removed());
  ASSERT_TRUE(files_.rename(path("a"), path("b")));
  EXPECT_TRUE(second->removed());
  const auto third = create("a", 8, "c");
  EXPECT_TRUE(second->removed());
  EXPECT_FALSE(third->removed());
  // What is open stays usable.
  ASSERT_TRUE(write(*file, 0, "still"));
  EXPECT_EQ(text(*file, 0, 5), "still");
  EXPECT_TRUE(file->sync());
  EXPECT_TRUE(file->map(0, 8));
}

TEST_P(FileSystemTest, TheTimeOfModificationIsSetAndNothingElse) {
  create("a", 4, "text");
  for (const std::int64_t ms : std::initializer_list<std::int64_t>{1'234'567'890'123, 999, 0, -1, -1'500}) {
    ASSERT_TRUE(files_.set_modified(path("a"), ms));
    EXPECT_EQ(files_.stat(path("a"))->modified_ms, ms);
  }
  EXPECT_EQ(text("a"), "text");
  EXPECT_OS_ERROR(files_.set_modified(path("x"), 1), ENOENT);
}

TEST_P(FileSystemTest, ALockIsHeldOnceAndUntilItIsDropped) {
  auto lock = files_.lock(path("lock"));
  ASSERT_TRUE(lock);
  EXPECT_WRONG_USE(files_.lock(path("lock")));
  EXPECT_EQ(files_.lock(path("lock")).error().os_errno, 0);
  const auto file = files_.open_for_write(path("lock"));  // and closing another descriptor does not drop it
  ASSERT_TRUE(file);
  ASSERT_TRUE(write(**file, 0, "lock"));
  EXPECT_WRONG_USE(files_.lock(path("lock")));
  lock->reset();
  lock = files_.lock(path("lock"));
  ASSERT_TRUE(lock);
  EXPECT_EQ(text("lock"), "lock");
  EXPECT_TRUE(files_.lock(path("other")));
  EXPECT_OS_ERROR(files_.lock(path("missing/lock")), ENOENT);
}

// Few are synced one by one, many together: what comes out is the same.
TEST_P(FileSystemTest, SparseFilesAppearWithTheirDirectories) {
  for (const int count : {1, 3, 20}) {
    const std::string topic = "queues/" + std::to_string(count);
    std::vector<std::string> heads;
    std::vector<NewFile> wanted;
    heads.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      heads.push_back("head " + std::to_string(i));
      wanted.push_back(
          {path(topic + "/" + std::to_string(i) + "/0000"), 1 << 20, std::as_bytes(std::span(heads.back()))});
    }
    for (const Status& done : files_.create_sparse(wanted)) ASSERT_TRUE(done) << done.error().message();
    for (int i = 0; i < count; ++i) {
      const std::string name = topic + "/" + std::to_string(i) + "/0000";
      EXPECT_EQ(files_.stat(path(name))->size, 1 << 20);
      const auto file = files_.open_for_write(path(name));
      ASSERT_TRUE(file);
      std::vector<std::byte> bytes(8);
      ASSERT_TRUE((*file)->read_at(0, bytes));
      EXPECT_EQ(as_text(bytes).substr(0, heads[static_cast<std::size_t>(i)].size()),
                heads[static_cast<std::size_t>(i)]);
      EXPECT_TRUE(write(**file, 1000, "more"));
    }
    // One that is there already does not hold the others up, and stays as it is.
    wanted.push_back({path(topic + "/new/0000"), 4096, {}});
    const auto again = files_.create_sparse(wanted);
    for (int i = 0; i < count; ++i) EXPECT_OS_ERROR(again[static_cast<std::size_t>(i)], EEXIST);
    EXPECT_TRUE(again.back());
    EXPECT_TRUE(files_.sync_file_system(path(topic)));
  }
  EXPECT_OS_ERROR(files_.sync_file_system(path("missing")), ENOENT);
}

TEST_P(FileSystemTest, SpaceIsTold) {
  const auto space = files_.space(world_->root());
  ASSERT_TRUE(space);
  EXPECT_GT(space->total, 0);
  EXPECT_GE(space->free, 0);
  EXPECT_GE(space->used, 0);
  EXPECT_LE(space->used + space->free, space->total);
  EXPECT_OS_ERROR(files_.space(path("missing")), ENOENT);
}

TEST_P(FileSystemTest, ThreadsWriteDifferentBytesOfOneFile) {
  constexpr std::int64_t kSize = 64 << 10;
  constexpr int kThreads = 4;
  const auto file = create("a", kSize);
  const auto map = file->map(0, kSize);
  ASSERT_TRUE(map);
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::int64_t at = thread; at < kSize / 16; at += kThreads) {
          if (!file->write_at(at * 8, bytes_of("file...."))) return;
          std::memcpy((*map)->bytes().data() + kSize / 2 + at * 8, "map.....", 8);
          if (at % 512 == 0 && (!file->sync() || !(*map)->sync(0, kSize))) return;
        }
      });
    }
  }
  const std::string all = text("a");
  for (std::int64_t at = 0; at < kSize; at += 8) {
    ASSERT_EQ(all.substr(static_cast<std::size_t>(at), 8), at < kSize / 2 ? "file...." : "map.....");
  }
}

}  // namespace
}  // namespace rmq::io
