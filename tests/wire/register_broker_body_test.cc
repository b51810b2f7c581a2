// The texts and bytes were written by RocketMQ 5.3.3 (RegisterBrokerBody.encode).
#include "servers/wire/register_broker_body.h"

#include <gmock/gmock.h>

#include <string>

#include "servers/wire/zlib_stream.h"

namespace rmq::wire {
namespace {

constexpr std::string_view kJson =
    R"({"filterServerList":["127.0.0.1:1"],"topicConfigSerializeWrapper":{"dataVersion":{"counter":7,"stateVersion":3,)"
    R"("timestamp":1700000000000},"mappingDataVersion":{"counter":7,"stateVersion":3,"timestamp":1700000000000},)"
    R"("topicConfigTable":{"T1":{"attributes":{"message.type":"NORMAL"},"order":true,"perm":6,"readQueueNums":8,)"
    R"("topicFilterType":"SINGLE_TAG","topicName":"T1","topicSysFlag":1,"writeQueueNums":6}},)"
    R"("topicQueueMappingDetailMap":{},"topicQueueMappingInfoMap":{"S":{"bname":"broker-a","currIdMap":{0:1},)"
    R"("dirty":false,"epoch":9,"scope":"__global__","topic":"S","totalQueues":4}}}})";
constexpr std::string_view kCompressed =
    "78da458e416bc2401085d75fd0bf10de7995ac96c6eecd4311412dadd24b29cb669dda60920dbb9b8384fcf78e52e83c0686c77c"
    "f34608b11ce07c"
    "df260ad085444c36d1078558f9167a2191aa86d86c3a6855e4ff350a2126dcd3a3ca96d913ebb0d9afb72fe6b85a6703188af64c"
    "b374ed081afbd7"
    "f7dd6a8b1bf4f009352f66394b6985afbf3b7e40d9dae6b65c067fa130b590707d089bd3ce72fa906b354a9caa90aed0dfb68e24"
    "419d773fd0cffc"
    "b8f3f72463ceb52f6d6d0ce3c9779563f3709f93addf7aea29423f8ebf674446dd";

std::string unhex(std::string_view hex) {
  std::string bytes;
  for (std::size_t at = 0; at < hex.size(); at += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(at, 2)), nullptr, 16));
  return bytes;
}
std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

RegisterBrokerBody sample() {
  RegisterBrokerBody body;
  body.topics.push_back({.name = "T1",
                         .read_queues = 8,
                         .write_queues = 6,
                         .perm = 6,
                         .filter_type = "SINGLE_TAG",
                         .sys_flag = 1,
                         .order = true,
                         .attributes = {{"message.type", "NORMAL"}}});
  body.data_version = {.state_version = 3, .timestamp = 1700000000000, .counter = 7};
  body.mappings.push_back(
      {"S", "broker-a",
       *json::parse(
           R"({"bname":"broker-a","currIdMap":{0:1},"dirty":false,"epoch":9,"scope":"__global__","topic":"S",)"
           R"("totalQueues":4})")});
  body.filter_servers.emplace_back("127.0.0.1:1");
  return body;
}

TEST(RegisterBrokerBody, AsJavaWritesIt) {
  RegisterBrokerBody body = sample();
  body.mapping_version = body.data_version;
  EXPECT_EQ(encode_register_broker_body(body, false), kJson);
  EXPECT_EQ(encode_register_broker_body(body, true), unhex(kCompressed));
}

TEST(RegisterBrokerBody, ReadsWhatJavaWrites) {
  const auto plain = decode_register_broker_body(bytes_of(kJson), false, 479);
  ASSERT_TRUE(plain) << plain.error().message();
  EXPECT_EQ(*plain, sample());

  const auto packed = decode_register_broker_body(bytes_of(unhex(kCompressed)), true, 479);
  ASSERT_TRUE(packed) << packed.error().message();
  RegisterBrokerBody expected = sample();
  expected.topics[0].sys_flag = 0;  // the compressed form has neither
  expected.topics[0].order = false;
  EXPECT_EQ(*packed, expected);
}

TEST(RegisterBrokerBody, OfBrokersOf4) {
  auto packed = decode_register_broker_body(bytes_of(unhex(kCompressed)), true, 409);
  ASSERT_TRUE(packed);
  EXPECT_TRUE(packed->mappings.empty());
  const std::string old =
      R"({"dataVersion":{"counter":2,"timestamp":5},"topicConfigTable":{"T":{"topicName":"T"}}})";
  const auto bare = decode_register_broker_body(bytes_of(old), false, 36);
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->topics, (std::vector<RegisteredTopic>{{.name = "T", .attributes = {}}}));
  EXPECT_EQ(bare->data_version, (DataVersion{.state_version = 0, .timestamp = 5, .counter = 2}));
}

TEST(RegisterBrokerBody, EmptyIsEmpty) {
  EXPECT_EQ(*decode_register_broker_body({}, false, 479), RegisterBrokerBody{});
  EXPECT_EQ(*decode_register_broker_body(bytes_of("{}"), false, 479), RegisterBrokerBody{});
}

TEST(RegisterBrokerBody, EveryTruncationIsRefusedOrEmpty) {
  const std::string packed = unhex(kCompressed);
  for (std::size_t size = 1; size + 6 < packed.size();
       ++size)  // the last four bytes are a checksum Java does not wait for
    EXPECT_FALSE(decode_register_broker_body(bytes_of(packed).first(size), true, 479)) << size;
  for (std::size_t size = 1; size < kJson.size(); ++size)
    EXPECT_FALSE(decode_register_broker_body(bytes_of(kJson).first(size), false, 479)) << size;
}

std::string packed_topic(std::string_view line) {
  std::string plain;
  const auto piece = [&](std::string_view text) {
    plain += {'\0', '\0', '\0', static_cast<char>(text.size())};
    plain += text;
  };
  piece("{}");
  plain += {'\0', '\0', '\0', '\1'};
  piece(line);
  piece("[]");
  plain += {'\0', '\0', '\0', '\0'};
  return deflate_best(plain);
}

TEST(RegisterBrokerBody, TopicLines) {
  const auto decoded = [](std::string_view line) {
    return decode_register_broker_body(bytes_of(packed_topic(line)), true, 479);
  };
  EXPECT_EQ(
      decoded("T 1 2 6 MULTI_TAG")->topics[0],
      (RegisteredTopic{
          .name = "T", .read_queues = 1, .write_queues = 2, .filter_type = "MULTI_TAG", .attributes = {}}));
  EXPECT_TRUE(
      decoded("T 1 2 6 SINGLE_TAG {\"a b\":1}")->topics[0].attributes.empty());  // Java ignores it, too
  for (const char* bad : {"", "T 1 2 6", "T  1 2 6 SINGLE_TAG", "T x 2 6 SINGLE_TAG", "T 1 2 6 TAG",
                          "T 1 2147483648 6 SINGLE_TAG"})
    EXPECT_FALSE(decoded(bad)) << bad;
}

TEST(RegisterBrokerBody, Limits) {
  const RegisterBrokerLimits small{.bytes = 100, .values = 5};
  EXPECT_FALSE(decode_register_broker_body(bytes_of(kJson), false, 479, small));
  const auto packed = decode_register_broker_body(bytes_of(unhex(kCompressed)), true, 479, small);
  ASSERT_FALSE(packed);
  EXPECT_EQ(packed.error().message(), "more than 100 bytes unpacked");
  const std::string bomb = deflate_best(std::string(std::size_t{8} << 20, '\0'));
  EXPECT_FALSE(inflate(bytes_of(bomb), std::size_t{1} << 20));
  EXPECT_EQ(inflate(bytes_of(bomb), std::size_t{8} << 20)->size(), std::size_t{8} << 20);
}

}  // namespace
}  // namespace rmq::wire
