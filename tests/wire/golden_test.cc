// Against what Java's own RemotingCommand writes and reads: golden/golden.txt, made by
// golden/MakeFrames.java.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "libstore/bytes/big_endian.h"
#include "servers/wire/encoder.h"
#include "servers/wire/language.h"
#include "servers/wire/request_decoder.h"
#include "tests/paths/paths.h"
#include "tests/wire/hex.h"

namespace rmq::wire {
namespace {

// Where we refuse what Java takes, or give another value, and why.
const std::set<std::string> kOurOwn = {
    "json41",      // no opaque: Java takes the next number of its own
    "rocketmq63",  // the length of the fields is one short: Java reads over it
    "rocketmq65",  // the length of the fields is negative: Java takes them for the body
    "rocketmq66",  // the length of the fields is 0: the same
};

std::vector<std::vector<std::string>> golden(const std::string& kind) {
  std::ifstream in(tests::source_directory() + "/tests/wire/golden/golden.txt");
  std::vector<std::vector<std::string>> lines;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::vector<std::string> parts;
    for (std::string word; words >> word;) parts.push_back(word);
    if (parts.at(0) == kind) lines.push_back(std::move(parts));
  }
  return lines;
}

Fields fields_of(const std::string& list) {
  Fields fields;
  if (list == "none") return fields;
  std::istringstream pairs(list);
  for (std::string pair; std::getline(pairs, pair, ',');) {
    const std::size_t equals = pair.find('=');
    fields.emplace_back(from_hex(pair.substr(0, equals)), from_hex(pair.substr(equals + 1)));
  }
  return fields;
}

TEST(Golden, WritesJavasBytes) {
  int compared = 0;
  for (const auto& line : golden("encode")) {
    const auto type = line[2] == "JSON" ? SerializeType::json : SerializeType::rocketmq;
    const std::int32_t code = std::stoi(line[4]);
    const std::int32_t opaque = std::stoi(line[5]);
    std::string out = "before";
    if (line[3] == "response") {
      Response response{
          .code = code, .remark = {}, .fields = fields_of(line[7]), .body = from_hex(line[8]), .parts = {}};
      if (line[6] != "null") response.remark = from_hex(line[6]);
      append_response(out, response, opaque, type);
    } else if (line[6] == "null") {
      append_command(out, {.code = code, .fields = fields_of(line[7]), .body = from_hex(line[8])}, opaque,
                     line[3] == "oneway", type);
    } else {
      continue;  // a request of ours has no remark
    }
    EXPECT_EQ(out.substr(6), from_hex(line[9])) << line[1] << ' ' << line[2];
    ++compared;
  }
  EXPECT_EQ(compared, 22);
}

TEST(Golden, ReadsWhatJavaWrites) {
  RequestDecoder decoder;
  int compared = 0;
  for (const auto& line : golden("encode")) {
    const std::string bytes = from_hex(line[9]);
    const auto frame = next_frame(as_bytes(bytes));
    ASSERT_TRUE(frame && *frame);
    const auto request = decoder.decode(**frame);
    ASSERT_TRUE(request) << line[1];
    const bool json = line[2] == "JSON";
    EXPECT_EQ(request->code, json ? std::stoi(line[4]) : static_cast<std::int16_t>(std::stoi(line[4])));
    EXPECT_EQ(request->opaque, std::stoi(line[5]));
    EXPECT_EQ(request->flag, line[3] == "response" ? kResponseFlag : line[3] == "oneway" ? kOnewayFlag : 0);
    EXPECT_EQ(request->version, 479);
    EXPECT_EQ(request->language, LanguageCode::java);
    EXPECT_EQ(as_text(request->body), from_hex(line[8]));
    const Answer answer = to_answer(*request);
    Fields fields = fields_of(line[7]);
    if (!json) std::erase_if(fields, [](const auto& field) { return field.second.empty(); });
    EXPECT_EQ(answer.fields, fields) << line[1];
    EXPECT_EQ(answer.remark.has_value(), line[6] != "null" && (json || line[6] != "-")) << line[1];
    EXPECT_EQ(answer.remark.value_or(""), line[6] == "null" ? "" : from_hex(line[6]));
    ++compared;
  }
  EXPECT_EQ(compared, 24);
}

std::string verdict_on(const std::string& bytes, RequestDecoder& decoder) {
  const auto frame = next_frame(as_bytes(bytes));
  if (!frame) return "closed";
  if (!*frame) return "more";
  const auto request = decoder.decode(**frame);
  if (!request) return "closed";
  const auto hex = [](std::string_view text) {
    std::string out;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    }
    return out.empty() ? "-" : out;
  };
  std::vector<std::string> pairs;
  for (const auto& [name, value] : request->fields) {
    if (std::ranges::any_of(request->fields,
                            [&](const auto& other) { return &other.first > &name && other.first == name; }))
      continue;
    pairs.push_back(hex(name) + '=' + hex(value));
  }
  std::ranges::sort(pairs);
  std::string fields;
  for (const std::string& pair : pairs) fields += (fields.empty() ? "" : ",") + pair;
  std::ostringstream out;
  out << request->code << ' ' << to_string(request->language) << ' ' << request->version << ' '
      << request->opaque << ' ' << request->flag << ' '
      << (request->remark.data() == nullptr ? "null" : hex(request->remark)) << ' '
      << (fields.empty() ? "none" : fields) << ' ' << hex(as_text(request->body));
  return out.str();
}

TEST(Golden, JudgesForeignHeadersAsJavaDoes) {
  RequestDecoder decoder;
  int compared = 0;
  for (const auto& line : golden("decode")) {
    std::string verdict;
    for (std::size_t i = 3; i < line.size(); ++i) {
      const bool no_language = i == 4 && line[i] == "null";
      verdict += (i == 3 ? "" : " ") + (no_language ? "OTHER" : line[i]);
    }
    const std::string ours = verdict_on(from_hex(line[2]), decoder);
    if (kOurOwn.contains(line[1]))
      EXPECT_NE(ours, verdict) << line[1];
    else
      EXPECT_EQ(ours, verdict) << line[1] << ' ' << from_hex(line[2]).substr(8);
    ++compared;
  }
  EXPECT_EQ(compared, 78);
}

}  // namespace
}  // namespace rmq::wire
