// rmq-dump log --follow against a log that grows, rolls, expires, is cut and damaged while it is followed.
#include "libstore/forensics/follow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "libstore/scan/store_survey.h"
#include "tests/forensics/busy_store.h"

namespace rmq::forensics {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Lines final : public ByteSink {
 public:
  bool write(std::string_view text) override {
    text_ += text;
    return true;
  }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::vector<std::int64_t> records() const {
    return numbers("\"kind\":\"record\"[^\\n]*?\"phyOffset\":(\\d+)");
  }
  [[nodiscard]] std::vector<std::int64_t> gaps() const {
    return numbers("\"kind\":\"gap\"[^\\n]*?\"from\":(\\d+)");
  }

 private:
  [[nodiscard]] std::vector<std::int64_t> numbers(const std::string& pattern) const {
    std::vector<std::int64_t> found;
    const std::regex expression(pattern);
    for (std::sregex_iterator at(text_.begin(), text_.end(), expression), end; at != end; ++at)
      found.push_back(std::stoll((*at)[1]));
    return found;
  }
  std::string text_;
};

class Observer final : public RunObserver {
 public:
  bool stop = false;
  void expect(std::int64_t) override {}
  void advance(std::int64_t) override {}
  [[nodiscard]] bool cancelled() const override { return stop; }
};

class Follow : public ::testing::Test {
 protected:
  // `happens` is called at every wait; after `waits` of them following ends.
  DumpSummary follow(int waits, std::function<void(int)> happens = {}) {
    scan::StoreConfig config;
    config.root = store_.root();
    const auto survey = scan::survey_store(files_, config);
    EXPECT_TRUE(survey);
    waiter_.happens = [&, happens](int wait) {
      observer_.stop = wait >= waits;
      if (happens) happens(wait);
    };
    const auto summary = follow_log({files_, *survey, observer_}, options_, times_, waiter_, lines_);
    EXPECT_TRUE(summary);
    return summary ? *summary : DumpSummary{};
  }

  Follow() { options_.format = OutputFormat::json; }

  BusyStore store_;
  BusyFiles files_{io::posix_read_file_system()};
  ScriptedWaiter waiter_;
  Observer observer_;
  DumpOptions options_;
  FollowTimes times_;
  Lines lines_;
};

TEST_F(Follow, EveryRecordOnceAndInOrderOverManyFiles) {
  store_.put_many(300);
  std::mt19937 random(7);
  const DumpSummary summary = follow(60, [&](int wait) {
    if (wait < 50) store_.put_many(static_cast<int>(random() % 90));
    if (wait % 3 == 0) store_.make_next_file();
  });
  EXPECT_THAT(lines_.records(), ElementsAreArray(store_.offsets()));
  EXPECT_GT(store_.end() / BusyStore::kLogFileSize, 10);
  EXPECT_EQ(summary.lines, std::ssize(store_.offsets()));
  EXPECT_EQ(summary.gaps, 0);
  EXPECT_THAT(summary.faults, IsEmpty());
  EXPECT_EQ(summary.bytes_checked, store_.end());
}

TEST_F(Follow, WrittenToBetweenAnyTwoReads) {
  std::mt19937 random(11);
  store_.put_many(20);
  int puts = 0;
  files_.happens = [&](int) {
    if (puts++ < 400) store_.put_many(static_cast<int>(random() % 4));
    if (random() % 20 == 0) store_.make_next_file();
  };
  const DumpSummary summary = follow(200);
  EXPECT_THAT(lines_.records(), ElementsAreArray(store_.offsets()));
  EXPECT_EQ(summary.gaps, 0);
}

TEST_F(Follow, TheLastRecordIsPrintedWhenItStaysAsItIs) {
  store_.put();
  times_.settle_ms = 100;
  bool early = false;
  follow(20, [&](int) { early = early || (waiter_.now_ms() < 100 && !lines_.records().empty()); });
  EXPECT_THAT(lines_.records(), ElementsAreArray(store_.offsets()));
  EXPECT_FALSE(early);
}

TEST_F(Follow, ARecordHalfWrittenIsNeverPrintedHoweverLongItStaysSo) {
  store_.put();
  store_.put();
  const std::int64_t begin = store_.end();
  store_.put();
  const std::int64_t end = store_.end();
  std::int64_t shown = begin;
  // What is behind a place is not there yet, as when a writer is held up in the middle of a record.
  files_.alters = [&](std::int64_t position, std::span<std::byte> bytes) {
    const std::int64_t whole = std::clamp<std::int64_t>(shown - position, 0, std::ssize(bytes));
    std::ranges::fill(bytes.subspan(static_cast<std::size_t>(whole)), std::byte{0});
  };
  times_.settle_ms = 1;
  times_.stuck_ms = 5;
  const DumpSummary summary = follow(static_cast<int>(4 * (end - begin)) + 20, [&](int wait) {
    if (shown == end) return;
    EXPECT_EQ(lines_.records().size(), wait == 0 ? 1U : 2U) << "shown up to " << shown << " of " << end;
    if (wait % 4 == 3) ++shown;
  });
  EXPECT_THAT(lines_.records(), ElementsAreArray(store_.offsets()));
  EXPECT_EQ(summary.gaps, 0);
}

TEST_F(Follow, WhatExpiresBeforeItWasReadIsAGap) {
  store_.put_many(10);
  std::int64_t first_left = 0;
  const DumpSummary summary = follow(20, [&](int wait) {
    if (wait != 5) return;
    store_.put_many(400);
    store_.expire(2);
    first_left = *std::ranges::find_if(store_.offsets(), [&](std::int64_t offset) {
      return offset >= (store_.end() / BusyStore::kLogFileSize - 1) * BusyStore::kLogFileSize;
    });
  });
  // The open file can be read to its end though it is deleted.
  std::vector<std::int64_t> expected;
  for (const std::int64_t offset : store_.offsets()) {
    if (offset < BusyStore::kLogFileSize || offset >= first_left) expected.push_back(offset);
  }
  EXPECT_THAT(lines_.records(), ElementsAreArray(expected));
  EXPECT_THAT(lines_.gaps(), ElementsAre(BusyStore::kLogFileSize));
  EXPECT_THAT(lines_.text(), HasSubstr("expired"));
  EXPECT_EQ(summary.gaps, 1);
}

TEST_F(Follow, TailBeginsNearTheEnd) {
  store_.put_many(500);
  options_.filter.tail = 3;
  follow(30, [&](int wait) {
    if (wait == 10) store_.put_many(2);
  });
  const auto& all = store_.offsets();
  EXPECT_THAT(lines_.records(), ElementsAreArray(std::vector(all.end() - 5, all.end())));
}

TEST_F(Follow, TailOfNothingIsWhatComesFromNowOn) {
  store_.put_many(50);
  options_.filter.tail = 0;
  follow(30, [&](int wait) {
    if (wait == 10) store_.put_many(2);
  });
  const auto& all = store_.offsets();
  EXPECT_THAT(lines_.records(), ElementsAreArray(std::vector(all.end() - 2, all.end())));
}

TEST_F(Follow, FiltersAndLimit) {
  options_.filter.topics = {"B*"};
  options_.filter.limit = 2;
  store_.put("A");
  std::vector<std::int64_t> expected;
  follow(1000, [&](int) {
    store_.put("A");
    expected.push_back(store_.put("B"));
  });
  expected.resize(2);
  EXPECT_THAT(lines_.records(), ElementsAreArray(expected));
  EXPECT_LT(waiter_.waits, 100);
}

TEST_F(Follow, EndsAtTo) {
  store_.put_many(10);
  const std::int64_t to = store_.end();
  options_.filter.to = to;
  options_.filter.from = store_.offsets()[3];
  follow(1000, [&](int) { store_.put(); });
  const auto& all = store_.offsets();
  EXPECT_THAT(lines_.records(), ElementsAreArray(std::vector(all.begin() + 3, all.begin() + 10)));
  EXPECT_LT(waiter_.waits, 100);
}

TEST_F(Follow, DamageIsAGapOnceRecordsStandBehindIt) {
  store_.put_many(5);
  std::int64_t damaged = 0;
  const DumpSummary summary = follow(60, [&](int wait) {
    if (wait == 20) {
      damaged = store_.put();
      store_.damage(store_.log_file(damaged), damaged % BusyStore::kLogFileSize + 4);
    }
    if (wait == 22) store_.put_many(3);
  });
  std::vector<std::int64_t> expected = store_.offsets();
  std::erase(expected, damaged);
  EXPECT_THAT(lines_.records(), ElementsAreArray(expected));
  EXPECT_THAT(lines_.gaps(), ElementsAre(damaged));
  EXPECT_EQ(summary.gaps, 1);
}

TEST_F(Follow, ALogThatIsCutEndsIt) {
  store_.put_many(5);
  const DumpSummary summary = follow(1000, [&](int wait) {
    if (wait != 20) return;
    const std::int64_t last = store_.offsets().back() % BusyStore::kLogFileSize;
    for (std::int64_t at = 0; at < 20; ++at) store_.damage(store_.log_file(0), last + at);
  });
  EXPECT_FALSE(summary.found);
  EXPECT_THAT(summary.notes, ::testing::Contains(HasSubstr("the log was cut")));
  EXPECT_LT(waiter_.waits, 100);
}

TEST_F(Follow, AStoreWithoutALogIsWaitedFor) {
  store_.write_state("checkpoint", std::string(4096, '\0'));
  follow(40, [&](int wait) {
    if (wait == 10) store_.put_many(3);
  });
  EXPECT_THAT(lines_.records(), ElementsAreArray(store_.offsets()));
}

TEST_F(Follow, WaitsLongerTheLongerNothingComes) {
  store_.put_many(3);
  follow(40);
  EXPECT_GT(waiter_.now_ms(), 40 * times_.longest_poll_ms / 2);
}

}  // namespace
}  // namespace rmq::forensics
