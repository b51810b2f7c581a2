// What a caller is told when the disk fails, and what is left: a status, a store that can be opened again,
// and every message that was acknowledged.
#include <gmock/gmock.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>

#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/mapped_file_name.h"
#include "tests/engine/simulated_store.h"

namespace rmq::engine {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class FaultTest : public testing::SimulatedStoreTest, public ::testing::WithParamInterface<FlushDiskType> {
 protected:
  FaultTest() { options_.flush = GetParam(); }
  [[nodiscard]] bool is_sync() const { return GetParam() == FlushDiskType::sync_flush; }
  // One message and now and then a round of the store's work; what comes of it.
  PutStatus put_one() {
    const PutResult result = put("Orders", "k" + std::to_string(++number_), 0, 700);
    if (result.ok()) acknowledged_.push_back(result);
    move_clock(1000);
    if (number_ % 8 == 0) (void)store_->work();
    return result.status;
  }
  void put_until(PutStatus wanted) {
    for (int i = 0; i < 200; ++i)
      if (put_one() == wanted) return;
    FAIL() << "never " << to_string(wanted);
  }
  void expect_acknowledged() {
    for (const PutResult& one : acknowledged_) EXPECT_EQ(got("Orders", one.queue_offset), GetStatus::found);
  }
  void expect_all_is_well_after_a_restart() {
    kill();
    ASSERT_TRUE(store_);
    expect_acknowledged();
    EXPECT_EQ(put_one(), PutStatus::put_ok);
    expect_acknowledged();
    expect_clean();
  }
  std::vector<PutResult> acknowledged_;
};

INSTANTIATE_TEST_SUITE_P(FlushDiskType, FaultTest,
                         ::testing::Values(FlushDiskType::async_flush, FlushDiskType::sync_flush),
                         [](const auto& type) {
                           return type.param == FlushDiskType::async_flush ? "async" : "sync";
                         });

// A power loss may keep the page of a later unit and lose the one before. The queue ends before the hole, and
// what stands behind it does not come back when the hole is filled.
TEST_P(FaultTest, AUnitBehindAHoleOfItsQueueIsGone) {
  open();
  for (int i = 0; i < 4; ++i) ASSERT_EQ(put_one(), PutStatus::put_ok);
  ASSERT_TRUE(store_->flush());
  const std::string path = "/store/consumequeue/Orders/0/" + format::mapped_file_name(0);
  {
    const auto file = files_.open_for_write(path);
    ASSERT_TRUE(file);
    std::array<std::byte, 20> unit{};
    format::ConsumeQueueEntry{12345, 700, 0}.store(unit.data());
    ASSERT_TRUE((*file)->write_at(20 * 5, unit));
  }
  kill();
  ASSERT_TRUE(store_);
  EXPECT_EQ(store_->max_offset("Orders", 0), 4);
  EXPECT_EQ(put_one(), PutStatus::put_ok);
  ASSERT_TRUE(store_->close());
  open();
  EXPECT_EQ(store_->max_offset("Orders", 0), 5);
  expect_acknowledged();
  expect_clean();
}

struct Fault {
  const char* name;
  std::function<void(rmq::testing::SimulatedFileSystem&)> begin;
  std::function<void(rmq::testing::SimulatedFileSystem&)> end;
  PutStatus told;      // to puts, once they meet it
  bool heals;          // by itself, when it has ended; else when the store is opened again
  const char* reason;  // in why_not_writable()
};

TEST_P(FaultTest, PutsAreToldAndReadsGoOn) {
  using Files = rmq::testing::SimulatedFileSystem;
  const std::string log = "/store/commitlog/00000000000000000000";
  const Fault faults[] = {
      {"disk full", [](Files& files) { files.set_capacity(files.space("/")->used); },
       [](Files& files) { files.set_capacity(1 << 30); }, PutStatus::create_mapped_file_failed, true, ""},
      {"syncs fail", [](Files& files) { files.fail_syncs(EIO); }, [](Files& files) { files.fail_syncs(0); },
       PutStatus::service_not_available, false, "syncing"},
      {"log file removed", [&](Files& files) { files.remove_beneath(log); }, [](Files&) {},
       PutStatus::service_not_available, false, "00000000000000000000 was removed"},
  };
  for (const Fault& fault : faults) {
    SCOPED_TRACE(fault.name);
    open();
    for (int i = 0; i < 10; ++i) ASSERT_EQ(put_one(), PutStatus::put_ok);
    fault.begin(files_);
    put_until(fault.told);
    EXPECT_THAT(store_->why_not_writable(), HasSubstr(fault.reason));
    const bool is_there = exists(log);
    if (is_there) expect_acknowledged();
    fault.end(files_);
    EXPECT_EQ(put_one(), fault.heals ? PutStatus::put_ok : PutStatus::service_not_available);
    if (!is_there) break;  // nothing is left to be opened again
    if (is_sync() || fault.heals) {
      expect_all_is_well_after_a_restart();
    } else {
      // Async flush promises what the process wrote, not what the disk dropped: the store opens, or says why
      // not.
      kill();
    }
    files_.remove_beneath("/store");
    acknowledged_.clear();
  }
}

// Each call that changes something fails once, in each way.
TEST_P(FaultTest, WhicheverCallFails) {
  for (const int fault : {EIO, EACCES, ENOSPC, ENOENT}) {
    for (std::uint64_t call = 1; call <= 70; ++call) {
      SCOPED_TRACE(std::string(std::strerror(fault)) + " at call " + std::to_string(call));
      store_.reset();
      if (exists("/store")) files_.remove_beneath("/store");
      acknowledged_.clear();
      open();
      for (int i = 0; i < 5; ++i) ASSERT_EQ(put_one(), PutStatus::put_ok);
      files_.fail_call(call, fault);
      for (int i = 0; i < 40; ++i) {
        ASSERT_THAT(put_one(), AnyOf(PutStatus::put_ok, PutStatus::create_mapped_file_failed,
                                     PutStatus::service_not_available, PutStatus::flush_disk_timeout));
      }
      (void)store_->flush();
      expect_acknowledged();
      files_.fail_call(UINT64_MAX / 2, 0);
      expect_all_is_well_after_a_restart();
      if (HasFailure()) return;
    }
  }
}

// A read that fails is an error of that call, and nothing else.
TEST_P(FaultTest, ReadsThatFail) {
  open();
  for (int i = 0; i < 60; ++i) ASSERT_EQ(put_one(), PutStatus::put_ok);
  ASSERT_TRUE(store_->flush());
  open();
  const std::function<bool()> reads[] = {
      [&] { return store_->get("Orders", 0, 3).has_value(); },
      [&] { return store_->look_up(acknowledged_[5].log_offset).has_value(); },
      [&] { return store_->query("Orders", "k7").has_value(); },
      [&] { return store_->offset_by_time("Orders", 0, acknowledged_[20].store_timestamp).has_value(); },
      [&] { return store_->store_time("Orders", 0, 9).has_value(); },
      [&] { return store_->earliest_store_time().has_value(); },
  };
  for (const auto& read : reads) {
    ASSERT_TRUE(read());
    const std::uint64_t before = files_.reads();
    ASSERT_TRUE(read());
    const std::uint64_t calls = files_.reads() - before;
    EXPECT_GT(calls, 0U);
    for (std::uint64_t call = 1; call <= calls; ++call) {
      files_.fail_read(call, EIO);
      EXPECT_FALSE(read()) << call << " of " << calls;
    }
    EXPECT_TRUE(read());
  }
  EXPECT_EQ(put_one(), PutStatus::put_ok);
  expect_acknowledged();
  expect_clean();
}

// A queue's file that somebody removed: the flush says so, and the queue is made again at the next start.
TEST_P(FaultTest, AQueueFileRemovedBeneath) {
  open();
  for (int i = 0; i < 5; ++i) ASSERT_EQ(put_one(), PutStatus::put_ok);
  ASSERT_TRUE(store_->flush());
  files_.remove_beneath("/store/consumequeue/Orders");
  ASSERT_EQ(put_one(), PutStatus::put_ok);
  const Status flushed = store_->flush();
  ASSERT_FALSE(flushed);
  EXPECT_THAT(flushed.error().message(), HasSubstr("/store/consumequeue/Orders/0"));
  options_.check = recovery::Depth::full;
  kill();
  expect_acknowledged();
  expect_clean();
}

class PathsTest : public testing::SimulatedStoreTest {};

// MultiPathMappedFileQueue: files take turns over the directories in the order of their names.
TEST_F(PathsTest, SeveralCommitLogPaths) {
  options_.config.commit_log_directories = {"/disk2/log", "/disk1/log", "/disk3/old"};
  options_.config.read_only_commit_log_directories = {"/disk3/old"};
  options_.flush = FlushDiskType::sync_flush;
  options_.retention.emplace();
  options_.retention->file_reserved_hours = 1;
  open();
  const auto puts = put_some("Orders", 150);
  EXPECT_TRUE(exists("/disk1/log/" + std::string(20, '0')));
  EXPECT_TRUE(exists("/disk2/log/00000000000000016384"));
  EXPECT_TRUE(exists("/disk1/log/00000000000000032768"));
  EXPECT_TRUE(names("/disk3/old").empty());
  kill();
  for (const PutResult& one : puts) EXPECT_EQ(got("Orders", one.queue_offset), GetStatus::found);
  EXPECT_TRUE(put("Orders", "next").ok());
  const std::size_t before = names("/disk1/log").size() + names("/disk2/log").size();
  ASSERT_TRUE(store_->flush());
  move_clock(2 * testing::kHour);
  store_->delete_expired_files();
  const auto cleaned = store_->clean();
  ASSERT_TRUE(cleaned);
  EXPECT_GT(cleaned->log_files, 3);
  EXPECT_EQ(names("/disk1/log").size() + names("/disk2/log").size(),
            before - static_cast<std::size_t>(cleaned->log_files));
  expect_clean();
}

TEST_F(PathsTest, NearlyFullDisksGetNoNewFileUnlessAllAreFull) {
  CommitLogOptions log_options;
  log_options.directories = {"/a", "/b", "/c"};
  log_options.file_size = 4096;
  for (const std::string& directory : log_options.directories)
    ASSERT_TRUE(files_.make_directories(directory));
  const auto opened = CommitLog::open(files_, log_options, {}, 0);
  ASSERT_TRUE(opened);
  const auto next_file = [&] {
    const auto extent = (*opened)->reserve(4000);
    EXPECT_TRUE(extent);
    (*opened)->complete(*extent);
    for (const char* directory : {"/a", "/b", "/c"})
      if (!names(directory).empty() && std::stoll(names(directory).back()) == extent->offset)
        return directory[1];
    return '?';
  };
  EXPECT_EQ(next_file(), 'a');
  EXPECT_EQ(next_file(), 'b');
  (*opened)->avoid({"/c"});
  EXPECT_EQ(next_file(), 'a');  // number 2 of two
  EXPECT_EQ(next_file(), 'b');
  (*opened)->avoid({"/a", "/b", "/c"});
  EXPECT_EQ(next_file(), 'b');  // number 4 of three
  (*opened)->avoid({});
  EXPECT_EQ(next_file(), 'c');
}

}  // namespace
}  // namespace rmq::engine
