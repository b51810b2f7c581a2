// A store written from what was found: every found message is where it was, and nothing is left half done.
#include "libstore/carve/build.h"

#include <gtest/gtest.h>

#include <fstream>

#include "libstore/engine/message_store.h"
#include "tests/carve/found_log.h"
#include "tests/io/temporary_directory.h"

namespace rmq::carve {
namespace {

void save(const std::string& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary);
  for (const std::byte byte : bytes) file.put(static_cast<char>(byte));
}

class BuildTest : public ::testing::Test {
 protected:
  BuildTest() { std::filesystem::create_directory(source_); }

  Result<BuildReport> build() {
    const auto& files = io::posix_read_file_system();
    sources_ = list_sources(files, source_)->sources;
    judgement_ = *judge(files, sources_, *find_records(files, sources_, {}), {});
    summary_ = *summarize(files, sources_, judgement_.logs.at(options_.log), 2, {});
    options_.out = out_;
    options_.config.index_slots = 64;
    options_.config.index_entries = 400;
    options_.config.consume_queue_file_size = 2000;
    return build_store(io::posix_file_system(), files, sources_, judgement_, summary_, options_);
  }

  // The body of what the new store has there; empty where it has nothing.
  Bytes read(std::int64_t queue_offset, std::string_view topic = "Orders") {
    if (!store_) {
      engine::StoreOptions options;
      options.config.root = out_;
      options.background = false;
      auto opened = engine::MessageStore::open(io::posix_file_system(), options);
      if (!opened) ADD_FAILURE() << opened.error().message();
      if (!opened) return {};
      store_ = std::move(*opened);
    }
    engine::GetOptions one;
    one.max_messages = 1;
    const auto got = store_->get(topic, 1, queue_offset, one);
    if (!got || got->status != engine::GetStatus::found) return {};
    const auto message = format::MessageView::parse(got->bytes);
    return message ? Bytes(message->body.begin(), message->body.end()) : Bytes{};
  }

  io::TemporaryDirectory directory_;
  std::string source_ = directory_.path() + "/from";
  std::string out_ = directory_.path() + "/to";
  std::vector<Source> sources_;
  Judgement judgement_;
  Summary summary_;
  BuildOptions options_;
  std::unique_ptr<engine::MessageStore> store_;
};

TEST_F(BuildTest, WhatIsMissingIsHeldByPlaceholders) {
  LogWriter log;
  log.queue_offset = 10;
  Bytes all = log.records(5, 200);
  const auto lost_from = all.size();
  append(all, log.records(3, 200));
  std::fill(all.begin() + static_cast<std::ptrdiff_t>(lost_from), all.end(), std::byte{0xEE});
  const std::int64_t kept_from = log.log_offset;
  const Bytes last = noise(77, 5);
  append(all, log.record(last));
  append(all, log.records(4, 200));
  save(source_ + "/x", all);
  options_.config.commit_log_file_size = 65536;
  const auto built = build();
  ASSERT_TRUE(built) << built.error().message();
  EXPECT_EQ(built->readable, 10);
  EXPECT_EQ(built->placeholders, 3);
  EXPECT_EQ(built->unreadable + built->left, 0);
  EXPECT_TRUE(built->relocated.empty());
  EXPECT_EQ(read(18), last);
  EXPECT_EQ(*store_->min_offset("Orders", 1), 10);
  EXPECT_EQ(*store_->max_offset("Orders", 1), 23);
  EXPECT_FALSE(store_->look_up(kept_from)->empty());
  EXPECT_FALSE(std::filesystem::exists(out_ + "/" + std::string(kUnfinished)));
}

TEST_F(BuildTest, OtherLogsAreKeptAndCanBeCarvedAgain) {
  LogWriter old;
  save(source_ + "/a", old.records(12, 100));
  LogWriter now;
  now.time += 100'000;
  save(source_ + "/b", now.records(7, 120));
  const auto built = build();
  ASSERT_TRUE(built) << built.error().message();
  EXPECT_EQ(built->readable, 7);
  EXPECT_EQ(built->left, 12);
  const std::string aside = out_ + "/lost+found/carve/";
  std::ifstream lines(aside + "left.ndjson");
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) ++count;
  EXPECT_EQ(count, 12);
  std::filesystem::remove_all(source_);
  std::filesystem::create_directory(source_);
  std::filesystem::rename(aside + "log-2.records", source_ + "/again");
  out_ += "2";
  const auto again = build();
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->readable, 12);
}

TEST_F(BuildTest, NewOffsetsWhereNothingElseGoes) {
  LogWriter log;
  Bytes all;
  std::vector<Bytes> bodies;
  for (int i = 0; i < 300; ++i) {
    append(all, Bytes(48));
    log.log_offset += 48;
    bodies.push_back(noise(100, static_cast<std::uint64_t>(i)));
    append(all, log.record(bodies.back(), i % 2 == 0));
  }
  save(source_ + "/dledger", all);
  options_.config.commit_log_file_size = 16384;
  const auto built = build();
  ASSERT_TRUE(built) << built.error().message();
  EXPECT_FALSE(built->relocated.empty());
  EXPECT_EQ(built->readable, 300);
  for (int i = 0; i < 300; ++i) EXPECT_EQ(read(i), bodies[static_cast<std::size_t>(i)]) << i;
}

TEST_F(BuildTest, OnlyIntoAnEmptyDirectory) {
  LogWriter log;
  save(source_ + "/a", log.records(3, 100));
  std::filesystem::create_directory(out_);
  std::filesystem::create_directory(out_ + "/lost+found");  // as a new file system has it
  ASSERT_TRUE(build());
  const auto again = build();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::wrong_use);
}

TEST_F(BuildTest, NothingIsLeftOfWhatWasStopped) {
  LogWriter log;
  save(source_ + "/a", log.records(30, 100'000));
  int asked = 0;
  for (int stop = 1; stop < 12; ++stop) {
    asked = 0;
    options_.cancelled = [&] { return ++asked > stop; };
    const auto built = build();
    if (built) break;
    EXPECT_EQ(built.error().code, ErrorCode::cancelled) << built.error().message();
    EXPECT_FALSE(std::filesystem::exists(out_)) << stop;
  }
  EXPECT_GT(asked, 5);
}

TEST_F(BuildTest, ALoneMessageOfAQueueStaysInIt) {
  LogWriter log;
  Bytes all = log.records(3, 100);
  const auto lost_from = std::ssize(all);
  append(all, log.record(std::size_t{100}));  // Orders/1 at 3, lost
  std::fill(all.begin() + lost_from, all.end(), std::byte{0});
  LogWriter lone = log;
  lone.topic = "Lone";
  lone.queue_offset = 3;
  append(all, lone.record(std::size_t{50}));
  log.log_offset = lone.log_offset;
  append(all, log.records(3, 100));
  save(source_ + "/a", all);
  const auto built = build();
  ASSERT_TRUE(built) << built.error().message();
  EXPECT_EQ(built->readable, 7);
  EXPECT_EQ(built->placeholders, 1);
  EXPECT_EQ(read(3, "Lone").size(), 50U);
}

}  // namespace
}  // namespace rmq::carve
