#include "servers/wire/field_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace rmq::wire {
namespace {

class FieldReaderTest : public ::testing::Test {
 protected:
  FieldReaderTest() { request.fields = fields; }

  std::vector<Request::Field> fields = {{"topic", "T"},  {"queueId", "3"}, {"offset", "-9223372036854775808"},
                                        {"yes", "TRUE"}, {"no", "1"},      {"plus", "+7"},
                                        {"bad", "12x"},  {"empty", ""},    {"big", "2147483648"},
                                        {"signs", "+-1"}};
  Request request;
};

TEST_F(FieldReaderTest, ReadsWhatIsThere) {
  FieldReader in(request);
  EXPECT_EQ(in.text("topic"), "T");
  EXPECT_EQ(in.i32("queueId"), 3);
  EXPECT_EQ(in.i64("offset"), INT64_MIN);
  EXPECT_EQ(in.i64("big"), 2147483648);
  EXPECT_EQ(in.i32("plus"), 7);
  EXPECT_TRUE(in.boolean("yes"));
  EXPECT_FALSE(in.boolean("no"));
  EXPECT_EQ(in.text("empty"), "");
  EXPECT_TRUE(in.ok());
}

TEST_F(FieldReaderTest, OptionalFieldsMayBeMissingButNotWrong) {
  FieldReader in(request);
  EXPECT_EQ(in.i32_or("nobody", 5), 5);
  EXPECT_EQ(in.i64_or("queueId", 5), 3);
  EXPECT_EQ(in.i64_if("nobody"), std::nullopt);
  EXPECT_EQ(in.text_if("nobody"), std::nullopt);
  EXPECT_EQ(in.text_or("nobody", "x"), "x");
  EXPECT_TRUE(in.boolean_or("nobody", true));
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.i32_or("bad", 5), 5);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.remark(), "the custom field <bad> is no number: \"12x\"");
}

TEST_F(FieldReaderTest, TheFirstFaultIsTheOneToldWithCode1) {
  FieldReader in(request);
  EXPECT_EQ(in.text("consumerGroup"), "");
  EXPECT_EQ(in.i32("bad"), 0);
  EXPECT_FALSE(in.ok());
  const Response refusal = in.refusal();
  EXPECT_EQ(refusal.code, 1);
  EXPECT_EQ(refusal.remark, "the custom field <consumerGroup> is null");
}

TEST_F(FieldReaderTest, NumbersAreJavas) {
  for (const char* name : {"empty", "big", "signs", "bad", "topic"}) {
    FieldReader in(request);
    EXPECT_EQ(in.i32(name), 0);
    EXPECT_FALSE(in.ok()) << name;
  }
}

}  // namespace
}  // namespace rmq::wire
