#include "libstore/bytes/byte_reader.h"

#include <gtest/gtest.h>

#include <limits>

#include "libstore/bytes/byte_writer.h"

namespace rmq {
namespace {

TEST(ByteReader, ReadsWhatByteWriterWrote) {
  ByteWriter writer;
  writer.i8(-2);
  writer.i16(-300);
  writer.i32(std::numeric_limits<std::int32_t>::min());
  writer.i64(std::numeric_limits<std::int64_t>::max());
  writer.text("abc");
  writer.zeros(2);
  const auto bytes = std::move(writer).take();
  ByteReader reader(bytes);
  EXPECT_EQ(reader.i8(), -2);
  EXPECT_EQ(reader.i16(), -300);
  EXPECT_EQ(reader.i32(), std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(reader.i64(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(reader.text(3), "abc");
  EXPECT_EQ(reader.remaining(), 2U);
  EXPECT_EQ(*reader.finish(5), 5);
}

TEST(ByteReader, BigEndianOnDisk) {
  ByteWriter writer;
  writer.i32(0x01020304);
  EXPECT_EQ(as_text(writer.written()), "\x01\x02\x03\x04");
}

TEST(ByteReader, AShortReadFailsItForGood) {
  const std::string_view text = "abc";
  ByteReader reader(as_bytes(text));
  EXPECT_EQ(reader.i32(), 0);
  EXPECT_EQ(reader.i8(), 0);
  EXPECT_EQ(reader.position(), 0U);
  ASSERT_FALSE(reader.finish(1));
  EXPECT_EQ(reader.finish(1).error().fault, DecodeFault::truncated);
}

TEST(ByteReader, TheFirstFaultStays) {
  ByteReader reader(as_bytes("ab"));
  EXPECT_TRUE(reader.bytes(-1).empty());
  EXPECT_TRUE(reader.bytes(std::numeric_limits<std::int64_t>::max()).empty());
  reader.fail(DecodeFault::bad_crc);
  EXPECT_EQ(reader.finish(1).error().fault, DecodeFault::bad_length);
}

}  // namespace
}  // namespace rmq
