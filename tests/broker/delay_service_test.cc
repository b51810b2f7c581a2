// DelayService over a store on a simulated disk, with a clock that the test sets.
#include "servers/broker/delay_service.h"

#include <gmock/gmock.h>

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/testing/simulated_file_system.h"
#include "servers/broker/delayed_message.h"
#include "tests/broker/fake_connection.h"

namespace rmq::broker {
namespace {

using rmq::testing::SimulatedFileSystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr const char* kRoot = "/store";
constexpr const char* kOffsetFile = "/store/config/delayOffset.json";

class Delay : public ::testing::Test {
 protected:
  void SetUp() override { open(); }
  void TearDown() override {
    service_.reset();
    if (store_ && !files_.ended()) {
      EXPECT_TRUE(store_->close());
    }
  }

  void open() {
    engine::StoreOptions options;
    options.config.root = kRoot;
    options.config.commit_log_file_size = 64 << 10;
    options.config.consume_queue_file_size = 20 * 100;
    options.config.index_slots = 16;
    options.config.index_entries = 100;
    options.config.message_delay_level = levels_text_;
    options.background = false;
    options.jobs = 1;
    options.clock = &clock_;
    options.flush = flush_;
    options.arriving = [this](std::span<const engine::Arrival> arrivals) {
      if (service_) service_->arrived(arrivals);
    };
    auto store = engine::MessageStore::open(files_, options);
    ASSERT_TRUE(store) << store.error().message();
    store_ = std::move(*store);
    DelayService::Options delay;
    delay.levels = *format::DelayLevels::parse(levels_text_);
    delay.delivered = [this](std::int32_t level, std::string_view, std::int64_t) { ++delivered_[level]; };
    delay.warn = [this](const std::string& what) { warnings_.push_back(what); };
    service_ = std::make_unique<DelayService>(*store_, files_, "/store/config", clock_, std::move(delay));
    const Status loaded = service_->load();
    ASSERT_TRUE(loaded) << loaded.error().message();
  }

  void kill_and_open() {
    files_.kill();
    service_.reset();
    store_.reset();
    files_.restart();
    open();
  }

  // As the send processor stores a message with a delay level.
  engine::PutResult send(std::int32_t level, const std::string& body, const std::string& topic = "T",
                         std::int32_t queue = 0) {
    const Destination destination = delayed({topic, queue, "TAGS\1tg\2KEYS\1k-" + body + "\2"}, level, 18);
    format::MessageView view;
    view.topic = destination.topic;
    view.queue_id = destination.queue_id;
    view.properties = destination.properties;
    view.body = as_bytes(body);
    view.born_timestamp = 77;
    view.flag = 5;
    view.reconsume_times = 2;
    view.born_host = {address_, 4711};
    view.store_host = {address_, 10911};
    return store_->put(view);
  }

  // All that is due, until nothing is; when to come back.
  std::optional<std::int64_t> run() {
    for (;;) {
      const auto next = service_->step();
      if (!next || *next > clock_.now) return next;
    }
  }

  std::vector<std::string> bodies(const std::string& topic = "T", std::int32_t queue = 0) {
    std::vector<std::string> found;
    std::int64_t at = 0;
    for (;;) {
      const auto got = store_->get(topic, queue, at);
      EXPECT_TRUE(got);
      if (!got || got->status != engine::GetStatus::found) return found;
      for (const auto& message : got->messages)
        found.emplace_back(as_text(
            format::MessageView::parse(std::span(got->bytes).subspan(message.position, message.size))->body));
      at = got->next_begin_offset;
    }
  }

  std::string offset_file() {
    const auto bytes = io::read_all(files_, kOffsetFile, 1 << 20);
    return bytes ? std::string(as_text(*bytes)) : std::string();
  }

  std::array<std::byte, 4> address_{std::byte{127}, std::byte{0}, std::byte{0}, std::byte{1}};
  std::string levels_text_ = std::string(format::kDefaultDelayLevels);
  engine::FlushDiskType flush_ = engine::FlushDiskType::async_flush;
  TestClock clock_;
  SimulatedFileSystem files_{7};
  std::map<std::int32_t, int> delivered_;
  std::vector<std::string> warnings_;
  std::unique_ptr<engine::MessageStore> store_;
  std::unique_ptr<DelayService> service_;
};

TEST_F(Delay, NothingToDoUntilSomethingArrives) {
  EXPECT_EQ(run(), std::nullopt);
  send(1, "a");
  EXPECT_EQ(service_->step(), clock_.now + 1000);
}

TEST_F(Delay, AMessageComesWhenItIsDueAndNotBefore) {
  send(2, "a");
  EXPECT_EQ(run(), clock_.now + 5000);
  clock_.now += 4999;
  EXPECT_EQ(run(), clock_.now + 1);
  EXPECT_THAT(bodies(), IsEmpty());
  clock_.now += 1;
  EXPECT_EQ(run(), std::nullopt);
  EXPECT_THAT(bodies(), ElementsAre("a"));
  EXPECT_THAT(delivered_, ElementsAre(Pair(2, 1)));
}

TEST_F(Delay, WhatIsDeliveredIsWhatWasSent) {
  send(1, "a", "T", 3);
  clock_.now += 1000;
  run();
  const auto got = store_->get("T", 3, 0, {.wants = [](std::int64_t tags) { return tags == 3699; }});  // "tg"
  ASSERT_TRUE(got);
  ASSERT_EQ(got->status, engine::GetStatus::found);
  const auto view = format::MessageView::parse(got->bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->topic, "T");
  EXPECT_EQ(view->queue_id, 3);
  EXPECT_EQ(view->flag, 5);
  EXPECT_EQ(view->reconsume_times, 2);
  EXPECT_EQ(view->born_timestamp, 77);
  EXPECT_EQ(view->store_timestamp, clock_.now);
  EXPECT_EQ(view->born_host.port, 4711);
  EXPECT_EQ(view->properties,
            "TAGS\1tg\2KEYS\1k-a\2DELAY\1"
            "1\2REAL_TOPIC\1T\2REAL_QID\1"
            "3\2");
  EXPECT_EQ(store_->query("T", "k-a")->size(), 1U);
}

TEST_F(Delay, ShorterLevelsOvertakeLongerOnesAndALevelKeepsItsOrder) {
  send(2, "long");
  for (int i = 0; i != 3; ++i) send(1, "m" + std::to_string(i));
  clock_.now += 1000;
  EXPECT_EQ(run(), clock_.now + 4000);
  EXPECT_THAT(bodies(), ElementsAre("m0", "m1", "m2"));
  clock_.now += 4000;
  run();
  EXPECT_THAT(bodies(), ElementsAre("m0", "m1", "m2", "long"));
}

TEST_F(Delay, ThousandsThatAreDueComeInOrder) {
  std::vector<std::string> expected;
  for (int i = 0; i != 1000; ++i) {
    expected.push_back("m" + std::to_string(i));
    send(1, expected.back());
  }
  send(1, "later");
  clock_.now += 999;
  EXPECT_EQ(run(), clock_.now + 1);
  EXPECT_THAT(bodies(), IsEmpty());
  clock_.now += 1;
  send(1, "much later");
  run();
  expected.emplace_back("later");
  EXPECT_EQ(bodies(), expected);
}

TEST_F(Delay, TheClockWasAheadWhenItWasStored) {
  clock_.now += 3'600'000;
  send(1, "a");
  clock_.now -= 3'600'000;
  run();
  EXPECT_THAT(bodies(), ElementsAre("a")) << "due further ahead than the level's delay: it is due now";
}

TEST_F(Delay, TheClockIsSetBackWhileItWaits) {
  send(5, "a");  // a minute
  EXPECT_EQ(run(), clock_.now + 60'000);
  clock_.now -= 3'600'000;
  run();
  EXPECT_THAT(bodies(), ElementsAre("a"));
}

TEST_F(Delay, OffsetsAreWrittenAsJavaWritesThem) {
  EXPECT_TRUE(service_->persist());
  EXPECT_EQ(offset_file(), "") << "nothing happened";
  send(1, "a");
  send(3, "b");
  clock_.now += 1000;
  run();
  EXPECT_TRUE(service_->persist());
  EXPECT_EQ(offset_file(),
            "{\n\t\"dataVersion\":{\n\t\t\"counter\":0,\n\t\t\"stateVersion\":0,\n\t\t\"timestamp\":"
            "1700000000000\n\t},"
            "\n\t\"offsetTable\":{1:1,3:0\n\t}\n}");
  EXPECT_THAT(service_->runtime_info(),
              ElementsAre(Pair("scheduleMessageOffset_1", "1,1"), Pair("scheduleMessageOffset_3", "0,1")));
}

TEST_F(Delay, GoesOnWhereItWasAfterAProperEnd) {
  send(1, "a");
  clock_.now += 1000;
  run();
  send(1, "b");
  EXPECT_TRUE(service_->persist());
  service_.reset();
  ASSERT_TRUE(store_->close());
  store_.reset();
  clock_.now += 5000;
  open();
  run();
  EXPECT_THAT(bodies(), ElementsAre("a", "b"));
}

TEST_F(Delay, TheFileNeverSaysMoreThanTheLogHasOnDisk) {
  send(1, "a");
  ASSERT_TRUE(store_->flush());
  clock_.now += 1000;
  run();
  ASSERT_TRUE(service_->persist());
  files_.lose_power(SimulatedFileSystem::Unsynced::lost);
  service_.reset();
  store_.reset();
  files_.restart();
  open();
  EXPECT_THAT(bodies(), ElementsAre("a"));
}

TEST_F(Delay, AnythingElseInTheFileSurvives) {
  const std::string text =
      R"({"dataVersion":{"counter":9,"stateVersion":1,"timestamp":5},"offsetTable":{1:0,25:7},"x":[1]})";
  files_.put(kOffsetFile, as_bytes(text));
  kill_and_open();
  send(1, "a");
  clock_.now += 1000;
  run();
  EXPECT_TRUE(service_->persist());
  EXPECT_THAT(offset_file(), HasSubstr("\"offsetTable\":{1:1,25:7\n\t}"));
  EXPECT_THAT(offset_file(), HasSubstr("\"counter\":9"));
  EXPECT_THAT(offset_file(), HasSubstr("\"x\":[1]"));
}

TEST_F(Delay, OffsetsOutsideOfTheQueueAreTakenToItsEnd) {
  for (int i = 0; i != 3; ++i) send(1, "m" + std::to_string(i));
  files_.put(kOffsetFile, as_bytes(std::string_view(R"({"offsetTable":{1:50,2:4}})")));
  kill_and_open();
  EXPECT_EQ(warnings_.size(), 2U);
  EXPECT_THAT(service_->runtime_info(),
              ElementsAre(Pair("scheduleMessageOffset_1", "3,3"), Pair("scheduleMessageOffset_2", "0,0")));
}

TEST_F(Delay, AFileThatStockDoesNotStartWithStopsUs) {
  service_.reset();
  ASSERT_TRUE(store_->flush());
  files_.put(kOffsetFile, as_bytes(std::string_view("{\"offsetTable\":{1:")));
  files_.put(std::string(kOffsetFile) + ".bak", as_bytes(std::string_view("{{")));
  service_ =
      std::make_unique<DelayService>(*store_, files_, "/store/config", clock_, DelayService::Options{});
  EXPECT_FALSE(service_->load());
}

TEST_F(Delay, TheDataVersionMovesEveryTwoHundredMessages) {
  for (int i = 0; i != 199; ++i) send(1, "m");
  clock_.now += 1000;
  run();
  EXPECT_EQ(format::read_data_version(service_->snapshot())->counter, 0);
  send(1, "m");
  clock_.now += 1000;
  run();
  EXPECT_EQ(format::read_data_version(service_->snapshot())->counter, 1);
}

TEST_F(Delay, OwnLevels) {
  service_.reset();
  ASSERT_TRUE(store_->close());
  levels_text_ = "100ms";
  EXPECT_FALSE(format::DelayLevels::parse(levels_text_)) << "stock knows no ms";
  levels_text_ = "2s 1d";
  open();
  send(2, "day");
  send(1, "s");
  clock_.now += 2000;
  EXPECT_EQ(run(), clock_.now + 86'398'000);
  EXPECT_THAT(bodies(), ElementsAre("s"));
}

TEST_F(Delay, AFullDiskIsWaitedFor) {
  send(1, "a");
  clock_.now += 1000;
  files_.set_capacity(1);
  std::vector<std::string> sent;
  while (send(2, std::string(9000, 'x')).ok()) {
  }
  EXPECT_THAT(bodies(), IsEmpty());
  // "a" still fits, or it does not; in both cases nothing is lost and nothing comes twice.
  for (int i = 0; i != 20; ++i) {
    (void)service_->step();
    clock_.now += 100;
  }
  files_.set_capacity(std::int64_t{1} << 30);
  clock_.now += 1000;
  (void)store_->work();
  for (int i = 0; i != 20; ++i) {
    (void)service_->step();
    clock_.now += 100;
  }
  EXPECT_EQ(std::ranges::count(bodies(), "a"), 1);
}

TEST_F(Delay, AMessageWithoutAPlaceDoesNotStopTheOthers) {
  send(1, "a");
  format::MessageView view;
  view.topic = format::kScheduleTopic;
  view.properties =
      "DELAY\1"
      "1\2";
  view.born_host = {address_, 4711};
  view.store_host = {address_, 10911};
  ASSERT_TRUE(store_->put(view).ok());
  send(1, "half", "RMQ_SYS_TRANS_HALF_TOPIC");
  send(1, "b");
  clock_.now += 1000;
  run();
  EXPECT_THAT(bodies(), ElementsAre("a", "b"));
  EXPECT_EQ(warnings_.size(), 2U);
}

TEST_F(Delay, WhatCannotBePutIsTriedAgainAndTheOthersComeOnce) {
  send(1, "a");
  send(1, "never", "no/topic");
  send(1, "b");
  clock_.now += 1000;
  for (int i = 0; i != 10; ++i) {
    (void)service_->step();
    clock_.now += 100;
  }
  send(1, "c");
  clock_.now += 1000;
  for (int i = 0; i != 10; ++i) {
    (void)service_->step();
    clock_.now += 100;
  }
  EXPECT_THAT(bodies(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(warnings_.size(), 1U) << "one, and not one a try";
  EXPECT_THAT(service_->runtime_info(), ElementsAre(Pair("scheduleMessageOffset_1", "1,4")));
}

// Sends, delivers and persists, with the process ending within any call: nothing that was acknowledged is
// lost.
class DelayLives : public Delay, public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  void live(SimulatedFileSystem::End end) {
    std::vector<std::string> acknowledged;
    int number = 0;
    for (std::uint64_t life = 0; life != 12; ++life) {
      files_.end_at(5 + (GetParam() * 131 + life * 37) % 90, end);
      for (int round = 0; round != 12 && !files_.ended(); ++round) {
        const std::string body = "m" + std::to_string(number++);
        if (send(1 + number % 2, body).ok() && !files_.ended()) acknowledged.push_back(body);
        clock_.now += 700;
        (void)service_->step();
        if (round % 3 == 0) (void)service_->persist();
        (void)store_->work();
      }
      if (!files_.ended()) end == SimulatedFileSystem::End::kill ? files_.kill() : files_.lose_power();
      service_.reset();
      store_.reset();
      files_.restart();
      open();
      if (HasFatalFailure()) return;
    }
    clock_.now += 10'000;
    run();
    const std::vector<std::string> there = bodies();
    for (const std::string& body : acknowledged)
      EXPECT_THAT(there, ::testing::Contains(body)) << "acknowledged, and never delivered";
  }
};

TEST_P(DelayLives, KilledAnywhereNothingIsLost) { live(SimulatedFileSystem::End::kill); }

TEST_P(DelayLives, CutOffFromPowerWithSyncFlushNothingIsLost) {
  service_.reset();
  ASSERT_TRUE(store_->close());
  flush_ = engine::FlushDiskType::sync_flush;
  open();
  live(SimulatedFileSystem::End::power_loss);
}

INSTANTIATE_TEST_SUITE_P(Seeds, DelayLives, ::testing::Range<std::uint64_t>(0, 8));

}  // namespace
}  // namespace rmq::broker
