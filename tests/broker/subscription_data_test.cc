#include "servers/broker/subscription_data.h"

#include <gmock/gmock.h>

#include "libstore/json/json_writer.h"
#include "servers/broker/heartbeat_data.h"

namespace rmq::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(SubscriptionData, TagsAreSplitAtDoubleBarsAndTrimmed) {
  const auto made = make_subscription("T", " a||b ||  || a", "", 7);
  ASSERT_TRUE(made);
  EXPECT_THAT(made->tags, ElementsAre("a", "b"));
  EXPECT_THAT(made->codes, ElementsAre(97, 98));
  EXPECT_EQ(made->sub_string, " a||b ||  || a");
  EXPECT_EQ(made->expression_type, "TAG");
  EXPECT_EQ(made->version, 7);
}

TEST(SubscriptionData, NothingIsEverything) {
  for (const char* text : {"", "*"}) {
    const auto made = make_subscription("T", text, "TAG", 0);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->sub_string, "*");
    EXPECT_THAT(made->tags, IsEmpty());
    EXPECT_TRUE(made->wants(0));
    EXPECT_TRUE(made->wants(-5));
  }
}

TEST(SubscriptionData, SeparatorsAloneAreNoSubscription) {
  const auto made = make_subscription("T", "||||", "TAG", 0);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message(), "subString split error");
}

TEST(SubscriptionData, BlanksAloneAreASubscriptionToNoTag) {
  const auto made = make_subscription("T", "  ", "TAG", 0);
  ASSERT_TRUE(made);
  EXPECT_THAT(made->codes, IsEmpty());
  EXPECT_FALSE(made->wants(0));
}

TEST(SubscriptionData, WantsTheLowHalfOfATagsCode) {
  const auto made = make_subscription("T", "Aa || x", "TAG", 0);
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->wants(2112));  // "BB" has the same hash: the client tells them apart
  EXPECT_TRUE(made->wants(2112 + (std::int64_t{1} << 32)));
  EXPECT_FALSE(made->wants(2113));
}

TEST(SubscriptionData, AnotherExpressionIsKeptAsItIs) {
  const auto made = make_subscription("T", "a > 5", "SQL92", 3);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->sub_string, "a > 5");
  EXPECT_EQ(made->expression_type, "SQL92");
  EXPECT_THAT(made->codes, IsEmpty());
  const auto empty = make_subscription("T", "", "SQL92", 3);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message(), "Expression can't be null! SQL92");
}

TEST(SubscriptionData, IsWrittenAsFastjsonWritesIt) {
  const auto made = make_subscription("T", "b || a", "", 12);
  ASSERT_TRUE(made);
  EXPECT_EQ(json::write_fastjson(to_json(*made), {.pretty = false}),
            R"({"classFilterMode":false,"codeSet":[97,98],"expressionType":"TAG","subString":"b || a",)"
            R"("subVersion":12,"tagsSet":["a","b"],"topic":"T"})");
}

TEST(SubscriptionData, ReadsWhatItWrites) {
  const auto made = make_subscription("T", "b || a", "", 12);
  ASSERT_TRUE(made);
  const auto parsed = json::parse(json::write_fastjson(to_json(*made), {.pretty = false}));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(read_subscription(*parsed, 99), *made);
}

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(HeartbeatData, AsTheJavaClientWritesIt) {
  const auto read = read_heartbeat(
      bytes(R"({"clientID":"10.0.0.1@7","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_TIMESTAMP",)"
            R"("consumeType":"CONSUME_PASSIVELY","groupName":"g","messageModel":"CLUSTERING",)"
            R"("subscriptionDataSet":[{"classFilterMode":false,"codeSet":[3552281],"expressionType":"TAG",)"
            R"("subString":"tags","subVersion":5,"tagsSet":["tags"],"topic":"T"}],"unitMode":true}],)"
            R"("heartbeatFingerprint":-4,"producerDataSet":[{"groupName":"p"}],"withoutSub":true})"),
      100);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->client_id, "10.0.0.1@7");
  EXPECT_EQ(read->fingerprint, -4);
  EXPECT_TRUE(read->without_subscriptions);
  EXPECT_THAT(read->producer_groups, ElementsAre("p"));
  ASSERT_EQ(read->consumers.size(), 1U);
  const ConsumerData& consumer = read->consumers[0];
  EXPECT_EQ(consumer.group, "g");
  EXPECT_EQ(consumer.consume_type, ConsumeType::passively);
  EXPECT_EQ(consumer.message_model, MessageModel::clustering);
  EXPECT_EQ(consumer.consume_from_where, ConsumeFromWhere::timestamp);
  EXPECT_TRUE(consumer.unit_mode);
  ASSERT_EQ(consumer.subscriptions.size(), 1U);
  EXPECT_EQ(consumer.subscriptions[0].topic, "T");
  EXPECT_THAT(consumer.subscriptions[0].codes, ElementsAre(3552281));
}

TEST(HeartbeatData, AsTheCppClientWritesItWithNumbers) {
  const auto read = read_heartbeat(
      bytes(R"({"clientID":"c","consumerDataSet":[{"consumeFromWhere":4,"consumeType":1,"groupName":"g",)"
            R"("messageModel":0,"subscriptionDataSet":[{"codeSet":["97"],"subString":"a","subVersion":"5",)"
            R"("tagsSet":["a"],"topic":"T"}]}]})"),
      100);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->consumers.size(), 1U);
  EXPECT_EQ(read->consumers[0].consume_type, ConsumeType::passively);
  EXPECT_EQ(read->consumers[0].message_model, MessageModel::broadcasting);
  EXPECT_EQ(read->consumers[0].consume_from_where, ConsumeFromWhere::first_offset);
  EXPECT_THAT(read->consumers[0].subscriptions[0].codes, ElementsAre(97));
  EXPECT_EQ(read->consumers[0].subscriptions[0].version, 5);
}

TEST(HeartbeatData, WhatJavaWouldLeaveNullIsNothing) {
  const auto read = read_heartbeat(
      bytes(
          R"({"clientID":"c","consumerDataSet":[{"groupName":"g","consumeType":"CONSUME_SOMEHOW",)"
          R"("messageModel":2,"subscriptionDataSet":[{"subString":"a"},{"topic":"T","codeSet":[5000000000]}]},)"
          R"({"consumeType":"CONSUME_POP"},7],"producerDataSet":[{},null]})"),
      100);
  ASSERT_TRUE(read);
  EXPECT_THAT(read->producer_groups, IsEmpty());
  ASSERT_EQ(read->consumers.size(), 1U);
  EXPECT_EQ(read->consumers[0].consume_type, std::nullopt);
  EXPECT_EQ(read->consumers[0].message_model, std::nullopt);
  ASSERT_EQ(read->consumers[0].subscriptions.size(), 1U);
  EXPECT_EQ(read->consumers[0].subscriptions[0].version, 100);
  EXPECT_THAT(read->consumers[0].subscriptions[0].codes, IsEmpty());
}

TEST(HeartbeatData, WithoutAClientItIsNone) {
  EXPECT_FALSE(read_heartbeat(bytes(R"({"producerDataSet":[{"groupName":"p"}]})"), 0));
  EXPECT_FALSE(read_heartbeat(bytes("[]"), 0));
  EXPECT_FALSE(read_heartbeat(bytes("{"), 0));
  EXPECT_FALSE(read_heartbeat({}, 0));
}

}  // namespace
}  // namespace rmq::broker
