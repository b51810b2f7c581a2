// Messages come in: what is stored, what a client is told, and what is refused with which words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "libstore/format/message_properties.h"
#include "libstore/format/sys_flag.h"
#include "tests/broker/batch_text.h"
#include "tests/broker/broker_in_memory.h"

namespace rmq::broker {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

format::MessageView parsed(const std::vector<std::byte>& record) {
  const auto message = format::MessageView::parse(record);
  EXPECT_TRUE(message);
  return message ? *message : format::MessageView();
}

TEST(SendProcessor, StoresWhatWasSentAndTellsWhere) {
  BrokerInMemory test;
  const auto answer = test.send("Orders", "hello",
                                "TAGS\1a\2UNIQ_KEY\1"
                                "0123\2");
  EXPECT_EQ(code(answer), 0);
  EXPECT_FALSE(answer->remark);
  EXPECT_EQ(field(answer, "msgId"), "7F00000100002A9F0000000000000000");
  EXPECT_EQ(field(answer, "queueId"), "0");
  EXPECT_EQ(field(answer, "queueOffset"), "0");
  EXPECT_EQ(field(answer, "transactionId"), "0123");
  EXPECT_EQ(field(answer, "MSG_REGION"), "DefaultRegion");
  EXPECT_EQ(field(answer, "TRACE_ON"), "true");
  EXPECT_EQ(field(answer, "batchUniqId"), "(no field)");

  const auto record = test.broker->store().look_up(0);
  ASSERT_TRUE(record);
  const format::MessageView message = parsed(*record);
  EXPECT_EQ(message.topic, "Orders");
  EXPECT_EQ(as_text(message.body), "hello");
  EXPECT_EQ(message.flag, 5);
  EXPECT_EQ(message.born_timestamp, 1699999999000);
  EXPECT_EQ(message.store_timestamp, test.clock.now);
  EXPECT_EQ(format::to_string(message.born_host), "127.0.0.1:50001");
  EXPECT_EQ(format::to_string(message.store_host), "127.0.0.1:10911");
  EXPECT_EQ(message.properties,
            "TAGS\1a\2UNIQ_KEY\1"
            "0123\2MSG_REGION\1DefaultRegion\2TRACE_ON\1true\2CLUSTER\1DefaultCluster\2");
}

TEST(SendProcessor, ASenderOverV6) {
  BrokerInMemory test;
  test.sink = std::make_shared<FakeSink>(std::make_shared<FakeConnection>("[2001:db8::7]:4000"));
  // The client's own idea of the addresses does not count.
  auto fields = with(BrokerInMemory::send_fields("Orders"), "f", "32");
  EXPECT_EQ(code(test.call(RequestCode::send_message_v2, fields, "hello")), 0);
  const auto record = test.broker->store().look_up(0);
  ASSERT_TRUE(record);
  EXPECT_EQ(format::to_string(parsed(*record).born_host), "[2001:db8:0:0:0:0:0:7]:4000");
  EXPECT_EQ(parsed(*record).sys_flag, format::kSysFlagBornHostV6);
}

TEST(SendProcessor, MakesAUniqueKeyWhereThereIsNone) {
  BrokerInMemory test;
  const auto answer = test.send("Orders", "hello");
  const std::string made = field(answer, "transactionId");
  EXPECT_EQ(made.size(), 32U);
  const auto record = test.broker->store().look_up(0);
  ASSERT_TRUE(record);
  EXPECT_EQ(format::find_property(parsed(*record).properties, "UNIQ_KEY"), made);
}

TEST(SendProcessor, ATurnIsOneAppend) {
  BrokerInMemory test;
  std::vector<std::int32_t> asked;
  for (int i = 0; i < 50; ++i)
    asked.push_back(test.ask(RequestCode::send_message_v2,
                             BrokerInMemory::send_fields("Orders", std::to_string(i % 4)),
                             std::to_string(i)));
  EXPECT_TRUE(test.sink->answers.empty());
  test.end_turn();
  for (int i = 0; i < 50; ++i) {
    const auto answer = test.answer_to(asked[static_cast<std::size_t>(i)]);
    EXPECT_EQ(code(answer), 0);
    EXPECT_EQ(field(answer, "queueOffset"), std::to_string(i / 4));
  }
  const auto puts = test.broker->store().statistics();
  ASSERT_EQ(puts.topics.size(), 1U);
  EXPECT_EQ(puts.topics.front().messages, 50);
  EXPECT_EQ(std::reduce(puts.puts_by_time.begin(), puts.puts_by_time.end()), 1);  // however long it took
  EXPECT_EQ(test.broker->stats().total(StatsName::topic_put_nums, "Orders"), 50);
  EXPECT_EQ(test.broker->stats().total(StatsName::broker_put_nums, "DefaultCluster"), 50);
}

TEST(SendProcessor, OneOfATurnThatIsRefusedHoldsUpNoOther) {
  BrokerInMemory test(wire::Properties{{"maxMessageSize", "100"}});
  const auto first = test.ask(RequestCode::send_message_v2, BrokerInMemory::send_fields("Orders"), "a");
  const auto large =
      test.ask(RequestCode::send_message_v2, BrokerInMemory::send_fields("Orders"), std::string(101, 'x'));
  const auto illegal = test.ask(RequestCode::send_message_v2, BrokerInMemory::send_fields("bad topic"), "a");
  EXPECT_EQ(code(test.answer_to(illegal)), 29);  // at once
  const auto last = test.ask(RequestCode::send_message_v2, BrokerInMemory::send_fields("Orders"), "b");
  test.end_turn();
  EXPECT_EQ(field(test.answer_to(first), "queueOffset"), "0");
  EXPECT_EQ(field(test.answer_to(last), "queueOffset"), "1");
  const auto refused = test.answer_to(large);
  EXPECT_EQ(code(refused), 13);
  EXPECT_EQ(
      remark(refused),
      "the message is illegal, maybe msg body or properties length not matched. msg body length limit 100B, "
      "msg properties length limit 32KB.");
  EXPECT_EQ(field(refused, "MSG_REGION"), "DefaultRegion");
}

TEST(SendProcessor, OneWayIsStoredAndNotAnswered) {
  BrokerInMemory test;
  (void)test.ask(RequestCode::send_message_v2, BrokerInMemory::send_fields("Orders"), "a", wire::kOnewayFlag);
  (void)test.ask(RequestCode::send_message_v2, BrokerInMemory::send_fields("bad topic"), "a",
                 wire::kOnewayFlag);
  test.end_turn();
  EXPECT_TRUE(test.sink->answers.empty());
  EXPECT_EQ(test.broker->store().max_offset("Orders", 0), 1);
}

TEST(SendProcessor, TheChecksAndTheirWords) {
  BrokerInMemory test(wire::Properties{{"brokerIP1", "127.0.0.1"}});
  const auto told = [&](std::string_view topic, std::string_view queue = "0",
                        std::string_view properties = "") {
    return test.send(topic, "x", properties, queue);
  };
  auto answer = told("bad topic");
  EXPECT_EQ(code(answer), 29);
  EXPECT_EQ(remark(answer),
            "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$");
  EXPECT_EQ(code(told(std::string(128, 'q'))), 29);
  answer = told("SCHEDULE_TOPIC_XXXX");
  EXPECT_EQ(code(answer), 16);
  EXPECT_EQ(remark(answer), "Sending message to topic[SCHEDULE_TOPIC_XXXX] is forbidden.");
  answer = told("Orders", "4");
  EXPECT_EQ(code(answer), 29);
  EXPECT_EQ(
      remark(answer),
      "request queueId[4] is illegal, TopicConfig [topicName=Orders, readQueueNums=4, writeQueueNums=4, "
      "perm=RW-, topicFilterType=SINGLE_TAG, topicSysFlag=0, order=false, attributes={}] Producer: "
      "127.0.0.1:50001");
  answer = told("Orders", "0", "TRAN_MSG\1true\2");
  EXPECT_EQ(code(answer), 16);
  EXPECT_EQ(remark(answer), "the broker[127.0.0.1] sending transaction message is forbidden");
  answer = told("Orders", "0",
                "TIMER_DELAY_MS\1"
                "500\2");
  EXPECT_EQ(code(answer), 1);
  EXPECT_EQ(remark(answer), "accurate timer message is not enabled, timerWheelEnable is false");
  EXPECT_EQ(code(told("Orders", "0", "DELAY\1soon\2")), 1);
  EXPECT_EQ(code(told("Orders", "0",
                      "INNER_NUM\1"
                      "2\2")),
            13);
  EXPECT_EQ(code(told("Orders", "0", "big\1" + std::string(32767, 'x') + "\2")), 13);
  EXPECT_EQ(code(test.send("Orders", "")), 1);
  EXPECT_EQ(
      code(test.call(RequestCode::send_message_v2, without(BrokerInMemory::send_fields("Orders"), "e"), "x")),
      1);
  EXPECT_EQ(test.broker->store().max_offset("Orders", 0), std::nullopt);
}

TEST(SendProcessor, AnUnknownTopicIsMadeOrNot) {
  BrokerInMemory test;
  auto fields = with(BrokerInMemory::send_fields("NewOne"), "d", "3");
  EXPECT_EQ(code(test.call(RequestCode::send_message_v2, fields, "x")), 0);
  const TopicConfigPtr made = test.broker->topics().find("NewOne");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->write_queues, 3);
  EXPECT_EQ(made->perm, 6);

  BrokerInMemory strict(wire::Properties{{"autoCreateTopicEnable", "false"}});
  const auto refused = strict.send("NewOne", "x");
  EXPECT_EQ(code(refused), 17);
  EXPECT_THAT(remark(refused), StartsWith("topic[NewOne] not exist, apply first please!\nSee https://"));
}

TEST(SendProcessor, ABrokerThatIsNotWritable) {
  BrokerInMemory test(wire::Properties{{"brokerPermission", "4"}});
  format::TopicConfig ordered;
  ordered.name = "InOrder";
  ordered.order = true;
  (void)test.broker->topics().create_if_absent(ordered);
  const auto refused = test.send("InOrder", "x");
  EXPECT_EQ(code(refused), 16);
  EXPECT_EQ(remark(refused), "the broker[127.0.0.1] sending message is forbidden");
}

TEST(SendProcessor, NotYet) {
  BrokerInMemory test(wire::Properties{{"startAcceptSendRequestTimeStamp", "1700000060000"}});
  const auto refused = test.send("Orders", "x");
  EXPECT_EQ(code(refused), 1);
  EXPECT_THAT(remark(refused), StartsWith("broker unable to service, until 2023-11-"));
  test.clock.now = 1700000060000;
  EXPECT_EQ(code(test.send("Orders", "x")), 0);
}

TEST(SendProcessor, ANegativeQueueIsAnyOfThem) {
  BrokerInMemory test;
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) seen.insert(field(test.send("Orders", "x", "", "-1"), "queueId"));
  EXPECT_EQ(seen, (std::set<std::string>{"0", "1", "2", "3"}));
}

TEST(SendProcessor, ABatchIsSeveralMessagesInOneAnswer) {
  BrokerInMemory test;
  const std::string body = batch_element("one", "TAGS\1a\2KEYS\1k1", 1) + batch_element("two", "");
  auto fields = with(BrokerInMemory::send_fields("Orders", "1", "WAIT\1true\2"), "m", "true");
  const auto answer = test.call(RequestCode::send_batch_message, fields, body);
  EXPECT_EQ(code(answer), 0);
  EXPECT_EQ(field(answer, "queueId"), "1");
  EXPECT_EQ(field(answer, "queueOffset"), "0");
  const std::string ids = field(answer, "msgId");
  ASSERT_EQ(ids.size(), 65U);
  EXPECT_EQ(ids.substr(0, 33), "7F00000100002A9F0000000000000000,");
  EXPECT_EQ(test.broker->store().max_offset("Orders", 1), 2);
  const auto record = test.broker->store().look_up(0);
  ASSERT_TRUE(record);
  EXPECT_EQ(parsed(*record).flag, 1);
  EXPECT_EQ(
      parsed(*record).properties,
      "TAGS\1a\2KEYS\1k1\2WAIT\1true\2MSG_REGION\1DefaultRegion\2TRACE_ON\1true\2CLUSTER\1DefaultCluster\2");
  const auto second = test.broker->store().look_up(std::stoll(ids.substr(33 + 16), nullptr, 16));
  ASSERT_TRUE(second);
  EXPECT_EQ(as_text(parsed(*second).body), "two");
}

TEST(SendProcessor, WhatIsNoBatch) {
  BrokerInMemory test;
  const auto told = [&](std::string_view topic, const std::string& body, std::string_view properties = "") {
    return test.call(RequestCode::send_batch_message,
                     with(BrokerInMemory::send_fields(topic, "0", properties), "m", "true"), body);
  };
  const std::string body = batch_element("one", "");
  EXPECT_EQ(code(told("Orders", body.substr(0, body.size() - 1))), 1);
  EXPECT_EQ(code(told("Orders", "")), 13);
  auto answer = told("%RETRY%consumers", body);
  EXPECT_EQ(code(answer), 13);
  EXPECT_EQ(remark(answer), "batch request does not support retry group %RETRY%consumers");
  EXPECT_EQ(code(told("Orders", body,
                      "DELAY\1"
                      "3\2")),
            13);
  EXPECT_EQ(test.broker->store().max_offset("Orders", 0), std::nullopt);
}

TEST(SendProcessor, ABatchTooLargeIsRefusedAsAWhole) {
  BrokerInMemory test(wire::Properties{{"maxMessageSize", "1000"}});
  std::string body;
  for (int i = 0; i < 20; ++i) body += batch_element(std::string(50, 'x'), "");
  const auto refused = test.call(RequestCode::send_batch_message,
                                 with(BrokerInMemory::send_fields("Orders"), "m", "true"), body);
  EXPECT_EQ(code(refused), 1);
  EXPECT_EQ(remark(refused), "message body size exceeded");
  EXPECT_EQ(test.broker->store().max_offset("Orders", 0), std::nullopt);
}

TEST(SendProcessor, ABatchOfABatchTopicIsOneRecord) {
  BrokerInMemory test;
  format::TopicConfig batches;
  batches.name = "Batches";
  batches.attributes = {{"queue.type", "BatchCQ"}};
  (void)test.broker->topics().create_if_absent(batches);
  const std::string body = batch_element("one", "") + batch_element("two", "") + batch_element("three", "");
  auto fields = with(BrokerInMemory::send_fields("Batches", "0", "UNIQ_KEY\1u\2"), "m", "true");
  const auto answer = test.call(RequestCode::send_batch_message, fields, body);
  EXPECT_EQ(code(answer), 0);
  EXPECT_EQ(field(answer, "batchUniqId"), "u");
  EXPECT_EQ(field(answer, "msgId").size(), 32U);
  const auto record = test.broker->store().look_up(0);
  ASSERT_TRUE(record);
  EXPECT_EQ(parsed(*record).sys_flag, format::kSysFlagInnerBatch | format::kSysFlagNeedUnwrap);
  EXPECT_EQ(format::find_property(parsed(*record).properties, "INNER_NUM"), "3");
  EXPECT_EQ(test.broker->store().max_offset("Batches", 0), 3);
}

TEST(SendProcessor, ADelayedMessageGoesToItsLevel) {
  BrokerInMemory test;
  const auto answer = test.send("Orders", "x",
                                "DELAY\1"
                                "3\2TIMER_DELAY_MS\1"
                                "5\2",
                                "2");
  EXPECT_EQ(code(answer), 0);
  EXPECT_EQ(field(answer, "queueId"), "2");
  EXPECT_EQ(test.broker->store().max_offset("SCHEDULE_TOPIC_XXXX", 2), 1);
  const auto record = test.broker->store().look_up(0);
  ASSERT_TRUE(record);
  const std::string_view properties = parsed(*record).properties;
  EXPECT_EQ(format::find_property(properties, "REAL_TOPIC"), "Orders");
  EXPECT_EQ(format::find_property(properties, "REAL_QID"), "2");
  EXPECT_EQ(format::find_property(properties, "DELAY"), "3");
  EXPECT_EQ(format::find_property(properties, "TIMER_DELAY_MS"), std::nullopt);
  EXPECT_EQ(code(test.send("Orders", "x",
                           "DELAY\1"
                           "99\2")),
            0);
  EXPECT_EQ(test.broker->store().max_offset("SCHEDULE_TOPIC_XXXX", 17), 1);
  EXPECT_EQ(code(test.send("Orders", "x",
                           "DELAY\1"
                           "0\2")),
            0);
  EXPECT_EQ(test.broker->store().max_offset("Orders", 0), 1);
}

TEST(SendProcessor, WhatAConsumerPutsBackTooOftenIsADeadLetter) {
  BrokerInMemory test(wire::Properties{{"autoCreateSubscriptionGroup", "false"}});
  auto unknown = test.send("%RETRY%nobody", "x");
  EXPECT_EQ(code(unknown), 26);
  EXPECT_THAT(remark(unknown), StartsWith("subscription group not exist, nobody \nSee"));

  BrokerInMemory known;
  auto fields = with(BrokerInMemory::send_fields("%RETRY%consumers"), "j", "16");
  EXPECT_EQ(code(known.call(RequestCode::send_message_v2, fields, "x")), 0);
  EXPECT_EQ(known.broker->store().max_offset("%RETRY%consumers", 0), 1);
  fields = with(fields, "j", "17");
  EXPECT_EQ(code(known.call(RequestCode::send_message_v2, fields, "x")), 0);
  EXPECT_EQ(known.broker->store().max_offset("%DLQ%consumers", 0), 1);
  fields = with(fields, "j", "3");
  fields.emplace_back("l", "2");
  EXPECT_EQ(code(known.call(RequestCode::send_message_v2, fields, "x")), 0);
  EXPECT_EQ(known.broker->store().max_offset("%DLQ%consumers", 0), 2);
}

TEST(SendProcessor, SyncFlushAnswersWhenTheDiskHasIt) {
  BrokerInMemory test(wire::Properties{{"flushDiskType", "SYNC_FLUSH"}});
  const auto waits = test.ask(RequestCode::send_message_v2, BrokerInMemory::send_fields("Orders"), "a");
  const auto hasty = test.ask(RequestCode::send_message_v2,
                              BrokerInMemory::send_fields("Orders", "0", "WAIT\1false\2"), "b");
  test.end_turn();
  EXPECT_EQ(code(test.answer_to(hasty)), 0);
  EXPECT_FALSE(test.answer_to(waits));
  ASSERT_TRUE(test.broker->store().work());
  EXPECT_EQ(code(test.answer_to(waits)), 0);
  EXPECT_EQ(test.broker->stats().total(StatsName::topic_put_nums, "Orders"), 2);
}

// Sends, sometimes a flush, then the power fails: nothing that was acknowledged is missing.
TEST(SendProcessor, NoPowerLossTakesAnAcknowledgedMessage) {
  for (int seed = 0; seed < 40; ++seed) {
    BrokerInMemory test(wire::Properties{{"flushDiskType", "SYNC_FLUSH"}, {"mappedFileSizeCommitLog", "16384"}});
    std::minstd_rand random(static_cast<unsigned>(seed + 1));
    std::map<std::int32_t, std::string> asked;
    std::vector<std::string> acknowledged;
    const auto collect = [&] {
      for (const auto& [opaque, answer] : test.sink->answers)
        if (answer.code == 0) acknowledged.push_back(asked.at(opaque));
      test.sink->answers.clear();
    };
    const int turns = static_cast<int>(random() % 30) + 1;
    for (int turn = 0; turn < turns; ++turn) {
      for (auto sends = random() % 8; sends > 0; --sends) {
        const std::string key = "K" + std::to_string(asked.size());
        const auto opaque = test.ask(RequestCode::send_message_v2,
                                     BrokerInMemory::send_fields("Orders", "0", "UNIQ_KEY\1" + key + "\2"),
                                     std::string(500, 'b'));
        asked[opaque] = key;
      }
      test.end_turn();
      if (random() % 3 == 0) (void)test.broker->store().work();
      collect();
    }
    test.files.lose_power();
    collect();
    test.restart();
    std::set<std::string> there;
    const auto end = test.broker->store().max_offset("Orders", 0).value_or(0);
    for (std::int64_t offset = 0; offset < end;) {
      const auto got = test.broker->store().get("Orders", 0, offset, {});
      ASSERT_TRUE(got && got->status == engine::GetStatus::found);
      for (const auto& one : got->messages) {
        const auto message =
            format::MessageView::parse(std::span(got->bytes).subspan(one.position, one.size));
        ASSERT_TRUE(message);
        there.insert(std::string(*format::find_property(message->properties, "UNIQ_KEY")));
      }
      offset = got->next_begin_offset;
    }
    for (const std::string& key : acknowledged) EXPECT_TRUE(there.contains(key)) << seed << " " << key;
  }
}

TEST(SendProcessor, AFullDiskRefusesWithStocksCodeAndHeals) {
  BrokerInMemory test(wire::Properties{{"mappedFileSizeCommitLog", "65536"}, {"messageIndexEnable", "false"}});
  ASSERT_EQ(code(test.send("Orders", std::string(1000, 'x'))), 0);
  test.files.set_capacity(200'000);
  std::optional<wire::Response> refused;
  int stored = 1;
  for (int i = 0; i < 1000 && !refused; ++i) {
    auto answer = test.send("Orders", std::string(1000, 'x'));
    if (code(answer) == 0) ++stored;
    if (code(answer) != 0) refused = std::move(answer);
  }
  ASSERT_TRUE(refused);
  EXPECT_EQ(code(refused), 1);
  EXPECT_EQ(remark(refused), "create mapped file failed, server is busy or broken.");
  // Reading goes on.
  EXPECT_EQ(code(test.pull("Orders", 0)), 0);
  EXPECT_EQ(test.broker->store().max_offset("Orders", 0), stored);
  test.files.set_capacity(std::int64_t{1} << 40);
  EXPECT_EQ(field(test.send("Orders", "x"), "queueOffset"), std::to_string(stored));
}

}  // namespace
}  // namespace rmq::broker
