#include "libstore/engine/message_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/verify.h"
#include "tests/engine/store_directory.h"

namespace rmq::engine {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kFileSize = 64 << 10;

StoreOptions options_for(const Directory& directory) {
  StoreOptions options;
  options.config.root = directory.store();
  options.config.commit_log_file_size = kFileSize;
  options.config.consume_queue_file_size = 20 * 100;
  return options;
}

std::unique_ptr<MessageStore> open(const StoreOptions& options) {
  auto store = MessageStore::open(io::posix_file_system(), options);
  if (!store) {
    ADD_FAILURE() << store.error().message();
    return nullptr;
  }
  return std::move(*store);
}

// A message whose bytes follow from its number.
struct Sample {
  explicit Sample(int number)
      : body(static_cast<std::size_t>(number * 37 % 900), static_cast<char>('a' + number % 26)) {
    topic = number % 3 == 0 ? "Orders" : "Payments";
    properties = "TAGS\1t" + std::to_string(number % 4) + "\2UNIQ_KEY\1u" + std::to_string(number) + "\2";
    view.topic = topic;
    view.queue_id = number % 2;
    view.flag = number;
    view.born_timestamp = 1000 + number;
    view.born_host = {address, 4711};
    view.store_host = {address, 10911};
    view.body = as_bytes(body);
    view.properties = properties;
  }
  Sample(const Sample&) = delete;  // `view` borrows from here
  Sample& operator=(const Sample&) = delete;
  Sample(Sample&&) = default;  // for std::vector's sake: never called once there is room

  std::array<std::byte, 4> address{std::byte{127}, std::byte{0}, std::byte{0}, std::byte{1}};
  std::string body;
  std::string topic;
  std::string properties;
  format::MessageView view;
};

void expect_sample(const MessageStore& store, int number, const PutResult& put) {
  const Sample sample(number);
  const auto record = store.look_up(put.log_offset);
  ASSERT_TRUE(record);
  const auto message = format::MessageView::parse(*record);
  ASSERT_TRUE(message) << "message " << number << " at " << put.log_offset;
  EXPECT_EQ(message->topic, sample.topic);
  EXPECT_EQ(as_text(message->body), sample.body);
  EXPECT_EQ(message->properties, sample.properties);
  EXPECT_EQ(message->queue_offset, put.queue_offset);
  EXPECT_EQ(message->physical_offset, put.log_offset);
  EXPECT_EQ(message->store_timestamp, put.store_timestamp);
  EXPECT_TRUE(message->body_crc_matches());
}

void expect_got(MessageStore& store, int number, const PutResult& put) {
  const Sample sample(number);
  GetOptions one;
  one.max_messages = 1;
  const auto got = store.get(sample.topic, sample.view.queue_id, put.queue_offset, one);
  ASSERT_TRUE(got) << got.error().message();
  ASSERT_EQ(got->status, GetStatus::found) << "message " << number;
  ASSERT_EQ(got->messages.size(), 1U);
  EXPECT_EQ(got->messages[0].queue_offset, put.queue_offset);
  const auto message = format::MessageView::parse(got->bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(as_text(message->body), sample.body);
}

std::vector<PutResult> put_some(MessageStore& store, int from, int to) {
  std::vector<PutResult> results;
  for (int i = from; i < to; ++i) {
    results.push_back(store.put(Sample(i).view));
    EXPECT_EQ(results.back().status, PutStatus::put_ok);
  }
  return results;
}

// What rmq-verify says of it.
void expect_clean(const Directory& directory) {
  scan::StoreConfig config;
  config.root = directory.store();
  const auto survey = scan::survey_store(io::posix_read_file_system(), config);
  ASSERT_TRUE(survey) << survey.error().message();
  forensics::VerifyOptions options;
  options.level = forensics::VerifyLevel::paranoid;
  const auto summary = forensics::run_verify(
      io::posix_read_file_system(), *survey, options, [](const forensics::Finding& finding) {
        EXPECT_EQ(finding.severity, forensics::Severity::benign)
            << finding.code << " " << finding.file << " " << finding.message;
      });
  EXPECT_TRUE(summary.clean);
}

class MessageStoreTest : public testing::TestWithParam<FlushDiskType> {
 protected:
  [[nodiscard]] StoreOptions options() const {
    StoreOptions all = options_for(directory_);
    all.flush = GetParam();
    return all;
  }
  Directory directory_;
};

INSTANTIATE_TEST_SUITE_P(FlushDiskType, MessageStoreTest,
                         testing::Values(FlushDiskType::async_flush, FlushDiskType::sync_flush),
                         [](const auto& type) {
                           return type.param == FlushDiskType::async_flush ? "async" : "sync";
                         });

TEST_P(MessageStoreTest, WhatIsPutIsGotAndStaysAfterAClose) {
  std::vector<PutResult> puts;
  for (int round = 0; round < 3; ++round) {
    const auto store = open(options());
    ASSERT_TRUE(store);
    EXPECT_EQ(store->report().plan.was_closed_cleanly, true);
    for (int i = 0; i < static_cast<int>(puts.size()); ++i)
      expect_got(*store, i, puts[static_cast<std::size_t>(i)]);
    const int from = static_cast<int>(puts.size());
    for (const PutResult& put : put_some(*store, from, from + 400)) puts.push_back(put);
    for (int i = from; i < from + 400; ++i) {
      expect_sample(*store, i, puts[static_cast<std::size_t>(i)]);
      expect_got(*store, i, puts[static_cast<std::size_t>(i)]);
    }
    ASSERT_TRUE(store->close());
    EXPECT_EQ(store->put(Sample(0).view).status, PutStatus::service_not_available);
    expect_clean(directory_);
  }
  EXPECT_GT(puts.back().log_offset, 5 * kFileSize);
}

TEST_P(MessageStoreTest, WhatIsPutStaysWhenNobodyCloses) {
  std::vector<PutResult> puts;
  for (int round = 0; round < 4; ++round) {
    const auto store = open(options());
    ASSERT_TRUE(store);
    EXPECT_EQ(store->report().plan.was_closed_cleanly, round == 0);
    const int from = static_cast<int>(puts.size());
    for (int i = 0; i < from; ++i) expect_got(*store, i, puts[static_cast<std::size_t>(i)]);
    for (const PutResult& put : put_some(*store, from, from + 150)) puts.push_back(put);
  }
  ASSERT_TRUE(open(options())->close());
  expect_clean(directory_);
}

TEST_P(MessageStoreTest, ABatchLiesInOnePiece) {
  const auto store = open(options());
  ASSERT_TRUE(store);
  std::vector<Sample> samples;
  samples.reserve(300);
  std::vector<format::MessageView> views;
  for (int i = 0; i < 300; ++i) views.push_back(samples.emplace_back(i).view);
  std::vector<PutResult> puts(views.size());
  store->put(views, puts);
  for (int i = 0; i < 300; ++i) {
    const PutResult& put = puts[static_cast<std::size_t>(i)];
    ASSERT_TRUE(put.ok());
    EXPECT_EQ(put.store_timestamp, puts[0].store_timestamp);
    expect_sample(*store, i, put);
    expect_got(*store, i, put);
    if (i == 0) continue;
    const PutResult& before = puts[static_cast<std::size_t>(i - 1)];
    const bool follows = put.log_offset == before.log_offset + before.size;
    EXPECT_TRUE(follows || put.log_offset % kFileSize == 0);
  }
  ASSERT_TRUE(store->close());
  expect_clean(directory_);
}

// Hundreds of files, each made by the thread that prepares it or by the one that needs it, whoever comes
// first.
TEST_P(MessageStoreTest, FilesAreRolledWhileTheNextOneIsMade) {
  StoreOptions small = options();
  small.config.commit_log_file_size = 8 << 10;
  const auto store = open(small);
  ASSERT_TRUE(store);
  const std::vector<PutResult> puts = put_some(*store, 0, 2500);
  for (int i = 0; i < 2500; ++i) expect_sample(*store, i, puts[static_cast<std::size_t>(i)]);
  EXPECT_GT(puts.back().log_offset, 150 * (8 << 10));
  ASSERT_TRUE(store->close());
  expect_clean(directory_);
}

TEST_P(MessageStoreTest, WritersAndReadersAtOnce) {
  const auto store = open(options());
  ASSERT_TRUE(store);
  constexpr int kWriters = 8;
  constexpr int kReaders = 8;
  constexpr int kEach = 125;
  std::atomic<int> writing{kWriters};
  std::vector<std::jthread> threads;
  std::vector<std::vector<PutResult>> puts(kWriters);
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (int i = 0; i < kEach; ++i) {
        const int number = writer * kEach + i;
        puts[static_cast<std::size_t>(writer)].push_back(store->put(Sample(number).view));
        expect_got(*store, number, puts[static_cast<std::size_t>(writer)].back());
      }
      --writing;
    });
  }
  for (int reader = 0; reader < kReaders; ++reader) {
    threads.emplace_back([&, reader] {
      const std::string topic = reader % 2 == 0 ? "Orders" : "Payments";
      std::int64_t next = 0;
      while (writing > 0) {
        const auto got = store->get(topic, reader / 2 % 2, next);
        ASSERT_TRUE(got);
        for (const GetResult::Message& one : got->messages) {
          const auto message =
              format::MessageView::parse(std::span(got->bytes).subspan(one.position, one.size));
          ASSERT_TRUE(message);
          EXPECT_TRUE(message->body_crc_matches());
          EXPECT_EQ(one.queue_offset, next++);
        }
        std::this_thread::yield();
      }
    });
  }
  threads.clear();
  std::map<std::int64_t, std::int64_t> ends;
  for (const auto& one : puts) {
    for (const PutResult& put : one) {
      ASSERT_TRUE(put.ok());
      EXPECT_TRUE(ends.emplace(put.log_offset, put.size).second);
    }
  }
  ASSERT_TRUE(store->close());
  expect_clean(directory_);
}

// As after a clock was put back by hours: the flusher goes by time that passes.
TEST(MessageStoreClock, OneThatStandsStillHoldsNoFlushUp) {
  class StillClock final : public Clock {
   public:
    [[nodiscard]] std::int64_t now_ms() const override { return 1'700'000'000'000; }
  };
  const Directory directory;
  const StillClock clock;
  StoreOptions options = options_for(directory);
  options.clock = &clock;
  options.flush_interval_ms = 1;
  options.queue_flush_interval_ms = 3'600'000;
  const auto store = open(options);
  ASSERT_TRUE(store);
  const PutResult put = store->put(Sample(1).view);
  ASSERT_TRUE(put.ok());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (store->log().durable() < put.log_offset + put.size && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  EXPECT_GE(store->log().durable(), put.log_offset + put.size);
  ASSERT_TRUE(store->close());
}

// A child puts and says what was acknowledged; it is killed at some moment.
TEST_P(MessageStoreTest, KilledInTheMiddle) {
  const char* rounds_text = std::getenv("RMQ_KILLS");
  const int rounds = rounds_text == nullptr ? 6 : std::atoi(rounds_text);
  std::mt19937 random(GetParam() == FlushDiskType::async_flush ? 11 : 12);
  std::vector<PutResult> acknowledged;
  for (int round = 0; round < rounds; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const int from = static_cast<int>(acknowledged.size());
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe_ends[0]);
      auto store = MessageStore::open(io::posix_file_system(), options());
      if (!store) ::_exit(3);
      for (int i = from;; ++i) {
        const PutResult put = (*store)->put(Sample(i).view);
        if (!put.ok() || ::write(pipe_ends[1], &put, sizeof(put)) != sizeof(put)) ::_exit(4);
      }
    }
    ::close(pipe_ends[1]);
    const auto least = static_cast<std::size_t>(1 + random() % 400);
    PutResult put;
    std::size_t got = 0;
    for (; got < least && ::read(pipe_ends[0], &put, sizeof(put)) == sizeof(put); ++got)
      acknowledged.push_back(put);
    ::kill(child, SIGKILL);
    while (::read(pipe_ends[0], &put, sizeof(put)) == sizeof(put)) acknowledged.push_back(put);
    ::close(pipe_ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
    const auto store = open(options());
    ASSERT_TRUE(store);
    for (std::size_t i = static_cast<std::size_t>(from); i < acknowledged.size(); ++i) {
      expect_sample(*store, static_cast<int>(i), acknowledged[i]);
      expect_got(*store, static_cast<int>(i), acknowledged[i]);
    }
    // What was put and not acknowledged any more may be there as well: the numbers go on behind it.
    while (true) {
      const int number = static_cast<int>(acknowledged.size());
      const PutResult& last = acknowledged.back();
      std::int64_t next = last.log_offset + last.size;
      auto record = store->look_up(next);
      if (record && record->empty()) record = store->look_up(next = next / kFileSize * kFileSize + kFileSize);
      if (!record || record->empty()) break;
      const auto message = format::MessageView::parse(*record);
      ASSERT_TRUE(message);
      PutResult more;
      more.status = PutStatus::put_ok;
      more.log_offset = next;
      more.size = message->total_size;
      more.queue_offset = message->queue_offset;
      more.store_timestamp = message->store_timestamp;
      expect_sample(*store, number, more);
      acknowledged.push_back(more);
    }
    if (round % 2 == 0) {
      ASSERT_TRUE(store->close());
      expect_clean(directory_);
    }
  }
}

TEST(MessageStore, TwoCannotHaveIt) {
  const Directory directory;
  const auto store = open(options_for(directory));
  ASSERT_TRUE(store);
  const auto second = MessageStore::open(io::posix_file_system(), options_for(directory));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::wrong_use);
}

TEST(MessageStore, WhatAnswersSay) {
  const Directory directory;
  const auto store = open(options_for(directory));
  ASSERT_TRUE(store);
  EXPECT_EQ(store->get("Orders", 0, 0)->status, GetStatus::no_matched_logic_queue);
  put_some(*store, 0, 60);
  const std::int64_t end = store->max_offset("Orders", 0).value();
  EXPECT_EQ(end, 10);
  EXPECT_EQ(store->get("Orders", 0, end)->status, GetStatus::offset_overflow_one);
  EXPECT_EQ(store->get("Orders", 0, end + 5)->status, GetStatus::offset_overflow_badly);
  EXPECT_EQ(store->get("Orders", 0, end + 5)->next_begin_offset, end);
  EXPECT_EQ(store->get("Orders", 7, 0)->status, GetStatus::no_matched_logic_queue);
  GetOptions none;
  none.wants = [](std::int64_t) { return false; };
  EXPECT_EQ(store->get("Orders", 0, 0, none)->status, GetStatus::no_matched_message);
  EXPECT_EQ(store->get("Orders", 0, 0, none)->next_begin_offset, end);
  GetOptions three;
  three.max_messages = 3;
  const auto got = store->get("Orders", 0, 4, three);
  EXPECT_EQ(got->messages.size(), 3U);
  EXPECT_EQ(got->next_begin_offset, 7);
}

TEST(MessageStore, WhatIsNoMessage) {
  const Directory directory;
  StoreOptions options = options_for(directory);
  options.max_message_size = 1000;
  const auto store = open(options);
  ASSERT_TRUE(store);
  Sample sample(1);
  const std::string large(1001, 'x');
  sample.view.body = as_bytes(large);
  EXPECT_EQ(store->put(sample.view).status, PutStatus::message_illegal);
  Sample second(2);
  second.view.topic = {};
  EXPECT_EQ(store->put(second.view).status, PutStatus::message_illegal);
  const std::string properties(32768, 'p');
  Sample third(3);
  third.view.properties = properties;
  EXPECT_EQ(store->put(third.view).status, PutStatus::properties_size_exceeded);
  Sample long_topic(4);
  const std::string topic(200, 't');
  long_topic.view.topic = topic;
  const PutResult put = store->put(long_topic.view);
  ASSERT_TRUE(put.ok());
  EXPECT_EQ(format::MessageView::parse(*store->look_up(put.log_offset))->version, 2);
}

// Half a message at the end, as a killed writer of another kind leaves it: gone from the log, kept in
// lost+found.
TEST(MessageStore, ATornTailIsZeroedAndKept) {
  const Directory directory;
  std::vector<PutResult> puts;
  {
    const auto store = open(options_for(directory));
    ASSERT_TRUE(store);
    puts = put_some(*store, 0, 20);
  }
  const std::int64_t end = puts.back().log_offset + puts.back().size;
  {
    std::fstream log(directory.store() + "/commitlog/00000000000000000000",
                     std::ios::in | std::ios::out | std::ios::binary);
    log.seekp(end);
    log << "half of a message";
  }
  const auto store = open(options_for(directory));
  ASSERT_TRUE(store);
  EXPECT_EQ(store->report().plan.log_end, end);
  ASSERT_EQ(store->report().plan.steps.size(), 1U);
  EXPECT_EQ(store->report().plan.steps[0].kind, recovery::Step::Kind::zero);
  std::string kept;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.store() + "/lost+found")) {
    if (!entry.is_regular_file()) continue;
    std::ifstream copy(entry.path(), std::ios::binary);
    kept.append(std::istreambuf_iterator<char>(copy), {});
  }
  EXPECT_THAT(kept, HasSubstr("half of a message"));
  ASSERT_TRUE(store->close());
  expect_clean(directory);
}

TEST(MessageStore, DamageInTheMiddleIsBridged) {
  const Directory directory;
  std::vector<PutResult> puts;
  {
    const auto store = open(options_for(directory));
    ASSERT_TRUE(store);
    puts = put_some(*store, 0, 20);
    ASSERT_TRUE(store->close());
  }
  const std::string path = directory.store() + "/commitlog/00000000000000000000";
  {
    std::fstream log(path, std::ios::in | std::ios::out | std::ios::binary);
    log.seekp(puts[5].log_offset);
    log << "damage beyond what can be told from the rest";
  }
  StoreOptions options = options_for(directory);
  options.check = recovery::Depth::full;
  const auto store = MessageStore::open(io::posix_file_system(), options);
  ASSERT_TRUE(store) << store.error().message();
  ASSERT_EQ((*store)->report().plan.placeholders.size(), 1U);
  EXPECT_EQ((*store)->report().plan.placeholders[0].log_offset, puts[5].log_offset);
  ASSERT_TRUE((*store)->close());
  expect_clean(directory);
}

// What cannot be mended by safe steps is refused before anything is changed.
TEST(MessageStore, WhatNeedsMoreIsRefusedAndUntouched) {
  const Directory directory;
  {
    const auto store = open(options_for(directory));
    ASSERT_TRUE(store);
    put_some(*store, 0, 20);
    ASSERT_TRUE(store->close());
  }
  std::ofstream(directory.store() + "/consumequeue/CURRENT") << "MANIFEST";
  const auto store = MessageStore::open(io::posix_file_system(), options_for(directory));
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message(), HasSubstr("RocksDB"));
  EXPECT_FALSE(std::filesystem::exists(directory.store() + "/abort"));
  EXPECT_FALSE(std::filesystem::exists(directory.store() + "/lost+found"));
}

}  // namespace
}  // namespace rmq::engine
