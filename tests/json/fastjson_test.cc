// The reader and the writer against fastjson 1.2.83 itself: fastjson_verdicts.txt holds what it takes and
// refuses, golden/ what JSON.toJSONString wrote for a map with every control character, lists, sets, arrays
// and integer keys.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "libstore/json/json_value.h"
#include "libstore/json/json_writer.h"
#include "tests/paths/paths.h"

namespace rmq::json {
namespace {

const std::string kHere = tests::source_directory() + "/tests/json/";

std::string file(const std::string& name) {
  std::ifstream in(kHere + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

std::string percent_decoded(std::string_view text) {
  if (text == "%") return {};
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
    i += 2;
  }
  return out;
}

TEST(Fastjson, DecidesAsFastjsonDoes) {
  std::istringstream lines(file("fastjson_verdicts.txt"));
  int compared = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    std::string verdict;
    std::string text;
    std::string canonical;
    words >> verdict;
    const bool differs = verdict == "differs";
    if (differs) words >> verdict;
    words >> text >> canonical;
    const auto value = parse(percent_decoded(text));
    const std::string ours = !value ? "refuses" : value->is_null() ? "null" : "accepts";
    EXPECT_EQ(ours == verdict, !differs) << line << (value ? "" : '\n' + value.error().message());
    if (value && !canonical.empty()) {
      EXPECT_EQ(write_fastjson(*value, {.pretty = false}), percent_decoded(canonical));
    }
    ++compared;
  }
  EXPECT_GT(compared, 600);
}

TEST(Fastjson, WritesTheSameBytes) {
  const auto rewritten = [](const std::string& name, const FastjsonStyle& style) {
    const std::string wanted = file("golden/" + name);
    const auto value = parse(wanted);
    ASSERT_TRUE(value) << value.error().message();
    EXPECT_EQ(write_fastjson(*value, style), wanted) << name;
  };
  rewritten("pretty.json", {.pretty = true});
  rewritten("compact.json", {.pretty = false});
  rewritten("browser_compatible.json", {.pretty = false, .browser_compatible = true});
}

TEST(Fastjson, LeavesNullMembersOut) {
  EXPECT_EQ(write_fastjson(*parse(R"({"a":null,"b":[null]})"), {.pretty = false}), R"({"b":[null]})");
}

}  // namespace
}  // namespace rmq::json
