#include "libstore/format/abort_file.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"
#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

TEST(AbortFile, HoldsAProcessId) {
  Bytes bytes = golden("abort_file/pid");
  const auto pid = parse_abort_file(as_text(bytes));
  ASSERT_TRUE(pid);
  EXPECT_EQ(std::to_string(*pid), as_text(bytes));
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    const auto other = parse_abort_file(as_text(bytes));
    if (other) {
      EXPECT_NE(*other, *pid) << bit;
    }
  });
}

TEST(AbortFile, AnythingElseIsNoProcessId) {
  for (const char* text : {"", "0", "-1", "12x", " 12", "12\n", "9223372036854775808"}) {
    EXPECT_FALSE(parse_abort_file(text)) << text;
  }
}

}  // namespace
}  // namespace rmq::format
