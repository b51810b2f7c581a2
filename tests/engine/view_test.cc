// Messages where they lie: the same bytes as a get gives, whatever lies beneath, and for as long as they are
// held.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "libstore/engine/message_store.h"
#include "tests/engine/store_directory.h"

namespace rmq::engine {
namespace {

class StillClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t now_ms() const override { return now; }
  std::int64_t now = 1'700'000'000'000;
};

std::vector<std::byte> bytes_of(const GetView& view) {
  std::vector<std::byte> all;
  for (const LogPiece& piece : view.pieces) {
    if (piece.file < 0) {
      all.insert(all.end(), piece.bytes.begin(), piece.bytes.end());
      continue;
    }
    std::vector<std::byte> part(static_cast<std::size_t>(piece.size));
    EXPECT_EQ(::pread(piece.file, part.data(), part.size(), piece.offset), piece.size);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::unique_ptr<MessageStore> open(const StoreOptions& options) {
  auto store = MessageStore::open(io::posix_file_system(), options);
  if (!store) {
    ADD_FAILURE() << store.error().message();
    return nullptr;
  }
  return std::move(*store);
}

StoreOptions options_for(const Directory& directory, FlushDiskType flush) {
  StoreOptions options;
  options.config.root = directory.store();
  options.config.commit_log_file_size = 128 << 10;
  options.config.consume_queue_file_size = 20 * 100;
  options.flush = flush;
  return options;
}

PutResult put(MessageStore& store, std::string_view topic, int number, std::size_t size = 1000) {
  static constexpr std::array<std::byte, 4> kHost{};
  const std::string body(size, static_cast<char>('a' + number % 26));
  format::MessageView message;
  message.topic = topic;
  message.body = as_bytes(body);
  message.born_host = message.store_host = {kHost, 1};
  return store.put(message);
}

class ViewTest : public ::testing::TestWithParam<FlushDiskType> {};

TEST_P(ViewTest, IsWhatAGetGives) {
  const Directory directory;
  const auto store = open(options_for(directory, GetParam()));
  ASSERT_TRUE(store);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(put(*store, i % 3 == 0 ? "Rare" : "Often", i).ok());
    if (i == 150) {
      ASSERT_TRUE(store->flush());
    }
  }
  std::size_t files = 0;
  for (const std::string_view topic : {"Rare", "Often", "Nowhere"}) {
    for (std::int64_t offset = -1; offset < 202; ++offset) {
      GetOptions options;
      options.max_messages = static_cast<std::int32_t>(offset % 40);
      if (offset % 7 == 0) options.wants = [](std::int64_t) { return false; };
      const auto got = store->get(topic, 0, offset, options);
      const auto view = store->view(topic, 0, offset, options);
      ASSERT_TRUE(got && view);
      EXPECT_EQ(view->status, got->status);
      EXPECT_EQ(view->next_begin_offset, got->next_begin_offset);
      EXPECT_EQ(view->min_offset, got->min_offset);
      EXPECT_EQ(view->max_offset, got->max_offset);
      EXPECT_EQ(view->messages, std::ssize(got->messages));
      EXPECT_EQ(view->bytes, std::ssize(got->bytes));
      EXPECT_EQ(bytes_of(*view), got->bytes);
      for (const LogPiece& piece : view->pieces) files += piece.file >= 0 ? 1U : 0U;
    }
  }
  EXPECT_EQ(files, 0U);  // nothing but scattered messages
  ASSERT_TRUE(store->close());
}

TEST_P(ViewTest, WhatLiesTogetherIsPartOfAFile) {
  const Directory directory;
  const auto store = open(options_for(directory, GetParam()));
  ASSERT_TRUE(store);
  for (int i = 0; i < 250; ++i) ASSERT_TRUE(put(*store, "Orders", i).ok());
  std::int64_t offset = 0;
  int pulls = 0;
  for (; offset < 250; ++pulls) {
    const auto view = store->view("Orders", 0, offset, {});
    ASSERT_TRUE(view);
    ASSERT_EQ(view->status, GetStatus::found);
    for (const LogPiece& piece : view->pieces) {
      EXPECT_EQ(piece.file >= 0, std::max(piece.size, std::ssize(piece.bytes)) >= 16 << 10);
    }
    const auto got = store->get("Orders", 0, offset, {});
    ASSERT_TRUE(got);
    EXPECT_EQ(bytes_of(*view), got->bytes);
    EXPECT_LE(view->pieces.size(), 2U);  // two where a file ends
    offset = view->next_begin_offset;
  }
  EXPECT_EQ(pulls, 8);
  ASSERT_TRUE(store->close());
}

INSTANTIATE_TEST_SUITE_P(Flush, ViewTest,
                         ::testing::Values(FlushDiskType::async_flush, FlushDiskType::sync_flush));

TEST(View, IsHeldThoughItsFilesAreRemoved) {
  const Directory directory;
  StillClock clock;
  auto options = options_for(directory, FlushDiskType::async_flush);
  options.background = false;
  options.clock = &clock;
  options.retention.emplace();
  options.retention->file_reserved_hours = 1;
  const auto store = open(options);
  ASSERT_TRUE(store);
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(put(*store, "Orders", i).ok());
  GetOptions few;
  few.max_messages = 3;
  const auto whole = store->view("Orders", 0, 0, {});
  const auto small = store->view("Orders", 0, 0, few);
  const auto expected = store->get("Orders", 0, 0, {});
  ASSERT_TRUE(whole && small && expected);
  ASSERT_TRUE(store->flush());
  clock.now = system_clock().now_ms() + 2 * std::int64_t{3'600'000};
  store->delete_expired_files();
  const auto cleaned = store->clean();
  ASSERT_TRUE(cleaned) << cleaned.error().message();
  ASSERT_GT(cleaned->log_files, 0);
  EXPECT_FALSE(std::filesystem::exists(directory.store() + "/commitlog/00000000000000000000"));
  EXPECT_EQ(bytes_of(*whole), expected->bytes);
  const auto first = bytes_of(*small);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), expected->bytes.begin()));
  const auto gone = store->view("Orders", 0, 0, {});
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->status, GetStatus::offset_too_small);
}

TEST(View, LimitsAreByWhereAMessageLies) {
  const Directory directory;
  const auto store = open(options_for(directory, FlushDiskType::async_flush));
  ASSERT_TRUE(store);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(put(*store, "Orders", i).ok());
  GetOptions options;
  options.max_messages = 100;
  options.in_memory = {32, 256 << 10};
  options.on_disk = {8, 64 << 10};
  const auto count = [&](std::int64_t offset) {
    const auto view = store->view("Orders", 0, offset, options);
    return view ? view->messages : -1;
  };
  EXPECT_EQ(count(0), 32);
  options.in_memory.bytes = 10'000;
  EXPECT_EQ(count(0), 9);
  options.in_memory.bytes = 10;
  EXPECT_EQ(count(0), 1);  // one always is
  options.in_memory_bytes = 0;
  EXPECT_EQ(count(0), 8);
  options.max_messages = 5;
  EXPECT_EQ(count(0), 5);
  const auto view = store->view("Orders", 0, 0, options);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->fallen_behind, store->log().written() - view->bytes / 5 * 4);
}

TEST(View, OfOneRecord) {
  const Directory directory;
  const auto store = open(options_for(directory, FlushDiskType::async_flush));
  ASSERT_TRUE(store);
  const PutResult small = put(*store, "Orders", 1);
  const PutResult large = put(*store, "Orders", 2, 50'000);
  for (const PutResult& one : {small, large}) {
    const auto piece = store->pin(one.log_offset);
    const auto expected = store->look_up(one.log_offset);
    ASSERT_TRUE(piece && *piece && expected);
    GetView view;
    view.pieces.push_back(**piece);
    EXPECT_EQ(bytes_of(view), *expected);
  }
  for (const std::int64_t nothing : {small.log_offset + 1, large.log_offset + large.size, std::int64_t{-1}}) {
    const auto piece = store->pin(nothing);
    ASSERT_TRUE(piece);
    EXPECT_FALSE(*piece);
  }
}

// Readers hold views while a writer rolls over files and the log is flushed behind it.
TEST(View, ThreadsReadWhatOneWrites) {
  constexpr int kMessages = 1000;
  const Directory directory;
  const auto store = open(options_for(directory, FlushDiskType::async_flush));
  ASSERT_TRUE(store);
  std::atomic<bool> failed{false};
  {
    std::vector<std::jthread> readers;
    for (int reader = 0; reader < 2; ++reader) {
      readers.emplace_back([&] {
        std::int64_t offset = 0;
        std::vector<GetView> held;
        while (offset < kMessages) {
          auto view = store->view("Orders", 0, offset, {});
          if (!view) failed = true;
          if (!view || view->status != GetStatus::found) continue;
          const auto bytes = bytes_of(*view);
          std::span<const std::byte> rest = bytes;
          for (; offset < view->next_begin_offset; ++offset) {
            const auto message = format::MessageView::parse(rest);
            if (!message || message->queue_offset != offset || !message->body_crc_matches()) {
              failed = true;
              break;
            }
            rest = rest.subspan(static_cast<std::size_t>(message->total_size));
          }
          offset = view->next_begin_offset;
          held.push_back(std::move(*view));
        }
      });
    }
    for (int i = 0; i < kMessages; ++i) EXPECT_TRUE(put(*store, "Orders", i).ok());
  }
  EXPECT_FALSE(failed);
  ASSERT_TRUE(store->close());
}

}  // namespace
}  // namespace rmq::engine
