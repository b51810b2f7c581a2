#include "servers/wire/request_decoder.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "libstore/bytes/big_endian.h"
#include "servers/wire/encoder.h"

namespace rmq::wire {
namespace {

const Command kSend = {.code = 310,
                       .fields = {{"a", "PG"},
                                  {"b", "TopicTest"},
                                  {"e", "1"},
                                  {"i",
                                   "KEYS\x01k1\x02UNIQ_KEY\x01"
                                   "7F00\x02"},
                                  {"n", "\xE4\xBD\xA0"}},
                       .body = "0123456789"};

std::string frame_of(const Command& command, SerializeType type) {
  std::string bytes;
  append_command(bytes, command, 77, false, type);
  return bytes;
}

Frame frame_in(std::string_view bytes) { return **next_frame(as_bytes(bytes)); }

// The header alone, cut to `size` and with a frame of its own around it.
Frame cut_header(const Frame& whole, std::size_t size) {
  return {whole.type, whole.header.first(size), whole.body, kFrameHead + size + whole.body.size()};
}

TEST(RequestDecoder, EveryTruncationOfAHeaderIsAnError) {
  RequestDecoder decoder;
  for (const auto type : {SerializeType::json, SerializeType::rocketmq}) {
    const std::string bytes = frame_of(kSend, type);
    const Frame whole = frame_in(bytes);
    for (std::size_t size = 0; size < whole.header.size(); ++size)
      EXPECT_FALSE(decoder.decode(cut_header(whole, size))) << size;
    EXPECT_TRUE(decoder.decode(whole));
  }
}

TEST(RequestDecoder, RandomFlipsAreReadOrRefusedAndNeverReachOutside) {
  std::mt19937 random(20261130);
  RequestDecoder decoder;
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = frame_of(kSend, round % 2 == 0 ? SerializeType::json : SerializeType::rocketmq);
    const Frame whole = frame_in(bytes);
    // A buffer of exactly the header's size: reading over its end is for the address sanitizer to see.
    std::vector<std::byte> header(whole.header.begin(), whole.header.end());
    for (int flips = 0; flips < 3; ++flips)
      header[random() % header.size()] = static_cast<std::byte>(random());
    const auto request = decoder.decode({whole.type, header, {}, kFrameHead + header.size()});
    if (request) {
      ++read;
      std::size_t text = 0;
      for (const auto& [name, value] : request->fields) text += name.size() + value.size();
      EXPECT_LE(text, 3 * header.size());
    }
    if (round % 100 == 0) decoder.clear();
  }
  EXPECT_GT(read, 1000);
}

TEST(RequestDecoder, RequestsOfOneTurnLiveTogether) {
  RequestDecoder decoder;
  std::vector<std::string> bytes;
  for (int i = 0; i < 1000; ++i) {
    Command command = kSend;
    command.fields.emplace_back("number", "\x01" + std::to_string(i));
    bytes.push_back(frame_of(command, i % 2 == 0 ? SerializeType::json : SerializeType::rocketmq));
  }
  std::vector<Request> requests;
  for (const std::string& one : bytes) requests.push_back(*decoder.decode(frame_in(one)));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(requests[i].field("number"), "\x01" + std::to_string(i));
    EXPECT_EQ(requests[i].field("i"), kSend.fields[3].second);
    EXPECT_EQ(requests[i].field("nobody"), std::nullopt);
  }
}

TEST(RequestDecoder, HoldsNoMoreThanItSays) {
  RequestDecoder decoder;
  const std::string big = "{\"code\":1,\"remark\":\"\\u0001" + std::string(900'000, 'x') + "\"}";
  for (int i = 0; i < 10; ++i) {
    const auto request = decoder.decode({SerializeType::json, as_bytes(big), {}, kFrameHead + big.size()});
    ASSERT_TRUE(request);
    EXPECT_EQ(request->remark.size(), 900'001U);
  }
  EXPECT_GT(decoder.memory(), 9'000'000U);
  decoder.clear();
  EXPECT_LE(decoder.memory(), RequestDecoder::kKept + 64 * kMaxFields);
}

TEST(RequestDecoder, TooManyFieldsAreRefused) {
  RequestDecoder decoder;
  for (const auto type : {SerializeType::json, SerializeType::rocketmq}) {
    Command command;
    for (std::size_t i = 0; i < kMaxFields; ++i) command.fields.emplace_back("f" + std::to_string(i), "v");
    const std::string most = frame_of(command, type);
    EXPECT_EQ(decoder.decode(frame_in(most))->fields.size(), kMaxFields);
    command.fields.emplace_back("one", "more");
    const std::string over = frame_of(command, type);
    EXPECT_FALSE(decoder.decode(frame_in(over)));
  }
}

TEST(RequestDecoder, NestingIsLimited) {
  RequestDecoder decoder;
  const std::string deep = "{\"code\":1,\"x\":" + std::string(100'000, '[') + "}";
  EXPECT_FALSE(decoder.decode({SerializeType::json, as_bytes(deep), {}, kFrameHead + deep.size()}));
}

}  // namespace
}  // namespace rmq::wire
