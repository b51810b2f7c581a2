// What the reference stores do not have: messages without a UNIQ_KEY, limits, check points that overlap,
// rolled timers.
#include <gtest/gtest.h>

#include <array>

#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/dump_filter.h"
#include "libstore/forensics/system_topics.h"
#include "libstore/forensics/trace_life.h"
#include "libstore/forensics/trace_state.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/sys_flag.h"

namespace rmq::forensics {
namespace {

using Properties = std::vector<std::pair<std::string, std::string>>;
using Kinds = std::vector<TraceStepKind>;

struct Sent {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
  Properties properties;
  std::string body;
  std::int32_t sys_flag = 0;
  std::int64_t prepared = 0;
  std::int32_t reconsume_times = 0;
};

constexpr std::array kAddress{std::byte{10}, std::byte{0}, std::byte{0}, std::byte{1}};

class Log {
 public:
  explicit Log(TraceTarget target, std::size_t most = 100)
      : target_(std::move(target)), collector_(target_, topics_, most) {}

  // Records lie 1000 bytes and 10 ms apart.
  std::int64_t put(const Sent& sent) {
    const std::string properties = format::encode_properties(sent.properties);
    format::MessageView message;
    message.total_size = 200;
    message.topic = sent.topic;
    message.queue_id = sent.queue_id;
    message.queue_offset = sent.queue_offset;
    message.properties = properties;
    message.body = std::as_bytes(std::span(sent.body));
    message.sys_flag = sent.sys_flag;
    message.prepared_transaction_offset = sent.prepared;
    message.reconsume_times = sent.reconsume_times;
    message.physical_offset = next_;
    message.store_timestamp = next_ / 100;
    message.store_host = {kAddress, 10911};
    message.born_host = message.store_host;
    collector_.take(message, next_);
    next_ += 1000;
    return next_ - 1000;
  }

  [[nodiscard]] const std::vector<TraceLife>& lives() const { return collector_.lives(); }
  [[nodiscard]] const TraceLife& life() const { return collector_.lives().at(0); }
  [[nodiscard]] Kinds kinds() const {
    Kinds kinds;
    for (const TraceStep& step : life().steps) kinds.push_back(step.kind);
    return kinds;
  }
  [[nodiscard]] TraceState state(const ConsumerProgress& progress = {}) const {
    return judge_trace(life(), progress);
  }
  [[nodiscard]] bool is_cut() const { return collector_.is_cut(); }

 private:
  RecordFilter filter_;
  TopicMatcher topics_{filter_};
  TraceTarget target_;
  TraceCollector collector_;
  std::int64_t next_ = 0;
};

TraceTarget by_key(std::string key) {
  TraceTarget target;
  target.key = std::move(key);
  return target;
}

TraceTarget by_offset(std::int64_t offset) {
  TraceTarget target;
  target.phy_offset = offset;
  return target;
}

Sent half(std::int64_t queue_offset, Properties more = {}) {
  Sent sent{std::string(kHalfTopic), 0, queue_offset, {{"REAL_TOPIC", "T"}, {"REAL_QID", "1"}}, "", 0, 0, 0};
  sent.properties.insert(sent.properties.end(), more.begin(), more.end());
  return sent;
}

Sent op(std::string body) {
  return {std::string(kOpHalfTopic), 0, 0, {{"TAGS", "d"}}, std::move(body), 0, 0, 0};
}

std::string check_point(const std::string& group, std::int64_t pop_time, std::int64_t invisible,
                        std::int64_t offset) {
  return R"({"c":")" + group + R"(","d":[0],"it":)" + std::to_string(invisible) + R"(,"n":1,"pt":)" +
         std::to_string(pop_time) + R"(,"q":0,"so":)" + std::to_string(offset) + R"(,"t":"T"})";
}
std::string ack(const std::string& group, std::int64_t pop_time, std::int64_t offset) {
  return R"({"ao":)" + std::to_string(offset) + R"(,"c":")" + group + R"(","pt":)" +
         std::to_string(pop_time) + R"(,"q":0,"so":)" + std::to_string(offset) + R"(,"t":"T"})";
}
Sent revive(std::string tag, std::string body) {
  return {std::string(kReviveTopicPrefix) + "C", 0, 0, {{"TAGS", std::move(tag)}}, std::move(body), 0, 0, 0};
}

TEST(Trace, WithoutAUniqKeyIdsLeadOn) {
  Log log(by_offset(0));
  log.put({"T", 0, 0, {{"KEYS", "k"}}, "", 0, 0, 0});
  const std::string id = log.life().message_id;
  log.put({"T", 0, 1, {{"KEYS", "k"}}, "", 0, 0, 0});  // another one
  log.put({"%RETRY%g", 0, 0, {{"ORIGIN_MESSAGE_ID", id}, {"RETRY_TOPIC", "T"}}, "", 0, 0, 1});
  EXPECT_EQ(log.lives().size(), 1U);
  EXPECT_EQ(log.life().id, id);
  EXPECT_EQ(log.kinds(), (Kinds{TraceStepKind::stored, TraceStepKind::retry}));
  EXPECT_EQ(log.state().groups.at(0).group, "g");
  EXPECT_EQ(log.state().kind, TraceStateKind::retried);
}

TEST(Trace, WithoutAUniqKeyCommitsNameTheirHalf) {
  Log log(by_key("k"));
  log.put({"Other", 0, 0, {}, "", 0, 0, 0});
  const std::int64_t at = log.put(half(3, {{"KEYS", "k"}}));
  log.put({"T", 1, 0, {}, "", format::kSysFlagTransactionCommit, at, 0});
  log.put(op("3,"));
  EXPECT_EQ(log.kinds(), (Kinds{TraceStepKind::half, TraceStepKind::committed, TraceStepKind::decided}));
  EXPECT_EQ(log.state().transaction, TransactionState::committed);
  EXPECT_EQ(log.life().topic, "T");
}

TEST(Trace, TheNewestHalfMessageCounts) {
  const Properties key{{"UNIQ_KEY", "u"}};
  Log log(by_key("u"));
  log.put(half(3, key));
  log.put(op("3,"));
  EXPECT_EQ(log.state().transaction, TransactionState::rolled_back);
  log.put(half(8, key));
  EXPECT_EQ(log.state().transaction, TransactionState::pending);
  ConsumerProgress progress;
  progress.offsets = {{std::string(kHalfTopic), std::string(kTransactionGroup), 0, 9}};
  EXPECT_EQ(log.state(progress).transaction, TransactionState::passed);
  log.put(op("4,8,"));
  EXPECT_EQ(log.state(progress).transaction, TransactionState::rolled_back);
  log.put({std::string(kGivenUpTopic), 0, 0, {{"UNIQ_KEY", "u"}, {"REAL_TOPIC", "T"}}, "", 0, 0, 0});
  EXPECT_EQ(log.state().transaction, TransactionState::given_up);
}

TEST(Trace, ARolledTimerWaitsOnce) {
  const Properties key{{"UNIQ_KEY", "u"}, {"REAL_TOPIC", "T"}, {"REAL_QID", "0"}, {"TIMER_OUT_MS", "500"}};
  Log log(by_key("u"));
  log.put({std::string(kTimerTopic), 0, 0, key, "", 0, 0, 0});
  log.put({std::string(kTimerTopic), 0, 1, key, "", 0, 0, 0});
  EXPECT_EQ(log.state().kind, TraceStateKind::waiting);
  EXPECT_EQ(log.state().waiting->due, 500);
  log.put({"T", 0, 0, key, "", 0, 0, 0});
  EXPECT_EQ(log.state().kind, TraceStateKind::stored);
  EXPECT_EQ(log.kinds(), (Kinds{TraceStepKind::timed, TraceStepKind::timed, TraceStepKind::delivered}));
}

TEST(Trace, RecallsNameTheirMessageInTwoWays) {
  for (const char* name : {"T+u", "u"}) {
    Log log(by_key("u"));
    log.put({std::string(kTimerTopic),
             0,
             0,
             {{"UNIQ_KEY", "u"}, {"REAL_TOPIC", "T"}, {"REAL_QID", "0"}},
             "",
             0,
             0,
             0});
    log.put({std::string(kTimerTopic), 0, 1, {{"UNIQ_KEY", "r"}, {"TIMER_DEL_UNIQKEY", name}}, "", 0, 0, 0});
    EXPECT_EQ(log.state().kind, TraceStateKind::recalled) << name;
  }
}

TEST(Trace, AnAcknowledgementEndsItsOwnCheckPointOnly) {
  Log log(by_key("u"));
  log.put({"T", 0, 7, {{"UNIQ_KEY", "u"}}, "", 0, 0, 0});
  log.put(revive("ck", check_point("g", 5, 100, 7)));
  log.put(revive("ck", check_point("g", 6, 200, 7)));  // made invisible for longer
  log.put(revive("ack", ack("g", 5, 7)));
  log.put(revive("ack", ack("g", 5, 8)));  // of another message
  EXPECT_EQ(log.kinds(), (Kinds{TraceStepKind::stored, TraceStepKind::popped, TraceStepKind::popped,
                                TraceStepKind::acked}));
  EXPECT_EQ(log.state().kind, TraceStateKind::hidden);
  EXPECT_EQ(log.state().groups.at(0).invisible_until, 206);
  log.put(revive("ack", ack("g", 6, 7)));
  EXPECT_EQ(log.state().kind, TraceStateKind::acked);
  // The same record, come up for revival.
  log.put(revive("ck", check_point("g", 6, 200, 7)));
  EXPECT_EQ(log.life().steps.back().kind, TraceStepKind::pop_due);
  EXPECT_EQ(log.state().kind, TraceStateKind::acked);
}

TEST(Trace, WhatIsRevivedIsHiddenNoLonger) {
  Log log(by_key("u"));
  log.put({"T", 0, 7, {{"UNIQ_KEY", "u"}}, "", 0, 0, 0});
  log.put(revive("ck", check_point("g", 5, 10, 7)));
  EXPECT_EQ(log.state().kind, TraceStateKind::hidden);
  log.put({"%RETRY%g_T", 0, 0, {{"UNIQ_KEY", "u"}}, "", 0, 0, 1});
  EXPECT_EQ(log.state().kind, TraceStateKind::retried);
  EXPECT_EQ(log.state().groups.size(), 1U);
}

TEST(Trace, GroupsOfRetryTopics) {
  EXPECT_EQ(retry_group("%RETRY%g", "T"), "g");
  EXPECT_EQ(retry_group("%RETRY%g_T", "T"), "g");
  EXPECT_EQ(retry_group("%RETRY%g+T", "T"), "g");
  EXPECT_EQ(retry_group("%DLQ%my_group", "group2"), "my_group");
  EXPECT_EQ(retry_group("%RETRY%_T", "T"), "_T");
}

TEST(Trace, MoreMessagesThanWantedAreLeftOutAndTold) {
  Log log(by_key("k"), 2);
  for (std::int64_t i = 0; i < 5; ++i)
    log.put({"T", 0, i, {{"KEYS", "a k b"}, {"UNIQ_KEY", std::to_string(i)}}, "", 0, 0, 0});
  EXPECT_EQ(log.lives().size(), 2U);
  EXPECT_TRUE(log.is_cut());
}

TEST(Trace, ReadersOfTheNewestCopy) {
  Log log(by_key("u"));
  log.put({"T", 0, 7, {{"UNIQ_KEY", "u"}}, "", 0, 0, 0});
  ConsumerProgress progress;
  progress.offsets = {{"T", "behind", 0, 7}, {"T", "past", 0, 8}, {"T", "elsewhere", 1, 90}};
  const TraceState state = log.state(progress);
  ASSERT_EQ(state.groups.size(), 2U);
  EXPECT_FALSE(state.groups[0].passed);
  EXPECT_TRUE(state.groups[1].passed);
  TimeText time(true);
  EXPECT_EQ(state_text(log.life(), state, time),
            "in T queue 0 at 7; behind: has not reached it (offset 7); past: has passed it (offset 8)");
}

}  // namespace
}  // namespace rmq::forensics
