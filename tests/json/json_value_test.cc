#include "libstore/json/json_value.h"

#include <gtest/gtest.h>

#include <string>

#include "libstore/json/json_writer.h"

namespace rmq::json {
namespace {

std::string compact(std::string_view text) {
  const auto value = parse(text);
  return value ? write_fastjson(*value, {.pretty = false}) : "refused: " + value.error().message();
}

TEST(JsonValue, TakesFastjsonsDialect) {
  EXPECT_EQ(compact(R"({"a":1,"b":[true,false,null,"x"]})"), R"({"a":1,"b":[true,false,null,"x"]})");
  EXPECT_EQ(compact("{0:5,-1:6}"), "{0:5,-1:6}");
  EXPECT_EQ(compact(R"({{"a":1,"b":2}:{"c":3}})"), R"({{"a":1,"b":2}:{"c":3}})");
  EXPECT_EQ(compact("{'a':'b'}"), R"({"a":"b"})");
  EXPECT_EQ(compact("{,,\"a\":1,,\"b\":2,}"), R"({"a":1,"b":2})");
  EXPECT_EQ(compact("// c\n{/* c */\"a\"/**/:/**/1 // e\n}"), R"({"a":1})");
  EXPECT_EQ(compact(R"({"$ref":"$.a"})"), R"({"$ref":"$.a"})");
  EXPECT_EQ(compact("{a:1}"), R"({"a":1})");
}

TEST(JsonValue, NumbersAreExact) {
  EXPECT_EQ(compact("[9223372036854775807,-9223372036854775808]"),
            "[9223372036854775807,-9223372036854775808]");
  EXPECT_EQ(compact("[9223372036854775808,1.50,1e3]"), "[9223372036854775808,1.50,1e3]");
  EXPECT_EQ(*parse("\"12\"")->as_int64(), 12);
  EXPECT_EQ(*parse("12.9")->as_int64(), 12);
  EXPECT_EQ(*parse("\"true\"")->as_bool(), true);
  EXPECT_EQ(*parse("0")->as_bool(), false);
  EXPECT_EQ(*parse("1.5")->as_double(), 1.5);
  EXPECT_FALSE(parse("\"x\"")->as_int64());
  EXPECT_FALSE(parse("[]")->as_bool());
}

TEST(JsonValue, StringsAreUtf8) {
  EXPECT_EQ(*parse(R"("\u4e2d\ud83d\ude00\x41\n\/\'")")->if_string(),
            "\xE4\xB8\xAD\xF0\x9F\x98\x80"
            "A\n/'");
  EXPECT_EQ(*parse("\"\xFF\"")->if_string(), "\xEF\xBF\xBD");
  EXPECT_EQ(*parse(R"("\ud83d")")->if_string(), "?");
  EXPECT_EQ(compact("{a\xFF\xFF:1}"), "{\"a\xEF\xBF\xBD\xEF\xBF\xBD\":1}");
}

TEST(JsonValue, TheLastOfTwoMembersWinsInThePlaceOfTheFirst) {
  EXPECT_EQ(compact(R"({"a":1,"b":2,"a":3,"c":4,"b":5})"), R"({"a":3,"b":5,"c":4})");
}

TEST(JsonValue, ErrorsSayWhere) {
  const auto value = parse("{\n\t\"a\":1,\n\t\"b\" 2\n}");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().message(), "line 3, column 6: ':' expected");
}

TEST(JsonValue, EveryTruncationOfAnObjectIsRefused) {
  const std::string text = R"({"a":{0:1,"b":[1,"x\u0041",{}]},'c':-1.5e3,{"k":1}:null,d:true})";
  ASSERT_TRUE(parse(text));
  for (std::size_t size = 1; size < text.size(); ++size) EXPECT_FALSE(parse(text.substr(0, size))) << size;
}

TEST(JsonValue, LimitsHold) {
  EXPECT_TRUE(parse(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(parse(std::string(66, '[') + std::string(66, ']')));
  EXPECT_FALSE(parse(std::string(1'000'000, '{')));
  EXPECT_FALSE(parse("[1,2,3]", {.bytes = 6}));
  EXPECT_FALSE(parse("[1,2,3]", {.values = 3}));
  EXPECT_TRUE(parse("[1,2,3]", {.bytes = 7, .values = 4}));
}

TEST(JsonObject, SetFindErase) {
  Object object;
  for (int i = 0; i < 100; ++i) object.set(std::to_string(i * 37 % 100), Value(i));
  ASSERT_EQ(object.size(), 100U);
  EXPECT_EQ(*object.find("37")->as_int64(), 1);
  EXPECT_TRUE(object.erase("37"));
  EXPECT_FALSE(object.erase("37"));
  EXPECT_EQ(object.find("37"), nullptr);
  for (int i = 2; i < 100; ++i) EXPECT_EQ(*object.find(std::to_string(i * 37 % 100))->as_int64(), i);
  EXPECT_EQ(object.members().front().name, "0");
  object.set("0", Value("new"));
  EXPECT_EQ(object.size(), 99U);
  EXPECT_EQ(*object.members().front().value.if_string(), "new");
}

}  // namespace
}  // namespace rmq::json
