// The operating system's files where something is in the way: limits, rights, signals, killed processes,
// brokers.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "libstore/io/file_system.h"
#include "libstore/io/posix_file.h"
#include "tests/io/temporary_directory.h"

namespace rmq::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kFileSize = 64 << 10;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

int open_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

class PosixFileSystemTest : public ::testing::Test {
 protected:
  ~PosixFileSystemTest() override { EXPECT_EQ(open_descriptors(), descriptors_before_); }

  std::string path(const std::string& name) { return join_path(directory_.path(), name); }

  std::string text(const std::string& name) {
    const auto bytes = read_all(files_, path(name), 1 << 30);
    if (!bytes) return "error: " + bytes.error().message();
    return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
  }

  std::vector<std::string> names(const std::string& name = "") {
    std::vector<std::string> found;
    const auto entries = files_.list(path(name));
    if (!entries) return {"error: " + entries.error().message()};
    for (const DirectoryEntry& entry : *entries) found.push_back(entry.name);
    return found;
  }

  int descriptors_before_ = open_descriptors();
  TemporaryDirectory directory_;
  FileSystem& files_ = posix_file_system();
};

// Files of this process end here, for as long as this lives.
class SizeLimit {
 public:
  explicit SizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }
  SizeLimit(const SizeLimit&) = delete;
  SizeLimit& operator=(const SizeLimit&) = delete;

 private:
  sighandler_t handler_;
  rlimit before_{};
};

TEST_F(PosixFileSystemTest, WhatDoesNotFitLeavesNothing) {
  ASSERT_TRUE(files_.make_directories(path("d")));
  ASSERT_TRUE(files_.replace(path("small"), bytes_of("old")));
  auto file = files_.create(path("file"), kFileSize, {});
  ASSERT_TRUE(file);
  const SizeLimit limit(kFileSize);
  EXPECT_EQ(files_.create(path("large"), kFileSize + 1, {}).error().os_errno, EFBIG);
  EXPECT_EQ(posix::create_aside(path("d/large"), kFileSize + 1, {}).error().os_errno, EFBIG);
  const std::vector<std::byte> large(kFileSize + 1, std::byte{'x'});
  EXPECT_EQ(files_.replace(path("small"), large).error().os_errno, EFBIG);
  EXPECT_EQ((*file)->write_at(0, large).error().os_errno, EFBIG);
  EXPECT_EQ((*file)->write_durable(kFileSize, bytes_of("x")).error().os_errno, EFBIG);
  EXPECT_EQ(text("small"), "old");
  EXPECT_THAT(names(), ElementsAre("d", "file", "small"));
  EXPECT_THAT(names("d"), IsEmpty());
}

// Without root's rights, for as long as this lives.
class AsNobody {
 public:
  AsNobody() : root_(::geteuid() == 0) {
    if (root_ && ::seteuid(65534) != 0) throw std::runtime_error("seteuid");
  }
  ~AsNobody() {
    if (root_ && ::seteuid(0) != 0) std::abort();
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  bool root_;
};

TEST_F(PosixFileSystemTest, WithoutTheRightNothingChanges) {
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  ASSERT_TRUE(files_.make_directories(path("theirs")));
  ASSERT_TRUE(files_.replace(path("theirs/a"), bytes_of("a")));
  ASSERT_EQ(::chmod(path("theirs/a").c_str(), 0444), 0);
  ASSERT_EQ(::chmod(path("theirs").c_str(), 0555), 0);
  {
    const AsNobody nobody;
    if (!files_.list(directory_.path())) GTEST_SKIP() << "the build directory is root's alone";
    const auto denied = [](const auto& outcome) {
      return !outcome && outcome.error().code == ErrorCode::permission_denied;
    };
    EXPECT_TRUE(denied(files_.create(path("theirs/b"), kFileSize, {})));
    EXPECT_TRUE(denied(files_.replace(path("theirs/a"), bytes_of("b"))));
    EXPECT_TRUE(denied(files_.open_for_write(path("theirs/a"))));
    EXPECT_TRUE(denied(files_.rename(path("theirs/a"), path("theirs/b"))));
    EXPECT_TRUE(denied(files_.remove(path("theirs/a"))));
    EXPECT_TRUE(denied(files_.make_directories(path("theirs/d"))));
    EXPECT_TRUE(denied(files_.lock(path("theirs/lock"))));
    EXPECT_EQ(text("theirs/a"), "a");
    EXPECT_TRUE(files_.make_directories(path("theirs")));  // which is there
  }
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0711), 0);
  {
    const AsNobody nobody;
    EXPECT_TRUE(files_.make_directories(path("theirs")));  // and in a directory that may not be read
  }
  EXPECT_THAT(names("theirs"), ElementsAre("a"));
  ASSERT_EQ(::chmod(path("theirs").c_str(), 0755), 0);
}

// Without root's capabilities linkat takes the way by /proc (before Linux 6.10).
TEST_F(PosixFileSystemTest, AnyUserCreatesUnnamedFiles) {
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  ASSERT_TRUE(files_.make_directories(path("ours")));
  ASSERT_EQ(::chmod(path("ours").c_str(), 0777), 0);
  {
    const AsNobody nobody;
    if (!files_.list(directory_.path())) GTEST_SKIP() << "the build directory is root's alone";
    const auto made = posix::create_unnamed(path("ours/a"), kFileSize, bytes_of("head"));
    EXPECT_TRUE(made) << made.error().message();
    EXPECT_EQ(posix::create_unnamed(path("ours/a"), kFileSize, {}).error().os_errno, EEXIST);
  }
  EXPECT_EQ(text("ours/a").substr(0, 5), std::string("head\0", 5));
  EXPECT_THAT(names("ours"), ElementsAre("a"));
}

TEST_F(PosixFileSystemTest, FilesAreAllocated) {
  ASSERT_TRUE(files_.create(path("a"), 1 << 20, {}));
  struct stat status{};
  ASSERT_EQ(::stat(path("a").c_str(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, 1 << 20);
}

TEST_F(PosixFileSystemTest, AsideIsBesideTheDirectoryAndUsedUp) {
  ASSERT_TRUE(files_.make_directories(path("commitlog")));
  const std::string left = ".commitlog.00000000000000000000.new";
  ASSERT_TRUE(files_.replace(path(left), bytes_of("left by a kill")));
  ASSERT_TRUE(posix::create_aside(path("commitlog/00000000000000000000"), kFileSize, bytes_of("head")));
  EXPECT_EQ(text("commitlog/00000000000000000000"), "head" + std::string(kFileSize - 4, '\0'));
  EXPECT_THAT(names(), ElementsAre("commitlog"));
  EXPECT_EQ(posix::create_aside(path("commitlog/00000000000000000000"), 1, {}).error().os_errno, EEXIST);
  EXPECT_THAT(names(), ElementsAre("commitlog"));
  EXPECT_THAT(names("commitlog"), ElementsAre("00000000000000000000"));
}

TEST_F(PosixFileSystemTest, AReplacedFileKeepsModeAndOwner) {
  ASSERT_TRUE(files_.replace(path("a"), bytes_of("old")));
  ASSERT_EQ(::chmod(path("a").c_str(), 0640), 0);
  const bool root = ::geteuid() == 0;
  if (root) {
    ASSERT_EQ(::chown(path("a").c_str(), 65534, 65533), 0);
  }
  ASSERT_EQ(::symlink("a", path("link").c_str()), 0);
  ASSERT_TRUE(files_.replace(path("link"), bytes_of("new")));
  struct stat status{};
  ASSERT_EQ(::lstat(path("link").c_str(), &status), 0);
  EXPECT_TRUE(S_ISLNK(status.st_mode));
  ASSERT_EQ(::lstat(path("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U);
  if (root) {
    EXPECT_EQ(status.st_uid, 65534U);
  }
  if (root) {
    EXPECT_EQ(status.st_gid, 65533U);
  }
  EXPECT_EQ(text("a"), "new");
  EXPECT_THAT(names(), ElementsAre("a", "link"));
}

TEST_F(PosixFileSystemTest, AFifoIsNoFileAndDoesNotWait) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(files_.open(path("fifo")));
  EXPECT_FALSE(files_.open_for_write(path("fifo")));
}

// A child of this process, and a pipe on which it says how far it is.
class Child {
 public:
  template <class Run>
  explicit Child(Run run) {
    int ends[2] = {};
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    number_ = ::fork();
    if (number_ == 0) {
      ::close(ends[0]);
      run([&] { return ::write(ends[1], "+", 1) == 1; });
      ::_exit(0);
    }
    ::close(ends[1]);
    from_ = ends[0];
  }
  ~Child() {
    kill();
    ::close(from_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t number() const { return number_; }
  bool wait_for_word() const {
    char word = 0;
    return ::read(from_, &word, 1) == 1;
  }
  void kill() {
    if (number_ <= 0) return;
    ::kill(number_, SIGKILL);
    ::waitpid(number_, nullptr, 0);
    number_ = 0;
  }

 private:
  pid_t number_ = 0;
  int from_ = -1;
};

void wait_for_ever() {
  for (;;) ::pause();
}

// FileChannel.tryLock is a record lock of the process.
TEST_F(PosixFileSystemTest, ABrokersLockIsSeenAndTheBrokerNamed) {
  Child broker([&](auto say) {
    const int descriptor = ::open(path("lock").c_str(), O_RDWR | O_CREAT, 0644);
    struct flock range{};
    range.l_type = F_WRLCK;
    range.l_len = 1;
    if (::fcntl(descriptor, F_SETLK, &range) == 0) say();
    wait_for_ever();
  });
  ASSERT_TRUE(broker.wait_for_word());
  const auto lock = files_.lock(path("lock"));
  ASSERT_FALSE(lock);
  EXPECT_EQ(lock.error().code, ErrorCode::wrong_use);
  EXPECT_THAT(lock.error().message(), HasSubstr("process " + std::to_string(broker.number())));
  broker.kill();
  EXPECT_TRUE(files_.lock(path("lock")));
}

TEST_F(PosixFileSystemTest, ABrokerSeesOurLockAndTheKernelFreesIt) {
  Child child([&](auto say) {
    const auto lock = files_.lock(path("lock"));
    if (lock) say();
    wait_for_ever();
  });
  ASSERT_TRUE(child.wait_for_word());
  const posix::Descriptor descriptor(::open(path("lock").c_str(), O_RDWR | O_CLOEXEC));
  struct flock range{};
  range.l_type = F_WRLCK;
  range.l_len = 1;
  EXPECT_EQ(::fcntl(descriptor.number(), F_SETLK, &range), -1);
  const auto ours = files_.lock(path("lock"));
  ASSERT_FALSE(ours);
  EXPECT_EQ(ours.error().code, ErrorCode::wrong_use);
  child.kill();
  EXPECT_EQ(::fcntl(descriptor.number(), F_SETLK, &range), 0);
}

// What a broker would find after kill -9: whole files, and nothing else where every file counts.
TEST_F(PosixFileSystemTest, AKillLeavesWholeFiles) {
  constexpr int kRounds = 8;
  for (const bool unnamed : {true, false}) {
    for (int round = 0; round < kRounds; ++round) {
      const std::string root = path(std::to_string(round) + (unnamed ? "u" : "a"));
      ASSERT_TRUE(files_.make_directories(root + "/commitlog"));
      Child child([&](auto say) {
        for (int number = 0; say(); ++number) {
          const std::string file = root + "/commitlog/" + std::to_string(number);
          if (!(unnamed ? posix::create_unnamed : posix::create_aside)(file, kFileSize, bytes_of("head")))
            return;
        }
      });
      for (int words = 0; words <= 3 + round; ++words) ASSERT_TRUE(child.wait_for_word());
      child.kill();
      const auto entries = files_.list(root + "/commitlog");
      ASSERT_TRUE(entries);
      EXPECT_GE(entries->size(), static_cast<std::size_t>(3 + round));
      for (const DirectoryEntry& entry : *entries) {
        EXPECT_EQ(entry.size, kFileSize);
        const auto bytes = read_all(files_, root + "/commitlog/" + entry.name, kFileSize);
        ASSERT_TRUE(bytes);
        EXPECT_EQ(std::memcmp(bytes->data(), "head", 4), 0);
      }
      const auto beside = files_.list(root);
      ASSERT_TRUE(beside);
      EXPECT_LE(beside->size(), unnamed ? 1U : 2U);
    }
  }
}

volatile sig_atomic_t signals = 0;

TEST_F(PosixFileSystemTest, SignalsInterruptNothing) {
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = [](int) { signals = signals + 1; };  // and no SA_RESTART
  ASSERT_EQ(::sigaction(SIGALRM, &action, &before), 0);
  const itimerval often{{0, 300}, {0, 300}};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
  std::vector<std::byte> bytes(1 << 20, std::byte{'x'});
  std::vector<std::string> faults;
  const auto expect = [&](const auto& outcome) {
    if (!outcome) faults.push_back(outcome.error().message());
  };
  for (int round = 0; round < 10 || (signals < 50 && round < 1000); ++round) {
    const std::string name = path(std::to_string(round));
    auto file = files_.create(name, 4 << 20, bytes);
    expect(file);
    if (!file) break;
    expect((*file)->write_at(1 << 20, bytes));
    expect((*file)->write_durable(2 << 20, bytes));
    expect((*file)->sync());
    expect((*file)->read_at(0, bytes));
    auto map = (*file)->map(0, 4 << 20);
    expect(map);
    if (map) (*map)->populate(0, 4 << 20);
    if (map) expect((*map)->sync(0, 4 << 20));
    expect(files_.replace(path("small"), bytes));
    expect(files_.lock(path("lock")));
    expect(files_.remove(name));
  }
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
  EXPECT_THAT(faults, IsEmpty());
  EXPECT_GE(signals, 50);
}

}  // namespace
}  // namespace rmq::io
