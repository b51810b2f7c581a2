#include "libstore/derive/index_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "libstore/format/mapped_file_name.h"
#include "libstore/testing/simulated_file_system.h"

namespace rmq::derive {
namespace {

using rmq::testing::SimulatedFileSystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int32_t kSlots = 7;
constexpr std::int32_t kEntries = 10;  // nine keys a file
constexpr std::int64_t kStart = 1'700'000'000'000;

DispatchRequest message(std::int64_t log_offset, std::string_view keys) {
  DispatchRequest request;
  request.topic = "T";
  request.size = 100;
  request.log_offset = log_offset;
  request.store_timestamp = kStart + log_offset * 10;
  request.keys = keys;
  return request;
}

std::int32_t hash(std::string_view key) { return format::index_key_hash("T", key); }

class IndexWriterTest : public ::testing::Test {
 protected:
  IndexWriterOptions options() {
    IndexWriterOptions options;
    options.directory = "/store/index";
    options.slots = kSlots;
    options.entries = kEntries;
    options.local_time_ms = [this] { return now_; };
    return options;
  }
  std::vector<scan::IndexFileInfo> existing() {
    std::vector<scan::IndexFileInfo> found;
    const auto entries = disk_.list("/store/index");
    if (!entries) return found;
    for (const io::DirectoryEntry& entry : *entries) {
      scan::IndexFileInfo info;
      info.name = entry.name;
      info.path = info.shown = "/store/index/" + entry.name;
      info.size = entry.size;
      info.stamp = *format::parse_index_file_name(entry.name);
      found.push_back(info);
    }
    return found;
  }
  std::unique_ptr<IndexWriter> open() {
    auto writer = IndexWriter::open(disk_, options(), existing());
    EXPECT_TRUE(writer) << writer.error().message();
    return writer ? *std::move(writer) : nullptr;
  }
  static IndexWriter::PutReport put(IndexWriter& writer, const std::vector<DispatchRequest>& messages) {
    IndexBatch batch;
    for (const DispatchRequest& each : messages) batch.add(each);
    return writer.put(batch);
  }
  void remove_all() {
    if (disk_.stat("/store")) disk_.remove_beneath("/store");
  }
  std::vector<std::byte> bytes(std::size_t file) {
    return *io::read_all(disk_, existing().at(file).path, 1 << 20);
  }
  format::IndexHeader header(std::size_t file) { return *format::IndexHeader::parse(bytes(file)); }
  std::vector<format::IndexEntry> entries(std::size_t file) {
    const auto all = bytes(file);
    std::vector<format::IndexEntry> found;
    for (std::int32_t i = 1; i < header(file).index_count; ++i)
      found.push_back(format::IndexEntry::load(all.data() + format::index_entry_position(kSlots, i)));
    return found;
  }
  // Log offsets that a look-up of the key comes to, newest first.
  std::vector<std::int64_t> look_up(std::string_view key) {
    std::vector<std::int64_t> found;
    for (std::size_t file = existing().size(); file-- > 0;) {
      const auto all = bytes(file);
      const std::int32_t count = header(file).index_count;
      std::int32_t number =
          load_be<std::int32_t>(all.data() + format::index_slot_position(hash(key) % kSlots));
      if (number > count) continue;
      while (number > 0) {
        const auto entry =
            format::IndexEntry::load(all.data() + format::index_entry_position(kSlots, number));
        if (entry.key_hash == hash(key) && number < count) found.push_back(entry.phy_offset);
        if (entry.prev_index == number || entry.prev_index > count) break;
        number = entry.prev_index;
      }
    }
    return found;
  }

  SimulatedFileSystem disk_{1};
  std::int64_t now_ = 1'735'689'599'999;  // 2024-12-31 23:59:59.999
};

TEST_F(IndexWriterTest, FilesAreNamedByTheTimeAndNeverTwice) {
  const auto writer = open();
  EXPECT_THAT(existing(), IsEmpty());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(put(*writer, {message(i * 100, "k")}).status);
  now_ -= 3'600'000;  // the end of summer time
  for (int i = 30; i < 40; ++i) ASSERT_TRUE(put(*writer, {message(i * 100, "k")}).status);
  std::vector<std::string> names;
  for (const auto& file : existing()) names.push_back(file.name);
  EXPECT_THAT(names, ElementsAre("20241231235959999", "20241231235960000", "20241231235960001",
                                 "20241231235960002", "20241231235960003"));
  EXPECT_EQ(writer->created().size(), 5U);
}

TEST_F(IndexWriterTest, TheFirstMessageMakesAFileWhateverItIs) {
  const auto writer = open();
  DispatchRequest rollback = message(0, "k");
  rollback.sys_flag = format::kSysFlagTransactionRollback;
  EXPECT_EQ(put(*writer, {rollback}).keys, 0);
  ASSERT_THAT(existing(), SizeIs(1));
  EXPECT_EQ(header(0), format::IndexHeader());
}

TEST_F(IndexWriterTest, AFullFileIsFollowedWithTheNextMessage) {
  const auto writer = open();
  for (int i = 1; i <= 9; ++i) ASSERT_TRUE(put(*writer, {message(i * 100, "k")}).status);
  ASSERT_THAT(existing(), SizeIs(1));
  EXPECT_EQ(header(0).index_count, kEntries);
  ASSERT_TRUE(put(*writer, {message(1000, "")}).status);
  ASSERT_THAT(existing(), SizeIs(2));
  const format::IndexHeader second = header(1);
  EXPECT_EQ(second.begin_phy_offset, 900);
  EXPECT_EQ(second.end_phy_offset, 900);
  EXPECT_EQ(second.begin_timestamp, kStart + 9000);
  EXPECT_EQ(second.end_timestamp, kStart + 9000);
  EXPECT_EQ(second.index_count, 1);
  // The first entry's time still counts from there; then the file begins with its message.
  ASSERT_TRUE(put(*writer, {message(1200, "k")}).status);
  EXPECT_EQ(entries(1)[0].time_diff_seconds, 3);
  EXPECT_EQ(header(1).begin_phy_offset, 1200);
  EXPECT_EQ(header(1).begin_timestamp, kStart + 12000);
}

TEST_F(IndexWriterTest, WhatLiesBelowTheEndIsNotPutAgain) {
  const auto writer = open();
  ASSERT_TRUE(put(*writer, {message(100, "a"), message(200, "b"), message(300, "c")}).status);
  EXPECT_EQ(put(*writer, {message(100, "a"), message(200, "b")}).keys, 0);
  EXPECT_EQ(put(*writer, {message(300, "c")}).keys, 0);
  EXPECT_THAT(entries(0), SizeIs(3));
}

TEST_F(IndexWriterTest, TheSameKeyTwiceInAMessageIsTwoEntries) {
  const auto writer = open();
  DispatchRequest twice = message(100, "a a");
  twice.uniq_key = "a";
  EXPECT_EQ(put(*writer, {twice}).keys, 3);
  EXPECT_THAT(look_up("a"), ElementsAre(100, 100, 100));
}

TEST_F(IndexWriterTest, GoesOnWhereTheNewestFileEnds) {
  std::vector<DispatchRequest> messages;
  for (int i = 1; i <= 25; ++i) messages.push_back(message(i * 100, i % 2 == 0 ? "even all" : "odd all"));
  for (std::size_t stop = 0; stop <= messages.size(); ++stop) {
    remove_all();
    ASSERT_TRUE(
        put(*open(), {messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(stop)}).status);
    ++now_;
    ASSERT_TRUE(put(*open(), messages).status);
    ASSERT_THAT(look_up("all"), SizeIs(25)) << stop;
    ASSERT_THAT(look_up("even"), SizeIs(12)) << stop;
    ASSERT_THAT(existing(), SizeIs(6));
  }
}

// A process may be killed between any two keys of a message.
TEST_F(IndexWriterTest, AMessageThatIsThereInPartIsCompleted) {
  for (int before = 0; before < 9; ++before) {
    for (int there = 0; there <= 4; ++there) {
      SCOPED_TRACE(std::to_string(before) + " keys, then " + std::to_string(there) + " of 4");
      remove_all();
      const char* parts[] = {"", "w", "w x", "w x y", "w x y z"};
      {
        const auto writer = open();
        for (int i = 0; i < before; ++i) ASSERT_TRUE(put(*writer, {message(i, "k")}).status);
        ASSERT_TRUE(put(*writer, {message(100, parts[there])}).status);
      }
      ++now_;
      const auto writer = open();
      const auto report = put(*writer, {message(100, parts[4]), message(200, "w")});
      ASSERT_TRUE(report.status);
      EXPECT_EQ(report.keys, 4 - there + 1);
      EXPECT_THAT(look_up("w"), ElementsAre(200, 100));
      EXPECT_THAT(look_up("z"), ElementsAre(100));
      EXPECT_THAT(look_up("k"), SizeIs(static_cast<std::size_t>(before)));
    }
  }
}

// It may also be killed behind the slot: the chain must not lead to itself.
TEST_F(IndexWriterTest, ASlotThatLeadsBehindTheEndIsTakenBack) {
  ASSERT_TRUE(put(*open(), {message(100, "k"), message(200, "k"), message(300, "k")}).status);
  auto file = bytes(0);
  auto torn = header(0);
  torn.index_count = 3;
  torn.end_phy_offset = 200;
  torn.store(file.data());
  disk_.put(existing()[0].path, file);
  ASSERT_TRUE(put(*open(), {message(200, "k"), message(300, "k"), message(400, "k")}).status);
  EXPECT_THAT(look_up("k"), ElementsAre(400, 300, 200, 100));
}

TEST_F(IndexWriterTest, AFullDiskStopsPuttingUntilThereIsRoom) {
  const auto writer = open();
  std::vector<DispatchRequest> messages;
  for (int i = 1; i <= 5; ++i) messages.push_back(message(i * 100, "a b c d"));
  disk_.set_capacity(2 * 4096);
  const auto report = put(*writer, messages);
  ASSERT_FALSE(report.status);
  EXPECT_EQ(report.status.error().os_errno, ENOSPC);
  EXPECT_EQ(report.taken, 4U);
  EXPECT_EQ(report.keys, 18);
  disk_.set_capacity(1 << 20);
  ++now_;
  EXPECT_EQ(put(*writer, {messages[4]}).keys, 2);
  for (const char* key : {"a", "b", "c", "d"}) EXPECT_THAT(look_up(key), SizeIs(5));
}

TEST_F(IndexWriterTest, ClaimsWhatIsSynced) {
  const auto writer = open();
  std::vector<DispatchRequest> messages;
  for (int i = 1; i <= 12; ++i) messages.push_back(message(i * 100, "k"));
  ASSERT_TRUE(put(*writer, messages).status);
  EXPECT_EQ(writer->durable().log_offset, 0);
  EXPECT_EQ(writer->sealed_timestamp(), 0);
  ASSERT_TRUE(writer->sync_sealed());
  EXPECT_EQ(writer->sealed_timestamp(), kStart + 9000);
  EXPECT_EQ(writer->durable().log_offset, 0);
  ASSERT_TRUE(writer->sync());
  EXPECT_EQ(writer->durable().log_offset, 1300);
  EXPECT_EQ(writer->durable().store_timestamp, kStart + 12000);
  ASSERT_TRUE(put(*writer, {message(1300, "k")}).status);
  disk_.lose_power(SimulatedFileSystem::Unsynced::lost);
  disk_.restart();
  EXPECT_THAT(look_up("k"), SizeIs(12));
}

TEST_F(IndexWriterTest, AFailedSyncIsFinal) {
  const auto writer = open();
  ASSERT_TRUE(put(*writer, {message(100, "k")}).status);
  disk_.fail_syncs(EIO);
  EXPECT_EQ(writer->sync().error().os_errno, EIO);
  disk_.fail_syncs(0);
  EXPECT_FALSE(writer->sync());
  EXPECT_FALSE(put(*writer, {message(200, "k")}).status);
  EXPECT_EQ(writer->durable().log_offset, 0);
}

TEST_F(IndexWriterTest, FilesOfAnotherSizeAreRefused) {
  disk_.put("/store/index/20240101000000000", std::vector<std::byte>(100));
  const auto writer = IndexWriter::open(disk_, options(), existing());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, ErrorCode::wrong_use);
}

TEST_F(IndexWriterTest, WildNumbersInAFileDoNoHarm) {
  std::mt19937_64 random(11);
  ASSERT_TRUE(put(*open(), {message(100, "a b c"), message(200, "d")}).status);
  const auto good = bytes(0);
  const std::string path = existing()[0].path;
  for (int round = 0; round < 300; ++round) {
    remove_all();
    auto bad = good;
    for (int i = 0; i < 8; ++i) bad[random() % bad.size()] = static_cast<std::byte>(random());
    disk_.put(path, bad);
    const auto writer = open();
    ASSERT_TRUE(writer);
    for (int i = 3; i < 20; ++i) ASSERT_TRUE(put(*writer, {message(i * 100, "k a")}).status);
  }
}

TEST_F(IndexWriterTest, SyncsBesideTheDispatcher) {
  const auto writer = open();
  std::atomic<bool> over{false};
  std::atomic<int> wrong{0};
  {
    const std::jthread syncer([&] {
      while (!over) {
        if (!writer->sync()) ++wrong;
        if (writer->sealed_timestamp() > kStart + 10'000'000) ++wrong;
      }
    });
    for (int i = 1; i <= 2000; ++i) {
      if (!put(*writer, {message(i * 100, "k l")}).status) ++wrong;
    }
    over = true;
  }
  EXPECT_EQ(wrong, 0);
  ASSERT_TRUE(writer->sync());
  EXPECT_EQ(writer->durable().log_offset, 200'100);
  EXPECT_THAT(look_up("k"), SizeIs(2000));
}

}  // namespace
}  // namespace rmq::derive
