// CONSUMER_SEND_MSG_BACK: redelivery after a while, and the dead letters.
#include <gmock/gmock.h>

#include <string>

#include "libstore/format/message_properties.h"
#include "tests/broker/broker_in_memory.h"

namespace rmq::broker {
namespace {

using format::find_property;
using ::testing::HasSubstr;

class SendBack : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto sent = broker_.send("T", "body", "TAGS\1tg\2KEYS\1ky\2UNIQ_KEY\1u\2");
    ASSERT_EQ(code(sent), 0);
    message_id_ = field(sent, "msgId");
  }
  // The message's place in the log, out of its id.
  [[nodiscard]] std::string offset() const {
    return std::to_string(std::stoll(message_id_.substr(16), nullptr, 16));
  }
  [[nodiscard]] wire::Fields fields(const std::string& level) const {
    return {{"offset", offset()},         {"group", "g"},       {"delayLevel", level},
            {"originMsgId", message_id_}, {"originTopic", "T"}, {"unitMode", "false"},
            {"maxReconsumeTimes", "16"}};
  }
  std::optional<wire::Response> back(const wire::Fields& fields) {
    return broker_.call(RequestCode::consumer_send_msg_back, fields);
  }
  // The last message of a queue, owned by record_.
  std::optional<format::MessageView> last(const std::string& topic, std::int32_t queue = 0) {
    const auto end = broker_.broker->store().max_offset(topic, queue);
    if (!end || *end == 0) return std::nullopt;
    const auto got = broker_.broker->store().get(topic, queue, *end - 1);
    if (!got || got->messages.empty()) return std::nullopt;
    record_ = got->bytes;
    return *format::MessageView::parse(record_);
  }
  void set_group(const std::string& members) {
    const auto parsed = json::parse(R"({"groupName":"g",)" + members + "}");
    ASSERT_TRUE(parsed);
    ASSERT_TRUE(broker_.broker->groups().update(*parsed));
  }
  void pass(std::int64_t milliseconds) {
    broker_.clock.now += milliseconds;
    for (int i = 0; i != 4; ++i) {
      (void)broker_.broker->scheduler().run_due();
      broker_.clock.now += 1;
    }
  }

  BrokerInMemory broker_;
  std::string message_id_;
  std::vector<std::byte> record_;
};

TEST_F(SendBack, WaitsForItsLevelAndComesAgain) {
  ASSERT_EQ(code(back(fields("1"))), 0);
  const auto waiting = last("SCHEDULE_TOPIC_XXXX", 0);
  ASSERT_TRUE(waiting);
  EXPECT_EQ(find_property(waiting->properties, "REAL_TOPIC"), "%RETRY%g");
  EXPECT_EQ(waiting->reconsume_times, 1);
  pass(990);
  EXPECT_FALSE(last("%RETRY%g"));
  pass(10);
  const auto again = last("%RETRY%g");
  ASSERT_TRUE(again);
  EXPECT_EQ(as_text(again->body), "body");
  EXPECT_EQ(again->reconsume_times, 1);
  EXPECT_EQ(find_property(again->properties, "RETRY_TOPIC"), "T");
  EXPECT_EQ(find_property(again->properties, "ORIGIN_MESSAGE_ID"), message_id_);
  EXPECT_EQ(find_property(again->properties, "TAGS"), "tg");
  EXPECT_EQ(find_property(again->properties, "UNIQ_KEY"), "u");
  EXPECT_EQ(find_property(again->properties, "WAIT"), "false");
  EXPECT_EQ(find_property(again->properties, "DELAY"), "1");
}

TEST_F(SendBack, OriginIsSaidOnceHoweverOftenItComesBack) {
  ASSERT_EQ(code(back(fields("1"))), 0);
  pass(1000);
  const auto first = last("%RETRY%g");
  ASSERT_TRUE(first);
  ASSERT_EQ(code(back(with(fields("1"), "offset", std::to_string(first->physical_offset)))), 0);
  pass(1000);
  const auto second = last("%RETRY%g");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->reconsume_times, 2);
  EXPECT_EQ(find_property(second->properties, "RETRY_TOPIC"), "T");
  EXPECT_EQ(find_property(second->properties, "ORIGIN_MESSAGE_ID"), message_id_);
}

TEST_F(SendBack, WithoutALevelItIsTenSecondsAtFirst) {
  ASSERT_EQ(code(back(fields("0"))), 0);
  const auto waiting = last("SCHEDULE_TOPIC_XXXX", 2);
  ASSERT_TRUE(waiting);
  EXPECT_EQ(find_property(waiting->properties, "DELAY"), "3");
}

TEST_F(SendBack, ANegativeLevelGoesToTheDeadLetters) {
  ASSERT_EQ(code(back(fields("-1"))), 0);
  const auto dead = last("%DLQ%g");
  ASSERT_TRUE(dead);
  EXPECT_EQ(find_property(dead->properties, "RETRY_TOPIC"), "T");
  EXPECT_EQ(find_property(dead->properties, "DELAY"), "0");
  EXPECT_EQ(dead->reconsume_times, 1);
  const TopicConfigPtr topic = broker_.broker->topics().find("%DLQ%g");
  ASSERT_NE(topic, nullptr);
  EXPECT_EQ(topic->write_queues, 1);
  EXPECT_EQ(topic->perm, 6);
}

TEST_F(SendBack, TooManyDeliveriesGoToTheDeadLetters) {
  ASSERT_EQ(code(back(with(fields("1"), "maxReconsumeTimes", "0"))), 0);
  EXPECT_TRUE(last("%DLQ%g"));
}

TEST_F(SendBack, TheGroupSaysHowManyWhereTheClientDoesNot) {
  set_group(R"("retryMaxTimes":0)");
  ASSERT_EQ(code(back(without(fields("1"), "maxReconsumeTimes"))), 0);
  EXPECT_TRUE(last("%DLQ%g"));
}

TEST_F(SendBack, AGroupWithoutRetryQueuesWantsNothingBack) {
  set_group(R"("retryQueueNums":0)");
  EXPECT_EQ(code(back(fields("1"))), 0);
  EXPECT_EQ(broker_.broker->topics().find("%RETRY%g"), nullptr);
  EXPECT_FALSE(last("SCHEDULE_TOPIC_XXXX", 0));
}

TEST_F(SendBack, RefusalsInTheirOrder) {
  broker_.config->apply({{"autoCreateSubscriptionGroup", "false"}, {"brokerPermission", "4"}});
  const auto unknown = back(fields("1"));
  EXPECT_EQ(code(unknown), 26);
  EXPECT_THAT(remark(unknown), HasSubstr("subscription group not exist, g"));
  broker_.config->apply({{"autoCreateSubscriptionGroup", "true"}});
  const auto forbidden = back(fields("1"));
  EXPECT_EQ(code(forbidden), 16);
  EXPECT_EQ(remark(forbidden), "the broker[127.0.0.1] sending message is forbidden");
  broker_.config->apply({{"brokerPermission", "6"}});
  format::TopicConfig retry;
  retry.name = "%RETRY%g";
  retry.perm = 4;
  broker_.broker->topics().create_if_absent(retry);
  const auto read_only = back(fields("1"));
  EXPECT_EQ(code(read_only), 16);
  EXPECT_EQ(remark(read_only), "the topic[%RETRY%g] sending message is forbidden");
}

TEST_F(SendBack, AnOffsetWithoutAMessageIsSaid) {
  for (const char* offset : {"1000000000", "-1", "1"}) {
    const auto refused = back(with(fields("1"), "offset", offset));
    EXPECT_EQ(code(refused), 1);
    EXPECT_EQ(remark(refused), std::string("look message by offset failed, ") + offset);
  }
  EXPECT_EQ(code(back(without(fields("1"), "group"))), 1);
}

}  // namespace
}  // namespace rmq::broker
