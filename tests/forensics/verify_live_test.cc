// rmq-verify --live beside a writer that goes on between any two reads: nothing that is right looks wrong,
// and what is wrong is found.
#include "libstore/forensics/verify_live.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "libstore/format/store_checkpoint.h"
#include "tests/forensics/busy_store.h"

namespace rmq::forensics {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

class Live : public ::testing::TestWithParam<VerifyLevel> {
 protected:
  LiveSummary verify() {
    scan::StoreConfig config;
    config.root = store_->root();
    VerifyOptions options;
    options.level = GetParam();
    LiveOptions live;
    findings_.clear();
    const auto summary = run_verify_live(files_, config, options, live, waiter_, [&](const Finding& finding) {
      if (finding.severity > Severity::benign) {
        findings_.push_back(std::string(finding.code) + " " + finding.file + " " +
                            std::to_string(finding.offset) + " " + finding.message);
      }
    });
    EXPECT_TRUE(summary) << summary.error().message();
    return summary ? *summary : LiveSummary{};
  }

  void write_checkpoint() {
    const format::StoreCheckpoint now{1'700'000'000'000 + std::ssize(store_->offsets()) * 100 - 100,
                                      1'700'000'000'000 + std::ssize(store_->offsets()) * 100 - 100, 0, 0, 0};
    const auto bytes = now.encode();
    store_->write_state("checkpoint", std::string(as_text(bytes)));
  }

  void write_on_every_read(unsigned seed) {
    files_.happens = [this, random = std::mt19937(seed)](int) mutable {
      if (std::ssize(store_->offsets()) > 6000) return;
      store_->put_many(static_cast<int>(random() % 3));
      if (random() % 16 == 0) store_->make_next_file();
      if (random() % 8 == 0) write_checkpoint();
      if (random() % 64 == 0) store_->expire(3);
      if (random() % 16 == 0)
        store_->put("T" + std::to_string(random() % 50), static_cast<std::int32_t>(random() % 3));
    };
  }

  std::optional<BusyStore> store_{std::in_place};
  BusyFiles files_{io::posix_read_file_system()};
  ScriptedWaiter waiter_;
  std::vector<std::string> findings_;
};

class LiveReading : public Live {};  // at the levels that read more than the end

TEST_P(Live, AStillStoreIsJudgedToItsEnd) {
  store_->put_many(200);
  write_checkpoint();
  const LiveSummary summary = verify();
  EXPECT_THAT(findings_, IsEmpty());
  EXPECT_TRUE(summary.verify.clean);
  EXPECT_EQ(summary.settled_to, store_->end());
  EXPECT_EQ(summary.looks, 1);
  if (GetParam() != VerifyLevel::quick) {
    EXPECT_EQ(summary.verify.records, 200);
  }
}

TEST_P(Live, NothingIsFoundWhereAWriterGoesOnBetweenAnyTwoReads) {
  for (unsigned seed = 1; seed <= 2; ++seed) {
    store_.emplace();
    store_->put_many(300);
    write_checkpoint();
    write_on_every_read(seed);
    const LiveSummary summary = verify();
    EXPECT_THAT(findings_, IsEmpty()) << "seed " << seed;
    EXPECT_EQ(summary.unconfirmed, 0) << "seed " << seed;
    EXPECT_EQ(summary.looks, 1) << "seed " << seed;
    EXPECT_LT(summary.settled_to, store_->end());
    EXPECT_EQ(summary.verify.bytes_checked, summary.verify.bytes_expected);
    files_.happens = {};
  }
}

TEST_P(Live, QueuesThatAreWrittenToWhileTheirEndsAreLookedForAreNotBehind) {
  std::mt19937 random(3);
  const auto put = [&] {
    store_->put(std::string(1, static_cast<char>('A' + random() % 12)),
                static_cast<std::int32_t>(random() % 2));
  };
  for (int i = 0; i < 300; ++i) put();
  write_checkpoint();
  files_.happens = [&](int) {
    for (int i = 0; i < 3 && std::ssize(store_->offsets()) < 4000; ++i) put();
  };
  const LiveSummary summary = verify();
  EXPECT_THAT(findings_, IsEmpty());
  EXPECT_EQ(summary.looks, 1);
}

TEST_P(Live, TheMarkFollowsTheDispatcher) {
  store_->put_many(50);
  write_checkpoint();
  waiter_.happens = [&](int) { store_->put_many(3); };
  const LiveSummary summary = verify();
  EXPECT_THAT(findings_, IsEmpty());
  EXPECT_EQ(summary.settled_to,
            store_->offsets()[49]);  // the newest unit when it was looked for first
  EXPECT_EQ(summary.log_end, store_->end());
}

TEST_P(LiveReading, WhatIsWrongIsFoundWhileAWriterGoesOn) {
  store_->put_many(100);
  write_checkpoint();
  store_->damage(store_->log_file(0), store_->offsets()[20] + 4);  // the magic
  waiter_.happens = [&](int) { store_->put_many(20); };
  const LiveSummary summary = verify();
  EXPECT_THAT(findings_, Contains(::testing::StartsWith("CL-DAMAGED commitlog/00000000000000000000 " +
                                                        std::to_string(store_->offsets()[20]))));
  EXPECT_EQ(summary.looks, 2);
  EXPECT_FALSE(summary.verify.clean);
  EXPECT_EQ(summary.verify.worst, Severity::loss);
}

TEST_P(LiveReading, DamageAtTheEndOfAnIdleStoreIsFound) {
  store_->put_many(100);
  write_checkpoint();
  const std::int64_t last = store_->offsets()[99];
  constexpr std::int64_t kMagic = 4;
  constexpr std::int64_t kBodyLength = 87;  // its last byte: the record's parts no longer add up
  for (const std::int64_t place : {kMagic, kBodyLength}) {
    store_->damage(store_->log_file(last), last % BusyStore::kLogFileSize + place);
    const LiveSummary summary = verify();
    EXPECT_EQ(summary.verify.worst, Severity::loss) << "byte " << place;
    EXPECT_FALSE(findings_.empty());
    store_->damage(store_->log_file(last), last % BusyStore::kLogFileSize + place);
  }
}

TEST_P(LiveReading, KeysThatComeLateToAnIndexFileThatWasOldAreNotSeen) {
  // The newest records have no keys, so the index file ends before the mark; then keys come while it is read.
  store_->put_many(100);
  for (int i = 0; i < 5; ++i) store_->put_without_keys();
  write_checkpoint();
  files_.happens = [this](int step) {
    if (step > 40 && step < 400) store_->put_many(1);
  };
  const LiveSummary summary = verify();
  EXPECT_THAT(findings_, IsEmpty());
  EXPECT_EQ(summary.looks, 1);
}

TEST_P(LiveReading, WhatIsRightWhenLookedAtAgainIsDismissed) {
  store_->put_many(100);
  write_checkpoint();
  const std::int64_t unit = 7 * 20;
  const std::string queue = store_->root() + "/consumequeue/Topic/0/" + format::mapped_file_name(0);
  store_->damage(queue, unit + 3);
  waiter_.happens = [&](int wait) {
    if (wait == 1) store_->damage(queue, unit + 3);  // after the first look
  };
  const LiveSummary summary = verify();
  EXPECT_THAT(findings_, IsEmpty());
  EXPECT_TRUE(summary.verify.clean);
  EXPECT_EQ(summary.looks, 2);
  EXPECT_GT(summary.dismissed, 0);
}

TEST_P(LiveReading, ADeletedTopicIsNoFinding) {
  for (int moment = 1; moment < 160; moment += 9) {
    store_.emplace();
    for (int i = 0; i < 60; ++i) store_->put(i % 2 == 0 ? "Stays" : "Goes");
    write_checkpoint();
    files_.happens = [&, left = moment](int) mutable {
      if (--left == 0) std::filesystem::remove_all(store_->root() + "/consumequeue/Goes");
    };
    const LiveSummary summary = verify();
    EXPECT_THAT(findings_, IsEmpty()) << "deleted at step " << moment;
    EXPECT_EQ(summary.unconfirmed, 0);
    files_.happens = {};
  }
}

TEST_P(Live, AStateFileThatIsBeingWrittenIsReadAgain) {
  store_->put_many(20);
  write_checkpoint();
  const std::string whole =
      R"({"dataVersion":{"counter":1,"timestamp":1,"stateVersion":0},"topicConfigTable":{}})";
  store_->write_state("config/topics.json", whole.substr(0, 30));
  waiter_.happens = [&](int) { store_->write_state("config/topics.json", whole); };
  const LiveSummary summary = verify();
  EXPECT_THAT(findings_, IsEmpty());
  EXPECT_EQ(summary.looks, 1);
}

TEST_P(Live, TheAbortFileOfARunningBrokerSaysNothing) {
  store_->put_many(20);
  write_checkpoint();
  store_->write_state("abort", "1");
  EXPECT_TRUE(verify().verify.clean);
}

std::string name_of(const ::testing::TestParamInfo<VerifyLevel>& level) {
  static constexpr std::array<const char*, 4> kNames{"Quick", "Normal", "Deep", "Paranoid"};
  return kNames[static_cast<std::size_t>(level.param)];
}

INSTANTIATE_TEST_SUITE_P(Levels, Live,
                         ::testing::Values(VerifyLevel::quick, VerifyLevel::normal, VerifyLevel::deep,
                                           VerifyLevel::paranoid),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Levels, LiveReading,
                         ::testing::Values(VerifyLevel::normal, VerifyLevel::deep, VerifyLevel::paranoid),
                         name_of);

}  // namespace
}  // namespace rmq::forensics
