#include <gtest/gtest.h>

#include <limits>

#include "libstore/json/json_writer.h"

namespace rmq::json {
namespace {

TEST(JsonLine, CommasComeByThemselves) {
  JsonLine line;
  line.begin_object();
  line.field("a", 1);
  line.field("b", "x");
  line.key("c");
  line.begin_array();
  line.value(std::int64_t{-5});
  line.value(true);
  line.begin_object();
  line.end_object();
  line.begin_array();
  line.end_array();
  line.value(nullptr);
  line.end_array();
  line.any_key("d\"");
  line.value(0.5);
  line.end_object();
  line.end_line();
  line.begin_object();
  line.end_object();
  EXPECT_EQ(line.text(), "{\"a\":1,\"b\":\"x\",\"c\":[-5,true,{},[],null],\"d\\\"\":0.5}\n{}");
  line.clear();
  line.value(1);
  EXPECT_EQ(line.text(), "1");
}

TEST(JsonLine, Numbers) {
  JsonLine line;
  line.begin_array();
  line.value(std::numeric_limits<std::int64_t>::min());
  line.value(std::numeric_limits<std::uint64_t>::max());
  line.value(std::int8_t{-1});
  line.value(1e300);
  line.value(std::numeric_limits<double>::quiet_NaN());
  line.end_array();
  EXPECT_EQ(line.text(), "[-9223372036854775808,18446744073709551615,-1,1e+300,null]");
}

std::string string_json(std::string_view text) {
  JsonLine line;
  line.value(text);
  return std::string(line.text());
}

TEST(JsonLine, EscapesWhatMustBeEscapedAtEveryPlace) {
  for (int c = 0; c < 128; ++c) {
    std::string wanted(1, static_cast<char>(c));
    if (c < 0x20) {
      constexpr std::string_view kHex = "0123456789abcdef";
      wanted = std::string("\\u00") + kHex[static_cast<std::size_t>(c) >> 4] +
               kHex[static_cast<std::size_t>(c) & 15];
    }
    switch (c) {
      case '"': wanted = "\\\""; break;
      case '\\': wanted = "\\\\"; break;
      case '\b': wanted = "\\b"; break;
      case '\f': wanted = "\\f"; break;
      case '\n': wanted = "\\n"; break;
      case '\r': wanted = "\\r"; break;
      case '\t': wanted = "\\t"; break;
      default: break;
    }
    for (std::size_t at = 0; at < 17; ++at) {
      std::string text(17, 'z');
      text[at] = static_cast<char>(c);
      EXPECT_EQ(string_json(text), '"' + std::string(at, 'z') + wanted + std::string(16 - at, 'z') + '"')
          << c << " at " << at;
    }
  }
}

TEST(JsonLine, Utf8GoesOutAsItIsAndMalformedBytesAsJavaPrintsThem) {
  EXPECT_EQ(string_json("12345678\xE4\xB8\xAD\xF0\x9F\x98\x80\"\x7F"),
            "\"12345678\xE4\xB8\xAD\xF0\x9F\x98\x80\\\"\x7F\"");
  EXPECT_EQ(string_json("a\xFF\xE4\xB8z"), "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\"");
}

TEST(JsonLine, GrowsOverAnySize) {
  JsonLine line;
  line.begin_array();
  std::string wanted = "[";
  for (std::size_t i = 0; i < 5000; ++i) {
    const std::string text(i % 97, i % 3 == 0 ? '\n' : 'x');
    line.value(text);
    if (i != 0) wanted += ',';
    wanted += '"';
    for (const char c : text) wanted += c == '\n' ? "\\n" : std::string(1, c);
    wanted += '"';
  }
  line.end_array();
  EXPECT_EQ(line.text(), wanted + "]");
}

}  // namespace
}  // namespace rmq::json
