// What the way of a message into the store is made of: header, properties, batch bodies, names, addresses.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "servers/broker/batch_body.h"
#include "servers/broker/codes.h"
#include "servers/broker/host_address.h"
#include "servers/broker/java_number.h"
#include "servers/broker/message_id.h"
#include "servers/broker/send_header.h"
#include "servers/broker/send_properties.h"
#include "tests/broker/batch_text.h"
#include "tests/broker/fake_connection.h"

namespace rmq::broker {
namespace {

wire::Request request_of(RequestCode code, const std::vector<wire::Request::Field>& fields) {
  wire::Request request;
  request.code = static_cast<std::int32_t>(code);
  request.fields = fields;
  return request;
}

TEST(SendHeader, OneLetterAField) {
  const std::vector<wire::Request::Field> fields{
      {"a", "p"},    {"b", "Orders"},       {"c", "TBW102"}, {"d", "8"},       {"e", "-1"},
      {"f", "1"},    {"g", "123456789012"}, {"h", "7"},      {"i", "x"},       {"j", "3"},
      {"k", "True"}, {"l", "16"},           {"m", "true"},   {"n", "broker-a"}};
  const auto header = parse_send_header(request_of(RequestCode::send_message_v2, fields));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->producer_group, "p");
  EXPECT_EQ(header->topic, "Orders");
  EXPECT_EQ(header->default_topic, "TBW102");
  EXPECT_EQ(header->default_topic_queues, 8);
  EXPECT_EQ(header->queue_id, -1);
  EXPECT_EQ(header->sys_flag, 1);
  EXPECT_EQ(header->born_timestamp, 123456789012);
  EXPECT_EQ(header->flag, 7);
  EXPECT_EQ(header->properties, "x");
  EXPECT_EQ(header->reconsume_times, 3);
  EXPECT_TRUE(header->unit_mode);
  EXPECT_EQ(header->max_reconsume_times, 16);
  EXPECT_TRUE(header->batch);
}

TEST(SendHeader, FullNamesAndWhatMayBeMissing) {
  std::vector<wire::Request::Field> fields{
      {"producerGroup", "p"}, {"topic", "Orders"}, {"defaultTopic", "TBW102"}, {"defaultTopicQueueNums", "4"},
      {"queueId", "2"},       {"sysFlag", "0"},    {"bornTimestamp", "1"},     {"flag", "0"}};
  const auto header = parse_send_header(request_of(RequestCode::send_message, fields));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->queue_id, 2);
  EXPECT_EQ(header->properties, "");
  EXPECT_FALSE(header->max_reconsume_times);
  EXPECT_FALSE(header->batch);
  for (std::size_t missing = 0; missing < fields.size(); ++missing) {
    auto fewer = fields;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(missing));
    const auto refused = parse_send_header(request_of(RequestCode::send_message, fewer));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().context,
              "the custom field <" + std::string(fields[missing].first) + "> is null");
  }
  fields[4].second = "2147483648";
  EXPECT_EQ(parse_send_header(request_of(RequestCode::send_message, fields)).error().context,
            "the custom field <queueId> is no number");
}

TEST(JavaNumber, AsJavaReadsThem) {
  std::int32_t number = 9;
  for (const char* good : {"0", "-1", "+5", "2147483647", "-2147483648", "007"})
    EXPECT_TRUE(parse_java_number(good, number)) << good;
  EXPECT_EQ(number, 7);
  for (const char* bad : {"", "+", "-", "+-5", "1 ", " 1", "0x1", "2147483648", "1.0"})
    EXPECT_FALSE(parse_java_number(bad, number)) << bad;
  EXPECT_EQ(number, 7);
  EXPECT_TRUE(is_java_true("tRUE"));
  EXPECT_FALSE(is_java_true("yes"));
}

constexpr BrokerProperties kSaid{
    .region = "R", .cluster = "C", .trace_on = false, .uniq_key = {}, .dead_letter = false, .inner_num = 0};
const std::string kTail = "MSG_REGION\1R\2TRACE_ON\1false\2";
const std::string kCluster = "CLUSTER\1C\2";

std::string stored(std::string_view client, const BrokerProperties& said = kSaid) {
  std::string text;
  append_stored_properties(read_send_properties(client), said, text);
  return text;
}

TEST(SendProperties, TheClientsStayAsTheyAre) {
  EXPECT_EQ(stored(""), kTail + kCluster);
  EXPECT_EQ(stored("TAGS\1a\2KEYS\1k\2"), "TAGS\1a\2KEYS\1k\2" + kTail + kCluster);
  EXPECT_EQ(stored("TAGS\1a\2KEYS\1k"), "TAGS\1a\2KEYS\1k\2" + kTail + kCluster);
  EXPECT_EQ(stored("A\1"
                   "1\2A\1"
                   "2\2"),
            "A\1"
            "1\2A\1"
            "2\2" +
                kTail + kCluster);
}

TEST(SendProperties, WhatJavaDropsIsDropped) {
  EXPECT_EQ(stored("junk\2TAGS\1a\2\2x\1\2"), "TAGS\1a\2" + kTail + kCluster);
}

TEST(SendProperties, TheBrokersReplaceTheClients) {
  EXPECT_EQ(stored("CLUSTER\1fake\2TAGS\1a\2POP_CK\1x\2MSG_REGION\1y\2TRACE_ON\1true\2"),
            "TAGS\1a\2" + kTail + kCluster);
  BrokerProperties said = kSaid;
  said.uniq_key = "ID";
  EXPECT_EQ(stored("TAGS\1a\2", said), "TAGS\1a\2" + kTail + "UNIQ_KEY\1ID\2" + kCluster);
}

TEST(SendProperties, ADeadLetterWaitsForNothing) {
  BrokerProperties said = kSaid;
  said.dead_letter = true;
  EXPECT_EQ(stored("DELAY\1"
                   "9\2TAGS\1a\2",
                   said),
            "TAGS\1a\2" + kTail + kCluster + "DELAY\1-1\2");
}

TEST(SendProperties, WhatTheBrokerReads) {
  const auto read = read_send_properties(
      "UNIQ_KEY\1u\2KEYS\1k\2DELAY\1"
      "3\2WAIT\1false\2TRAN_MSG\1TRUE\2TIMER_DELAY_SEC\1"
      "1\2INNER_NUM\1"
      "2\2");
  EXPECT_EQ(read.uniq_key, "u");
  EXPECT_EQ(read.keys, "k");
  EXPECT_EQ(read.delay, "3");
  EXPECT_FALSE(read.waits());
  EXPECT_TRUE(read.transaction_prepared);
  EXPECT_TRUE(read.timed);
  EXPECT_FALSE(read.timer_out);
  EXPECT_TRUE(read.inner_num);
  EXPECT_TRUE(read_send_properties("").waits());
  EXPECT_TRUE(read_send_properties("WAIT\1true\2").waits());
}

TEST(BatchBody, ElementsAndEveryTruncation) {
  std::string text = batch_element("one", "TAGS\1a\2", 9);
  const std::size_t first = text.size();
  text += batch_element("", "");
  const auto bytes = as_bytes(text);
  EXPECT_EQ(count_batch_elements(bytes), 2);
  BatchReader reader(bytes);
  const auto one = reader.next();
  ASSERT_TRUE(one);
  EXPECT_EQ(one->flag, 9);
  EXPECT_EQ(as_text(one->body), "one");
  EXPECT_EQ(one->properties, "TAGS\1a\2");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto count = count_batch_elements(bytes.first(size));
    if (size == 0 || size == first) {
      EXPECT_EQ(count, size == 0 ? 0 : 1);
    } else {
      EXPECT_FALSE(count) << size;
    }
  }
  text[16] = '\x80';  // a negative length
  EXPECT_FALSE(count_batch_elements(bytes));
}

TEST(MessageId, WhereItLiesInHex) {
  const HostAddress host = parse_host_address("192.168.1.2:10911");
  std::string id;
  append_offset_message_id(host.view(), 0x123456789A, id);
  EXPECT_EQ(id, "C0A8010200002A9F000000123456789A");
}

TEST(MessageId, UniqueKeysAreAsLongAsTheClients) {
  const TestClock clock;
  const HostAddress host = parse_host_address("127.0.0.1:10911");
  UniqueIds ids(host.view(), clock);
  std::string first;
  std::string second;
  ids.append(first);
  ids.append(second);
  EXPECT_EQ(first.size(), 32U);
  EXPECT_EQ(first.substr(0, 28), second.substr(0, 28));
  EXPECT_EQ(first.substr(28), "0000");
  EXPECT_EQ(second.substr(28), "0001");
  EXPECT_TRUE(first.starts_with("7F000001"));
}

TEST(HostAddress, BothFamilies) {
  const HostAddress four = parse_host_address("10.0.0.1:80");
  EXPECT_FALSE(four.v6());
  EXPECT_EQ(format::to_string(four.view()), "10.0.0.1:80");
  const HostAddress six = parse_host_address("[2001:db8::1]:50001");
  EXPECT_TRUE(six.v6());
  EXPECT_EQ(format::to_string(six.view()), "[2001:db8:0:0:0:0:0:1]:50001");
  EXPECT_EQ(format::to_string(parse_host_address("nonsense").view()), "0.0.0.0:0");
}

}  // namespace
}  // namespace rmq::broker
