#include "libstore/format/dledger_entry.h"

#include <gtest/gtest.h>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

Bytes encoded(const DledgerEntry& entry) {
  Bytes bytes(kDledgerEntryHeaderSize);
  entry.store(bytes.data());
  return bytes;
}

TEST(DledgerEntry, ReadsWhatRocketMqWrote) {
  const Bytes bytes = golden("dledger_entry/head");
  const auto entry = DledgerEntry::parse(bytes);
  ASSERT_TRUE(entry);
  EXPECT_EQ(*entry, (DledgerEntry{1, 945, 1, 0, 1316, 0, 0, 0, 897}));
  EXPECT_EQ(encoded(*entry), bytes);
}

TEST(DledgerEntry, Blank) {
  Bytes bytes = golden("dledger_entry/blank");
  EXPECT_TRUE(is_dledger_blank(bytes, 1258));
  EXPECT_FALSE(is_dledger_blank(bytes, 1259));
  for_each_truncation(bytes,
                      [](std::span<const std::byte> part) { EXPECT_FALSE(is_dledger_blank(part, 1258)); });
  for_each_bit_flip(bytes, [&](std::size_t bit) { EXPECT_FALSE(is_dledger_blank(bytes, 1258)) << bit; });
  bytes.resize(kDledgerEntryHeaderSize);
  EXPECT_EQ(DledgerEntry::parse(bytes).error().fault, DecodeFault::bad_magic);
}

TEST(DledgerEntry, EveryTruncationAndEveryBitFlip) {
  Bytes bytes = golden("dledger_entry/head");
  for_each_truncation(bytes, [](std::span<const std::byte> part) {
    EXPECT_EQ(DledgerEntry::parse(part).error().fault, DecodeFault::truncated);
  });
  const auto whole = DledgerEntry::load(bytes.data());
  for_each_bit_flip(bytes, [&](std::size_t bit) {
    const std::size_t byte = bit / 8;
    const auto entry = DledgerEntry::parse(bytes);
    if ((byte >= 4 && byte < 8) || byte >= 44) {
      EXPECT_EQ(entry.error().fault, DecodeFault::bad_length) << bit;
    } else if (entry) {
      EXPECT_NE(*entry, whole) << bit;
      EXPECT_EQ(encoded(*entry), bytes) << bit;
    } else {
      EXPECT_EQ(entry.error().fault, DecodeFault::bad_magic) << bit;
      EXPECT_LT(byte, 4U) << bit;
    }
  });
}

}  // namespace
}  // namespace rmq::format
