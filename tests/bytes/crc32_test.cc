#include "libstore/bytes/crc32.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"

namespace rmq {
namespace {

TEST(Crc32, CheckValue) {
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xCBF43926U);
  EXPECT_EQ(java_crc32(as_bytes("123456789")), 0x4BF43926);
  EXPECT_EQ(crc32({}), 0U);
}

TEST(Crc32, GoesOnFromASeed) {
  const std::string_view text = "The quick brown fox jumps over the lazy dog";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32(as_bytes(text.substr(cut)), crc32(as_bytes(text.substr(0, cut)))), 0x414FA339U);
  }
}

}  // namespace
}  // namespace rmq
