// Puts that are answered later: in order, each once, and only when the disk has them.
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "libstore/engine/message_store.h"
#include "libstore/testing/simulated_file_system.h"

namespace rmq::engine {
namespace {

using ::rmq::testing::SimulatedFileSystem;

StoreOptions options_with(FlushDiskType flush, bool background) {
  StoreOptions options;
  options.config.root = "/store";
  options.config.commit_log_file_size = 64 << 10;
  options.config.consume_queue_file_size = 20 * 100;
  options.config.message_index_enable = false;
  options.flush = flush;
  options.background = background;
  return options;
}

std::unique_ptr<MessageStore> open(SimulatedFileSystem& files, const StoreOptions& options) {
  auto store = MessageStore::open(files, options);
  if (!store) {
    ADD_FAILURE() << store.error().message();
    return nullptr;
  }
  return std::move(*store);
}

format::MessageView message() {
  static constexpr std::array<std::byte, 4> kHost{};
  static const std::string body(700, 'b');
  format::MessageView view;
  view.topic = "Orders";
  view.body = as_bytes(body);
  view.born_host = view.store_host = {kHost, 1};
  return view;
}

// The answers as they come.
class Answers {
 public:
  PutDone take() {
    return [this](std::span<const PutResult> results) {
      const std::lock_guard lock(mutex_);
      all_.insert(all_.end(), results.begin(), results.end());
    };
  }
  [[nodiscard]] std::vector<PutResult> all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<PutResult> all_;
};

TEST(PutAsync, AsyncFlushAnswersAtOnce) {
  SimulatedFileSystem files(1);
  const auto store = open(files, options_with(FlushDiskType::async_flush, false));
  ASSERT_TRUE(store);
  Answers answers;
  store->put_async(std::vector(3, message()), answers.take());
  const auto all = answers.all();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_TRUE(std::ranges::all_of(all, &PutResult::ok));
  EXPECT_EQ(all[2].queue_offset, 2);
}

TEST(PutAsync, SyncFlushAnswersWhenTheDiskHasIt) {
  SimulatedFileSystem files(2);
  auto store = open(files, options_with(FlushDiskType::sync_flush, false));
  ASSERT_TRUE(store);
  Answers answers;
  for (int i = 0; i < 5; ++i) store->put_async(std::vector(2, message()), answers.take());
  EXPECT_TRUE(answers.all().empty());
  ASSERT_TRUE(store->work());
  EXPECT_EQ(answers.all().size(), 10U);
  files.lose_power(SimulatedFileSystem::Unsynced::lost);
  store.reset();
  files.restart();
  store = open(files, options_with(FlushDiskType::sync_flush, false));
  ASSERT_TRUE(store);
  EXPECT_EQ(store->max_offset("Orders", 0), 10);
}

TEST(PutAsync, WhatIsNoMessageIsAnsweredAtOnce) {
  SimulatedFileSystem files(3);
  const auto store = open(files, options_with(FlushDiskType::sync_flush, false));
  ASSERT_TRUE(store);
  Answers answers;
  store->put_async(std::vector(1, format::MessageView{}), answers.take());
  ASSERT_EQ(answers.all().size(), 1U);
  EXPECT_EQ(answers.all().front().status, PutStatus::message_illegal);
}

TEST(PutAsync, AFailedSyncIsToldToAllWhoWait) {
  SimulatedFileSystem files(4);
  const auto store = open(files, options_with(FlushDiskType::sync_flush, false));
  ASSERT_TRUE(store);
  Answers answers;
  store->put_async(std::vector(1, message()), answers.take());
  store->put_async(std::vector(1, message()), answers.take());
  files.fail_syncs(EIO);
  EXPECT_FALSE(store->work());
  const auto all = answers.all();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].status, PutStatus::flush_disk_timeout);
  EXPECT_EQ(all[1].status, PutStatus::flush_disk_timeout);
  EXPECT_EQ(store->put(message()).status, PutStatus::service_not_available);
}

TEST(PutAsync, ManyPutsAtOnceAreEachForItself) {
  SimulatedFileSystem files(6);
  const auto store = open(files, options_with(FlushDiskType::async_flush, false));
  ASSERT_TRUE(store);
  Answers answers;
  std::vector<format::MessageView> messages(6, message());
  messages[2].queue_id = -1;  // spoils the put of 1 to 3
  const std::vector<std::size_t> ends{1, 4, 5, 6};
  store->put_async(messages, ends, Acknowledge::when_promised, answers.take());
  const auto all = answers.all();
  ASSERT_EQ(all.size(), 6U);
  std::vector<PutStatus> statuses;
  for (const PutResult& one : all) statuses.push_back(one.status);
  constexpr PutStatus kIllegal = PutStatus::message_illegal;
  EXPECT_EQ(statuses, (std::vector{PutStatus::put_ok, kIllegal, kIllegal, kIllegal, PutStatus::put_ok,
                                   PutStatus::put_ok}));
  EXPECT_EQ(all[4].queue_offset, 1);
  EXPECT_EQ(all[5].queue_offset, 2);
  EXPECT_EQ(all[4].log_offset, all[0].log_offset + all[0].size);
  EXPECT_EQ(all[5].log_offset, all[4].log_offset + all[4].size);
  EXPECT_EQ(store->max_offset("Orders", 0), 3);
}

// More than a file holds, and one that no file holds: it alone is refused.
TEST(PutAsync, ManyPutsAtOnceGoOverTheEndOfAFile) {
  SimulatedFileSystem files(7);
  auto options = options_with(FlushDiskType::async_flush, false);
  options.config.commit_log_file_size = 4096;
  const auto store = open(files, options);
  ASSERT_TRUE(store);
  Answers answers;
  static const std::string large(5000, 'l');
  std::vector<format::MessageView> messages(20, message());
  messages[7].body = as_bytes(large);
  std::vector<std::size_t> ends;
  for (std::size_t i = 1; i <= messages.size(); ++i) ends.push_back(i);
  store->put_async(messages, ends, Acknowledge::when_promised, answers.take());
  const auto all = answers.all();
  ASSERT_EQ(all.size(), 20U);
  std::int64_t next = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].status, i == 7 ? PutStatus::message_illegal : PutStatus::put_ok) << i;
    if (i != 7) {
      EXPECT_EQ(all[i].queue_offset, next++) << i;
    }
  }
  EXPECT_EQ(store->max_offset("Orders", 0), 19);
}

TEST(PutAsync, WhoDoesNotWaitForTheDiskIsAnsweredAtOnce) {
  SimulatedFileSystem files(8);
  const auto store = open(files, options_with(FlushDiskType::sync_flush, false));
  ASSERT_TRUE(store);
  Answers answers;
  const std::vector<std::size_t> ends{1};
  store->put_async(std::vector(1, message()), ends, Acknowledge::when_placed, answers.take());
  ASSERT_EQ(answers.all().size(), 1U);
  EXPECT_TRUE(answers.all().front().ok());
  EXPECT_NE(store->max_offset("Orders", 0), 1);  // nobody sees it before it is on disk
  ASSERT_TRUE(store->work());
  EXPECT_EQ(store->max_offset("Orders", 0), 1);
}

// Two threads put while the store's own threads write: every put is answered once, in the order of the log
// for each thread, and closing answers the last ones.
TEST(PutAsync, ThreadsPutAndAllIsAnswered) {
  constexpr int kPuts = 300;
  SimulatedFileSystem files(5);
  files.set_write_back(0);
  const auto store = open(files, options_with(FlushDiskType::sync_flush, true));
  ASSERT_TRUE(store);
  std::array<Answers, 2> answers;
  {
    std::vector<std::jthread> threads;
    for (Answers& mine : answers) {
      threads.emplace_back([&store, &mine] {
        for (int i = 0; i < kPuts; ++i)
          store->put_async(std::vector(static_cast<std::size_t>(1 + i % 3), message()), mine.take());
      });
    }
  }
  ASSERT_TRUE(store->close());
  std::size_t sum = 0;
  for (const Answers& mine : answers) {
    const auto all = mine.all();
    EXPECT_TRUE(std::ranges::all_of(all, &PutResult::ok));
    EXPECT_TRUE(std::ranges::is_sorted(all, {}, &PutResult::log_offset));
    sum += all.size();
  }
  EXPECT_EQ(sum, 2U * (kPuts / 3) * 6);
}

}  // namespace
}  // namespace rmq::engine
