// The engine on a simulated disk: killed or cut off from power within any call, again and again on the same
// disk. RMQ_SEED: the first seed; RMQ_SEEDS: how many (default 60 of each kind).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/engine/message_store.h"
#include "libstore/forensics/verify.h"
#include "libstore/testing/simulated_file_system.h"

namespace rmq::engine {
namespace {

using End = rmq::testing::SimulatedFileSystem::End;

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class StillClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t now_ms() const override { return now; }
  std::int64_t now = 1'700'000'000'000;
};

struct Acknowledged {
  PutResult put;
  std::string topic;
  std::int32_t queue_id = 0;
  std::string key;
  std::string body;
};

class Life {
 public:
  Life(std::uint64_t seed, FlushDiskType flush, End end)
      : files_(seed), random_(seed), flush_(flush), end_(end) {
    files_.set_write_back(30);
  }

  void run() {
    for (int generation = 0; generation < 4 && !::testing::Test::HasFailure(); ++generation) {
      live();
      files_.restart();
      check();
    }
  }

 private:
  [[nodiscard]] StoreOptions options() const {
    StoreOptions all;
    all.config.root = "/store";
    all.config.commit_log_file_size = 16 << 10;
    all.config.consume_queue_file_size = 20 * 50;
    all.config.index_slots = 16;
    all.config.index_entries = 100;
    all.flush = flush_;
    all.background = false;
    all.jobs = 1;
    all.clock = &clock_;
    all.retention.emplace();
    all.retention->file_reserved_hours = 0;
    all.retention->delete_file_batch_max = 2;
    return all;
  }

  // Until the end comes, wherever it comes.
  void live() {
    files_.end_at(1 + random_() % 250, end_);
    auto opened = MessageStore::open(files_, options());
    while (!files_.ended()) {
      ASSERT_TRUE(opened) << opened.error().message();
      put(**opened);
      if (random_() % 8 == 0) (void)(*opened)->work();
      if (random_() % 60 == 0) {
        (*opened)->delete_expired_files();
        (void)(*opened)->clean();
      }
      clock_.now += static_cast<std::int64_t>(random_() % 3000);
      if (random_() % 40 != 0) continue;
      const auto closed = (*opened)->close();
      if (files_.ended()) return;
      ASSERT_TRUE(closed) << closed.error().message();
      opened = MessageStore::open(files_, options());
    }
  }

  void put(MessageStore& store) {
    Acknowledged one;
    one.topic = random_() % 2 == 0 ? "Orders" : "Payments";
    one.queue_id = static_cast<std::int32_t>(random_() % 2);
    one.key = "u" + std::to_string(++number_);
    one.body.assign(random_() % 700, static_cast<char>('a' + number_ % 26));
    const std::string properties = "TAGS\1t\2UNIQ_KEY\1" + one.key + "\2";
    const std::array<std::byte, 4> address{};
    format::MessageView message;
    message.topic = one.topic;
    message.queue_id = one.queue_id;
    message.body = as_bytes(one.body);
    message.properties = properties;
    message.born_host = message.store_host = {address, 1};
    one.put = store.put(message);
    if (one.put.ok() && !files_.ended()) acknowledged_.push_back(std::move(one));
  }

  // Everything acknowledged is there, whole, in its queue, and found by its key.
  void check() {
    auto store = MessageStore::open(files_, options());
    ASSERT_TRUE(store) << store.error().message();
    for (const Acknowledged& one : acknowledged_) {
      if (one.put.log_offset < (*store)->log().begin()) continue;  // clean-up took it
      const auto record = (*store)->look_up(one.put.log_offset);
      ASSERT_TRUE(record);
      const auto message = format::MessageView::parse(*record);
      ASSERT_TRUE(message) << one.key << " at " << one.put.log_offset << " is lost";
      ASSERT_EQ(as_text(message->body), one.body);
      GetOptions single;
      single.max_messages = 1;
      const auto got = (*store)->get(one.topic, one.queue_id, one.put.queue_offset, single);
      ASSERT_TRUE(got);
      ASSERT_EQ(got->status, GetStatus::found) << one.key;
      ASSERT_EQ(got->bytes, *record);
      const auto found = (*store)->query(one.topic, one.key, {.most = 8});
      ASSERT_TRUE(found);
      ASSERT_TRUE(std::ranges::find(*found, one.put.log_offset) != found->end())
          << one.key << " is in no index file";
    }
    ASSERT_TRUE((*store)->close());
    scan::StoreConfig config;
    config.root = "/store";
    const auto survey = scan::survey_store(files_, config);
    ASSERT_TRUE(survey) << survey.error().message();
    forensics::VerifyOptions verify;
    verify.level = forensics::VerifyLevel::deep;
    (void)forensics::run_verify(files_, *survey, verify, [&](const forensics::Finding& finding) {
      EXPECT_EQ(finding.severity, forensics::Severity::benign)
          << finding.code << " " << finding.file << " at " << finding.offset << ": " << finding.message;
    });
  }

  rmq::testing::SimulatedFileSystem files_;
  std::mt19937_64 random_;
  FlushDiskType flush_;
  End end_;
  StillClock clock_;
  int number_ = 0;
  std::vector<Acknowledged> acknowledged_;
};

void lives(FlushDiskType flush, End end) {
  const std::uint64_t first = number_from("RMQ_SEED", 1);
  const std::uint64_t count = number_from("RMQ_SEEDS", 60);
  for (std::uint64_t seed = first; seed < first + count && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("RMQ_SEED=" + std::to_string(seed));
    Life(seed, flush, end).run();
  }
}

TEST(PowerLoss, SyncFlushLosesNothingAcknowledged) { lives(FlushDiskType::sync_flush, End::power_loss); }
TEST(Kill, SyncFlushLosesNothingAcknowledged) { lives(FlushDiskType::sync_flush, End::kill); }
TEST(Kill, AsyncFlushLosesNothingAcknowledged) { lives(FlushDiskType::async_flush, End::kill); }

}  // namespace
}  // namespace rmq::engine
