// Messages go out: what a consumer gets, with which code and offsets, and how it waits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/broker/batch_text.h"
#include "tests/broker/broker_in_memory.h"

namespace rmq::broker {
namespace {

using ::testing::StartsWith;

void send_some(BrokerInMemory& test, int count, std::string_view properties = "") {
  for (int i = 0; i < count; ++i)
    ASSERT_EQ(code(test.send("Orders", "body" + std::to_string(i), properties)), 0);
}

TEST(PullProcessor, GivesRecordsAsTheyLie) {
  BrokerInMemory test;
  send_some(test, 3);
  const auto answer = test.pull("Orders", 1);
  EXPECT_EQ(code(answer), 0);
  EXPECT_EQ(remark(answer), "FOUND");
  EXPECT_EQ(field(answer, "nextBeginOffset"), "3");
  EXPECT_EQ(field(answer, "minOffset"), "0");
  EXPECT_EQ(field(answer, "maxOffset"), "3");
  EXPECT_EQ(field(answer, "suggestWhichBrokerId"), "0");
  EXPECT_EQ(field(answer, "topicSysFlag"), "0");
  EXPECT_EQ(field(answer, "groupSysFlag"), "0");
  EXPECT_EQ(answer->body, "");  // nothing was copied
  const std::string body = body_of(*answer);
  const auto messages = messages_in(body);
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(as_text(messages[1].body), "body2");
  EXPECT_EQ(test.broker->stats().total(StatsName::group_get_nums, "Orders@consumers"), 2);
  EXPECT_EQ(test.broker->stats().total(StatsName::broker_get_nums, "DefaultCluster"), 2);
}

TEST(PullProcessor, TheOffsetsAndTheirCodes) {
  BrokerInMemory test;
  EXPECT_EQ(code(test.pull("Nowhere", 0)), 17);
  send_some(test, 3);
  auto answer = test.pull("Orders", 3);
  EXPECT_EQ(code(answer), 19);
  EXPECT_EQ(remark(answer), "OFFSET_OVERFLOW_ONE");
  EXPECT_EQ(field(answer, "nextBeginOffset"), "3");
  answer = test.pull("Orders", 9);
  EXPECT_EQ(code(answer), 21);
  EXPECT_EQ(remark(answer), "OFFSET_OVERFLOW_BADLY");
  EXPECT_EQ(field(answer, "nextBeginOffset"), "3");
  answer = test.pull("Orders", -1);
  EXPECT_EQ(code(answer), 21);
  EXPECT_EQ(remark(answer), "OFFSET_TOO_SMALL");
  EXPECT_EQ(field(answer, "nextBeginOffset"), "0");
  const auto other_queue = with(BrokerInMemory::pull_fields("Orders", 0), "queueId", "1");
  answer = test.call(RequestCode::pull_message, other_queue);
  EXPECT_EQ(code(answer), 19);
  EXPECT_EQ(remark(answer), "NO_MATCHED_LOGIC_QUEUE");
  answer = test.call(RequestCode::pull_message, with(other_queue, "queueOffset", "5"));
  EXPECT_EQ(code(answer), 21);
  EXPECT_EQ(field(answer, "nextBeginOffset"), "0");
}

TEST(PullProcessor, TagsAreFilteredByTheirHashes) {
  BrokerInMemory test;
  send_some(test, 2, "TAGS\1a\2");
  send_some(test, 2, "TAGS\1b\2");
  auto answer = test.pull("Orders", 0, "b || c");
  EXPECT_EQ(code(answer), 0);
  EXPECT_EQ(messages_in(body_of(*answer)).size(), 2U);
  EXPECT_EQ(field(answer, "nextBeginOffset"), "4");
  answer = test.pull("Orders", 0, "none");
  EXPECT_EQ(code(answer), 20);
  EXPECT_EQ(remark(answer), "NO_MATCHED_MESSAGE");
  EXPECT_EQ(field(answer, "nextBeginOffset"), "4");
}

TEST(PullProcessor, TheChecksAndTheirWords) {
  BrokerInMemory test(wire::Properties{{"autoCreateSubscriptionGroup", "false"}});
  send_some(test, 1);
  auto answer = test.pull("Orders", 0);
  EXPECT_EQ(code(answer), 26);
  EXPECT_THAT(remark(answer), StartsWith("subscription group [consumers] does not exist, \nSee"));
  json::Object group;
  group.set("groupName", "consumers");
  group.set("consumeEnable", false);
  ASSERT_TRUE(test.broker->groups().update(group));
  answer = test.pull("Orders", 0);
  EXPECT_EQ(code(answer), 16);
  EXPECT_EQ(remark(answer), "subscription group no permission, consumers");
  EXPECT_EQ(field(answer, "forbiddenType"), "2");
  group.set("consumeEnable", true);
  ASSERT_TRUE(test.broker->groups().update(group));
  EXPECT_EQ(code(test.pull("Orders", 0)), 0);

  const auto fields = BrokerInMemory::pull_fields("Orders", 0);
  answer = test.call(RequestCode::pull_message, with(fields, "queueId", "4"));
  EXPECT_EQ(code(answer), 29);
  EXPECT_EQ(remark(answer),
            "queueId[4] is illegal, topic:[Orders] topicConfig.readQueueNums:[4] consumer:[127.0.0.1:50001]");
  answer = test.call(RequestCode::pull_message, with(fields, "expressionType", "SQL92"));
  EXPECT_EQ(code(answer), 1);
  EXPECT_EQ(remark(answer), "The broker does not support consumer to filter message by SQL92");
  answer = test.call(RequestCode::pull_message, with(fields, "sysFlag", "0"));
  EXPECT_EQ(code(answer), 24);
  EXPECT_THAT(remark(answer), StartsWith("the consumer's group info not exist\nSee"));
  EXPECT_EQ(code(test.call(RequestCode::pull_message, without(fields, "sysFlag"))), 1);

  format::TopicConfig write_only;
  write_only.name = "WriteOnly";
  write_only.perm = kPermWrite;
  (void)test.broker->topics().create_if_absent(write_only);
  answer = test.pull("WriteOnly", 0);
  EXPECT_EQ(code(answer), 16);
  EXPECT_EQ(remark(answer), "the topic[WriteOnly] pulling message is forbidden");
  EXPECT_EQ(field(answer, "forbiddenType"), "3");

  BrokerInMemory closed(wire::Properties{{"brokerPermission", "2"}, {"litePullMessageEnable", "false"}});
  answer = closed.pull("Orders", 0);
  EXPECT_EQ(code(answer), 16);
  EXPECT_EQ(field(answer, "forbiddenType"), "1");
}

TEST(PullProcessor, WhatTheGroupSubscribesTo) {
  BrokerInMemory test;
  send_some(test, 1, "TAGS\1a\2");
  const std::string beat =
      R"({"clientID":"c1","consumerDataSet":[{"groupName":"consumers","consumeType":"CONSUME_PASSIVELY",)"
      R"("messageModel":"BROADCASTING","consumeFromWhere":"CONSUME_FROM_FIRST_OFFSET","subscriptionDataSet":)"
      R"([{"topic":"Orders","subString":"a","tagsSet":["a"],"codeSet":[97],"subVersion":7}]}],)"
      R"("producerDataSet":[]})";
  ASSERT_EQ(code(test.call(RequestCode::heart_beat, {}, beat)), 0);
  const auto fields = with(BrokerInMemory::pull_fields("Orders", 0), "sysFlag", "0");
  EXPECT_EQ(code(test.call(RequestCode::pull_message, fields)), 0);
  EXPECT_EQ(code(test.call(RequestCode::pull_message, with(fields, "subVersion", "8"))), 25);
  EXPECT_EQ(code(test.call(RequestCode::pull_message, with(fields, "topic", "TBW102"))), 24);

  test.broker->groups().set_forbidden("consumers", "Orders", 1, true);
  auto answer = test.call(RequestCode::pull_message, fields);
  EXPECT_EQ(code(answer), 16);
  EXPECT_EQ(field(answer, "forbiddenType"), "5");
  json::Object group;
  group.set("groupName", "consumers");
  group.set("consumeBroadcastEnable", false);
  ASSERT_TRUE(test.broker->groups().update(group));
  answer = test.call(RequestCode::pull_message, fields);
  EXPECT_EQ(code(answer), 16);
  EXPECT_EQ(remark(answer), "the consumer group[consumers] can not consume by broadcast way");
  EXPECT_EQ(field(answer, "forbiddenType"), "4");
}

TEST(PullProcessor, CommitsTheOffsetThatItCarries) {
  BrokerInMemory test;
  send_some(test, 5);
  auto fields = with(BrokerInMemory::pull_fields("Orders", 4), "sysFlag", "5");
  ASSERT_EQ(code(test.call(RequestCode::pull_message, with(fields, "commitOffset", "4"))), 0);
  EXPECT_EQ(test.broker->offsets().query("consumers", "Orders", 0), 4);
  EXPECT_EQ(test.broker->offsets().query_pull("consumers", "Orders", 0), 5);
}

TEST(PullProcessor, AResetIsToldOnce) {
  BrokerInMemory test;
  send_some(test, 5);
  test.broker->offsets().assign_reset("consumers", "Orders", 0, 2);
  const auto reset = test.pull("Orders", 4);
  EXPECT_EQ(code(reset), 21);
  EXPECT_EQ(remark(reset), "OFFSET_RESET");
  EXPECT_EQ(field(reset, "nextBeginOffset"), "2");
  EXPECT_EQ(field(reset, "maxOffset"), "5");
  EXPECT_EQ(code(test.pull("Orders", 4)), 0);
}

TEST(PullProcessor, AnswersCarryAtMostWhatStockGives) {
  BrokerInMemory test(wire::Properties{{"mappedFileSizeCommitLog", "8388608"}});
  for (int i = 0; i < 40; ++i) (void)test.send("Orders", "x");
  EXPECT_EQ(messages_in(body_of(*test.pull("Orders", 0))).size(), 32U);
  for (int i = 0; i < 10; ++i) (void)test.send("Large", std::string(60 << 10, 'x'));
  const auto answer = test.pull("Large", 0);
  EXPECT_EQ(messages_in(body_of(*answer)).size(), 4U);
  EXPECT_EQ(field(answer, "nextBeginOffset"), "4");
}

TEST(PullProcessor, AHeldPullIsAnsweredWithTheMessageThatItWaitedFor) {
  BrokerInMemory test;
  send_some(test, 1);
  const auto asked =
      test.ask(RequestCode::pull_message, BrokerInMemory::pull_fields("Orders", 1, "*", 15'000));
  test.end_turn();
  EXPECT_TRUE(test.sink->answers.empty());
  EXPECT_EQ(code(test.send("Orders", "late")), 0);
  const auto answer = test.answer_to(asked);
  EXPECT_EQ(code(answer), 0);
  EXPECT_EQ(field(answer, "nextBeginOffset"), "2");
  const std::string body = body_of(*answer);
  EXPECT_EQ(as_text(messages_in(body).at(0).body), "late");
}

TEST(PullProcessor, AHeldPullOfAQueueThatIsNotThereYet) {
  BrokerInMemory test;
  format::TopicConfig topic;
  topic.name = "Later";
  (void)test.broker->topics().create_if_absent(topic);
  const auto asked =
      test.ask(RequestCode::lite_pull_message, BrokerInMemory::pull_fields("Later", 0, "*", 15'000));
  test.end_turn();
  EXPECT_FALSE(test.answer_to(asked));
  (void)test.send("Later", "first");
  EXPECT_EQ(code(test.answer_to(asked)), 0);
}

TEST(PullProcessor, AHeldPullWaitsForItsTag) {
  BrokerInMemory test;
  send_some(test, 1);
  const auto asked =
      test.ask(RequestCode::pull_message, BrokerInMemory::pull_fields("Orders", 1, "b", 15'000));
  test.end_turn();
  (void)test.send("Orders", "other", "TAGS\1a\2");
  EXPECT_FALSE(test.answer_to(asked));
  (void)test.send("Orders", "wanted", "TAGS\1b\2");
  const auto answer = test.answer_to(asked);
  EXPECT_EQ(code(answer), 0);
  const std::string body = body_of(*answer);
  ASSERT_EQ(messages_in(body).size(), 1U);
  EXPECT_EQ(field(answer, "nextBeginOffset"), "3");
}

TEST(PullProcessor, AHeldPullsTimeIsUp) {
  BrokerInMemory test;
  send_some(test, 1);
  const auto asked =
      test.ask(RequestCode::pull_message, BrokerInMemory::pull_fields("Orders", 1, "*", 15'000));
  test.end_turn();
  test.clock.now += 14'999;
  (void)test.broker->scheduler().run_due();
  EXPECT_FALSE(test.answer_to(asked));
  test.clock.now += 501;
  (void)test.broker->scheduler().run_due();
  const auto answer = test.answer_to(asked);
  EXPECT_EQ(code(answer), 19);
  EXPECT_EQ(field(answer, "nextBeginOffset"), "1");
}

TEST(PullProcessor, WhatWasFilteredMeanwhileIsSkippedWhenTheTimeIsUp) {
  BrokerInMemory test;
  send_some(test, 1);
  const auto asked =
      test.ask(RequestCode::pull_message, BrokerInMemory::pull_fields("Orders", 1, "b", 15'000));
  test.end_turn();
  send_some(test, 3, "TAGS\1a\2");
  test.clock.now += 20'000;
  (void)test.broker->scheduler().run_due();
  const auto answer = test.answer_to(asked);
  EXPECT_EQ(code(answer), 20);
  EXPECT_EQ(field(answer, "nextBeginOffset"), "4");
}

TEST(PullProcessor, ShortPolling) {
  BrokerInMemory test(wire::Properties{{"longPollingEnable", "false"}, {"shortPollingTimeMills", "1000"}});
  send_some(test, 1);
  const auto asked =
      test.ask(RequestCode::pull_message, BrokerInMemory::pull_fields("Orders", 1, "*", 15'000));
  test.end_turn();
  test.clock.now += 1000;
  (void)test.broker->scheduler().run_due();
  EXPECT_EQ(code(test.answer_to(asked)), 19);
}

TEST(PullProcessor, WithSyncFlushAHeldPullSeesOnlyWhatIsOnDisk) {
  BrokerInMemory test(wire::Properties{{"flushDiskType", "SYNC_FLUSH"}});
  const auto first = test.ask(RequestCode::send_message_v2, BrokerInMemory::send_fields("Orders"), "a");
  test.end_turn();
  ASSERT_TRUE(test.broker->store().work());
  EXPECT_EQ(code(test.answer_to(first)), 0);
  const auto asked =
      test.ask(RequestCode::pull_message, BrokerInMemory::pull_fields("Orders", 1, "*", 15'000));
  (void)test.ask(RequestCode::send_message_v2, BrokerInMemory::send_fields("Orders"), "b");
  test.end_turn();
  EXPECT_FALSE(test.answer_to(asked));
  ASSERT_TRUE(test.broker->store().work());
  EXPECT_EQ(code(test.answer_to(asked)), 0);
}

// A pull dispatches what others put, and the held pull that it wakes is answered on the way: each gets its
// own.
TEST(PullProcessor, APullThatWakesAnother) {
  BrokerInMemory test(wire::Properties{{"flushDiskType", "SYNC_FLUSH"}});
  const auto put = [&](std::string_view topic, std::string_view body) {
    (void)test.send(topic, body);
    ASSERT_TRUE(test.broker->store().flush());  // on disk, and in no queue yet
  };
  put("Orders", "order0");
  put("Others", "other0");
  const auto asked =
      test.ask(RequestCode::pull_message, BrokerInMemory::pull_fields("Orders", 1, "*", 15'000));
  test.end_turn();
  put("Orders", "order1");
  EXPECT_FALSE(test.answer_to(asked));
  const auto others = test.pull("Others", 0);
  const auto woken = test.answer_to(asked);
  ASSERT_EQ(code(others), 0);
  ASSERT_EQ(code(woken), 0);
  const std::string body = body_of(*others);
  ASSERT_EQ(messages_in(body).size(), 1U);
  EXPECT_EQ(as_text(messages_in(body)[0].body), "other0");
  const std::string woken_body = body_of(*woken);
  ASSERT_EQ(messages_in(woken_body).size(), 1U);
  EXPECT_EQ(as_text(messages_in(woken_body)[0].body), "order1");
}

HeldPull held(const std::shared_ptr<FakeSink>& sink, std::int32_t opaque, std::string topic,
              std::int64_t offset, std::string_view tags, std::int64_t until_ms) {
  wire::Request request;
  request.opaque = opaque;
  OwnedPullHeader header;
  header.topic = std::move(topic);
  header.queue_offset = offset;
  auto subscription = make_subscription(header.topic, tags, "TAG", 0);
  return {std::move(header), std::make_shared<const SubscriptionData>(std::move(*subscription)), until_ms,
          wire::Responder(sink, request)};
}

TEST(HeldPulls, EachIsTakenOnce) {
  const auto sink = std::make_shared<FakeSink>(std::make_shared<FakeConnection>());
  HeldPulls pulls;
  for (std::int32_t i = 0; i < 10; ++i) {
    HeldPull one = held(sink, i, i % 2 == 0 ? "A" : "B", i, i < 6 ? "*" : "t", 1000 + i);
    ASSERT_TRUE(pulls.add(one));
  }
  EXPECT_EQ(pulls.count(), 10);
  const engine::Arrival arrival{"A", 0, 7, java_hash("other"), 0};
  EXPECT_EQ(pulls.take({&arrival, 1}).size(), 3U);  // 0, 2, 4; 6 wants another tag, 8 lies ahead
  EXPECT_EQ(pulls.take("A", 0, 7).size(), 1U);
  EXPECT_EQ(pulls.take_due(1005).size(), 3U);  // 1, 3, 5
  EXPECT_EQ(pulls.take_all().size(), 3U);
  EXPECT_EQ(pulls.count(), 0);
  EXPECT_EQ(pulls.bytes(), 0);
}

TEST(HeldPulls, ClosedConnectionsAreDropped) {
  const auto connection = std::make_shared<FakeConnection>();
  const auto sink = std::make_shared<FakeSink>(connection);
  HeldPulls pulls;
  HeldPull one = held(sink, 1, "A", 0, "*", 1000);
  ASSERT_TRUE(pulls.add(one));
  connection->closed = true;
  EXPECT_TRUE(pulls.take_due(0).empty());
  EXPECT_EQ(pulls.count(), 0);
}

TEST(HeldPulls, MemoryIsBounded) {
  const auto sink = std::make_shared<FakeSink>(std::make_shared<FakeConnection>());
  HeldPulls pulls;
  std::int32_t taken = 0;
  for (;; ++taken) {
    HeldPull one = held(sink, taken, "A", 0, std::string(1 << 20, 'x'), 1000);
    if (!pulls.add(one)) {
      EXPECT_EQ(one.header.topic, "A");  // as it was
      break;
    }
  }
  EXPECT_GT(taken, 10);
  EXPECT_LE(pulls.bytes(), HeldPulls::kMostBytes);
}

}  // namespace
}  // namespace rmq::broker
