#include "servers/wire/frame.h"

#include <gtest/gtest.h>

#include <string>

#include "libstore/bytes/big_endian.h"
#include "servers/wire/encoder.h"

namespace rmq::wire {
namespace {

std::string head(std::uint32_t total, std::uint32_t type_and_header) {
  std::string bytes(8, '\0');
  store_be(reinterpret_cast<std::byte*>(bytes.data()), total);
  store_be(reinterpret_cast<std::byte*>(bytes.data() + 4), type_and_header);
  return bytes;
}

TEST(Frame, EveryCutOfTwoFramesGivesTheFirstAsSoonAsItIsWhole) {
  std::string bytes;
  append_command(bytes, {.code = 34, .fields = {{"a", "b"}}, .body = "body"}, 7, false, SerializeType::json);
  const std::size_t first = bytes.size();
  append_command(bytes, {.code = 35, .fields = {}, .body = {}}, 8, false, SerializeType::rocketmq);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const auto received = as_bytes(std::string_view(bytes).substr(0, cut));
    const auto frame = next_frame(received);
    ASSERT_TRUE(frame);
    ASSERT_EQ(frame->has_value(), cut >= first) << cut;
    ASSERT_EQ(frame_size(received), cut < 4 ? 0 : first);
    if (!frame->has_value()) continue;
    EXPECT_EQ((*frame)->size, first);
    EXPECT_EQ((*frame)->type, SerializeType::json);
    EXPECT_EQ(as_text((*frame)->body), "body");
    const auto second = next_frame(received.subspan(first));
    ASSERT_TRUE(second);
    EXPECT_EQ(second->has_value(), cut == bytes.size());
  }
}

TEST(Frame, OnlyWhatIsNotFoundHasFieldsWhereThereAreNone) {
  const auto header = [](std::int32_t code) {
    std::string bytes;
    append_response(bytes, {.code = code, .remark = {}, .fields = {}, .body = {}, .parts = {}}, 7,
                    SerializeType::json);
    return bytes.substr(8);
  };
  EXPECT_TRUE(header(22).starts_with(R"({"code":22,"extFields":{},"flag":1,)"));
  EXPECT_TRUE(header(17).starts_with(R"({"code":17,"flag":1,)"));
}

TEST(Frame, LengthsThatLieAreToldFromTheHeadAlone) {
  const auto fault = [](const std::string& bytes) {
    const auto frame = next_frame(as_bytes(bytes));
    return frame ? std::string(frame->has_value() ? "frame" : "more")
                 : std::string(to_string(frame.error().fault));
  };
  EXPECT_EQ(fault(head(0xFFFFFFFF, 0)), "bad length");
  EXPECT_EQ(fault(head(0x80000000, 0)), "bad length");
  EXPECT_EQ(fault(head(0, 0)), "bad length");
  EXPECT_EQ(fault(head(3, 0)), "bad length");
  EXPECT_EQ(fault(head(4, 0)), "frame");
  EXPECT_EQ(fault(head(4, 1)), "bad length");
  EXPECT_EQ(fault(head(16'777'212, 0)), "more");
  EXPECT_EQ(fault(head(16'777'213, 0)), "bad length");
  EXPECT_EQ(fault(head(16'777'212, kMaxHeader)), "more");
  EXPECT_EQ(fault(head(16'777'212, kMaxHeader + 1)), "bad length");
  EXPECT_EQ(fault(head(100, 0x01000010)), "more");
  EXPECT_EQ(fault(head(100, 0x02000010)), "bad field");
  EXPECT_EQ(fault(head(100, 0xFF000010)), "bad field");
  EXPECT_EQ(fault(head(16'777'213, 0).substr(0, 4)), "bad length");
}

}  // namespace
}  // namespace rmq::wire
