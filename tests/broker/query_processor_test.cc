// Questions about messages and queues.
#include <gtest/gtest.h>

#include <string>

#include "libstore/json/json_value.h"
#include "tests/broker/broker_in_memory.h"

namespace rmq::broker {
namespace {

wire::Fields key_fields(std::string_view topic, std::string_view key) {
  return {{"topic", std::string(topic)},
          {"key", std::string(key)},
          {"maxNum", "10"},
          {"beginTimestamp", "0"},
          {"endTimestamp", "9999999999999"}};
}
wire::Fields queue_fields(std::string_view topic, std::string_view queue = "0") {
  return {{"topic", std::string(topic)}, {"queueId", std::string(queue)}};
}

TEST(QueryProcessors, ByKey) {
  BrokerInMemory test;
  for (int i = 0; i < 5; ++i) {
    (void)test.send("Orders", "x" + std::to_string(i), "KEYS\1k\2UNIQ_KEY\1u" + std::to_string(i) + "\2");
    test.clock.now += 1000;
  }
  auto answer = test.call(RequestCode::query_message, key_fields("Orders", "k"));
  EXPECT_EQ(code(answer), 0);
  EXPECT_FALSE(answer->remark);
  EXPECT_EQ(field(answer, "indexLastUpdateTimestamp"), "1700000004000");
  std::string body = body_of(*answer);
  auto messages = messages_in(body);
  ASSERT_EQ(messages.size(), 5U);
  EXPECT_EQ(as_text(messages[0].body), "x0");  // the oldest first

  answer = test.call(RequestCode::query_message, with(key_fields("Orders", "k"), "maxNum", "2"));
  body = body_of(*answer);
  messages = messages_in(body);
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(as_text(messages[0].body), "x3");

  auto unique = with(key_fields("Orders", "u1"), "maxNum", "0");
  unique.emplace_back("_UNIQUE_KEY_QUERY", "true");
  body = body_of(*test.call(RequestCode::query_message, unique));
  EXPECT_EQ(as_text(messages_in(body).at(0).body), "x1");

  for (const auto& [topic, key] : {std::pair{"Orders", "none"}, std::pair{"Other", "k"}}) {
    answer = test.call(RequestCode::query_message, key_fields(topic, key));
    EXPECT_EQ(code(answer), 22);
    EXPECT_EQ(remark(answer), "can not find message, maybe time range not correct");
  }
  EXPECT_EQ(code(test.call(RequestCode::query_message, without(key_fields("Orders", "k"), "maxNum"))), 1);
}

TEST(QueryProcessors, ByPlace) {
  BrokerInMemory test;
  (void)test.send("Orders", "x0");
  (void)test.send("Orders", std::string(40'000, 'y'));
  const std::int64_t second = test.broker->store().view("Orders", 0, 0, {.max_messages = 1})->bytes;
  auto answer = test.call(RequestCode::view_message_by_id, {{"offset", std::to_string(second)}});
  EXPECT_EQ(code(answer), 0);
  const std::string body = body_of(*answer);
  EXPECT_EQ(messages_in(body).at(0).body.size(), 40'000U);
  answer = test.call(RequestCode::view_message_by_id, {{"offset", "999999999999"}});
  EXPECT_EQ(code(answer), 1);
  EXPECT_EQ(remark(answer), "can not find message by the offset, 999999999999");
}

TEST(QueryProcessors, WhereQueuesBeginAndEnd) {
  BrokerInMemory test;
  for (int i = 0; i < 3; ++i) {
    (void)test.send("Orders", "x");
    test.clock.now += 1000;
  }
  const auto ask = [&](RequestCode request, const wire::Fields& fields, std::string_view name) {
    const auto answer = test.call(request, fields);
    EXPECT_EQ(code(answer), 0);
    return field(answer, name);
  };
  EXPECT_EQ(ask(RequestCode::get_max_offset, queue_fields("Orders"), "offset"), "3");
  EXPECT_EQ(ask(RequestCode::get_min_offset, queue_fields("Orders"), "offset"), "0");
  EXPECT_EQ(ask(RequestCode::get_max_offset, queue_fields("None"), "offset"), "0");
  EXPECT_EQ(ask(RequestCode::get_min_offset, queue_fields("None"), "offset"), "0");
  EXPECT_EQ(ask(RequestCode::get_earliest_msg_storetime, queue_fields("Orders"), "timestamp"),
            "1700000000000");
  EXPECT_EQ(ask(RequestCode::get_earliest_msg_storetime, queue_fields("None"), "timestamp"), "-1");
  auto search = queue_fields("Orders");
  search.emplace_back("timestamp", "1700000000500");
  EXPECT_EQ(ask(RequestCode::search_offset_by_timestamp, search, "offset"), "1");
  search.emplace_back("boundaryType", "UPPER");
  EXPECT_EQ(ask(RequestCode::search_offset_by_timestamp, search, "offset"), "0");
  EXPECT_EQ(code(test.call(RequestCode::get_max_offset, {{"topic", "Orders"}})), 1);
}

TEST(QueryProcessors, WhatAQueueSays) {
  BrokerInMemory test;
  (void)test.send("Orders", "x0", "TAGS\1tagA\2");
  (void)test.send("Orders", "x1", "TAGS\1tagB\2");
  auto fields = queue_fields("Orders");
  fields.emplace_back("index", "0");
  fields.emplace_back("count", "10");
  fields.emplace_back("consumerGroup", "nobody");
  auto answer = test.call(RequestCode::query_consume_queue, fields);
  EXPECT_EQ(code(answer), 0);
  const auto body = json::parse(answer->body);
  ASSERT_TRUE(body);
  EXPECT_EQ(body->find("maxQueueIndex")->as_int64(), 2);
  EXPECT_EQ(body->find("minQueueIndex")->as_int64(), 0);
  EXPECT_EQ(*body->find("filterData")->if_string(), "nobody@Orders is not online!");
  const json::Array& data = *body->find("queueData")->if_array();
  ASSERT_EQ(data.items.size(), 2U);
  EXPECT_EQ(data.items[0].find("tagsCode")->as_int64(), java_hash("tagA"));
  EXPECT_EQ(data.items[0].find("physicOffset")->as_int64(), 0);
  EXPECT_EQ(data.items[1].find("physicOffset")->as_int64(), data.items[0].find("physicSize")->as_int64());
  answer = test.call(RequestCode::query_consume_queue, with(fields, "topic", "None"));
  EXPECT_EQ(code(answer), 1);
  EXPECT_EQ(remark(answer), "0@None is not exist!");
  answer = test.call(RequestCode::query_consume_queue, with(fields, "index", "5"));
  EXPECT_EQ(code(answer), 0);
  EXPECT_EQ(remark(answer), "Index 5 of 0@Orders is not exist!");
}

}  // namespace
}  // namespace rmq::broker
