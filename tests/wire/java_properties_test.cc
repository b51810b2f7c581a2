// The expectations were taken from java.util.Properties of JDK 17.
#include "servers/wire/java_properties.h"

#include <gmock/gmock.h>

namespace rmq::wire {
namespace {

using testing::ElementsAre;
using testing::Pair;

Properties parsed(std::string_view text) {
  auto properties = parse_properties(text);
  EXPECT_TRUE(properties.has_value()) << text;
  return properties ? *properties : Properties{};
}

TEST(JavaProperties, SeparatorsAndBlanks) {
  EXPECT_THAT(parsed("a=1\nb : 2\nc 3\n d = 4 \ne\nf=\n=g\nh==x\ni\t:\t= y"),
              ElementsAre(Pair("", "g"), Pair("a", "1"), Pair("b", "2"), Pair("c", "3"), Pair("d", "4 "),
                          Pair("e", ""), Pair("f", ""), Pair("h", "=x"), Pair("i", "= y")));
}

TEST(JavaProperties, CommentsAndLineEnds) {
  EXPECT_THAT(parsed("# a=1\n ! b=2\r\nc=3\rd=4\r\n\n\r  \ne=5#6"),
              ElementsAre(Pair("c", "3"), Pair("d", "4"), Pair("e", "5#6")));
}

TEST(JavaProperties, ContinuedLines) {
  EXPECT_THAT(parsed("a=1\\\n   2\\\r\n3\nb=x\\\\\nc=y\\"),
              ElementsAre(Pair("a", "123"), Pair("b", "x\\"), Pair("c", "y")));
  EXPECT_THAT(parsed("# no\\\na=1\nb=\\\n#2\nc=1\\\n\nd=2"),
              ElementsAre(Pair("a", "1"), Pair("b", "#2"), Pair("c", "1"), Pair("d", "2")));
  EXPECT_THAT(parsed("\\\n\na=1"), ElementsAre(Pair("a", "1")));
}

TEST(JavaProperties, Escapes) {
  EXPECT_THAT(parsed(R"(a\=b\:c\ d=\t\n\q\u0041\u4e2d\ud83d\ude00\ud83d)"),
              ElementsAre(Pair("a=b:c d", "\t\nqA\xE4\xB8\xAD\xF0\x9F\x98\x80\xEF\xBF\xBD")));
  EXPECT_FALSE(parse_properties("a=\\u12"));
  EXPECT_FALSE(parse_properties("a=\\u12g4"));
}

TEST(JavaProperties, BytesAreLatin1) { EXPECT_THAT(parsed("a=\xE4"), ElementsAre(Pair("a", "\xC3\xA4"))); }

TEST(JavaProperties, TheLastOfTwoCounts) { EXPECT_THAT(parsed("a=1\na=2"), ElementsAre(Pair("a", "2"))); }

TEST(JavaProperties, WritesSortedLinesAsStock) {
  EXPECT_EQ(
      write_properties({{"listenPort", "9876"}, {"brokerName", "broker-a"}, {"x", ""}, {"y", "a=b: c"}}),
      "brokerName=broker-a\nlistenPort=9876\nx=\ny=a=b: c\n");
}

TEST(JavaProperties, WhatIsWrittenReadsBackTheSame) {
  const Properties odd = {{"# a", "1"},   {"b c", "2 "},          {"d=e:f", " 3"},           {"g", "C:\\x\\"},
                          {"h", "1\n2"},  {"i", "\xE4\xB8\xAD"},  {"j", "\xF0\x9F\x98\x80"}, {"k", "\t\f\r"},
                          {"!\\l", "#m"}, {"\xC3\xA4", "#\\u00e"}};
  EXPECT_EQ(parsed(write_properties(odd)), odd);
}

TEST(JavaProperties, TooLarge) { EXPECT_FALSE(parse_properties(std::string(kMostPropertiesBytes + 1, 'a'))); }

}  // namespace
}  // namespace rmq::wire
