#include "libstore/format/mapped_file_name.h"

#include <gtest/gtest.h>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

TEST(MappedFileName, TwentyDigits) {
  EXPECT_EQ(mapped_file_name(0), "00000000000000000000");
  EXPECT_EQ(mapped_file_name(458752), "00000000000000458752");
  EXPECT_EQ(mapped_file_name(9223372036854775807), "09223372036854775807");
  for (const std::int64_t offset :
       {std::int64_t{0}, std::int64_t{1073741824}, std::int64_t{9223372036854775807}}) {
    EXPECT_EQ(parse_mapped_file_name(mapped_file_name(offset)), offset);
  }
}

TEST(MappedFileName, NothingElse) {
  for (const char* name : {"", "0", "0000000000000000000", "000000000000000000000", "0000000000000000000a",
                           "-0000000000000000001", "+0000000000000000001", " 0000000000000000001",
                           "09223372036854775808", "99999999999999999999", "00000000000000000000.bak"}) {
    EXPECT_FALSE(parse_mapped_file_name(name)) << name;
  }
}

TEST(MappedFileName, EveryTruncationAndEveryBitFlip) {
  const std::string name = "00000000000000065536";
  Bytes bytes(20);
  std::transform(name.begin(), name.end(), bytes.begin(), [](char c) { return static_cast<std::byte>(c); });
  const auto text = [](std::span<const std::byte> part) {
    return std::string(reinterpret_cast<const char*>(part.data()), part.size());
  };
  for_each_truncation(
      bytes, [&](std::span<const std::byte> part) { EXPECT_FALSE(parse_mapped_file_name(text(part))); });
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    const auto offset = parse_mapped_file_name(text(bytes));
    if (offset) {
      EXPECT_EQ(mapped_file_name(*offset), text(bytes)) << bit;
      EXPECT_NE(*offset, 65536) << bit;
    }
  });
}

TEST(MappedFileName, IndexFilesHaveSeventeenDigits) {
  EXPECT_EQ(parse_index_file_name("20261121014712602"), 20261121014712602);
  EXPECT_FALSE(parse_index_file_name("2026112101471260"));
  EXPECT_FALSE(parse_index_file_name("202611210147126020"));
  EXPECT_FALSE(parse_index_file_name("2026112101471260x"));
}

}  // namespace
}  // namespace rmq::format
