#include "libstore/format/index_file.h"

#include <gtest/gtest.h>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

template <class T>
Bytes encoded(const T& value, std::int64_t size) {
  Bytes bytes(static_cast<std::size_t>(size));
  value.store(bytes.data());
  return bytes;
}

TEST(IndexFile, ReadsWhatRocketMqWrote) {
  const Bytes header = golden("index_file/header-5.3.3");
  EXPECT_EQ(*IndexHeader::parse(header), (IndexHeader{1767314602416, 1767314866091, 0, 205933, 61, 400}));
  EXPECT_EQ(encoded(*IndexHeader::parse(header), kIndexHeaderSize), header);
  const Bytes older = golden("index_file/header-4.9.7");
  EXPECT_EQ(*IndexHeader::parse(older), (IndexHeader{1767314496529, 1767314989689, 0, 262144, 64, 400}));

  const Bytes entries = golden("index_file/entries");
  const IndexEntry wanted[] = {{0, 0, 0, 0},         {2016687577, 0, 0, 0}, {697980310, 0, 0, 0},
                               {697980337, 0, 0, 0}, {1085863161, 0, 0, 0}, {747348988, 290, 0, 0}};
  for (std::size_t i = 0; i < 6; ++i) {
    const auto part = std::span(entries).subspan(i * 20, 20);
    ASSERT_TRUE(IndexEntry::parse(part));
    EXPECT_EQ(*IndexEntry::parse(part), wanted[i]) << i;
    EXPECT_EQ(encoded(*IndexEntry::parse(part), kIndexEntrySize), Bytes(part.begin(), part.end()));
  }
}

TEST(IndexFile, Places) {
  EXPECT_EQ(index_slot_position(25), 140);
  EXPECT_EQ(index_entry_position(64, 0), 296);
  EXPECT_EQ(index_entry_position(kDefaultIndexSlots, kDefaultIndexEntries), 420'000'040);
}

TEST(IndexFile, HashesAsJavaDoes) {
  EXPECT_EQ(index_key_hash("topic", "key"), 386934027);  // "topic#key".hashCode()
  EXPECT_EQ(index_key_hash(std::numeric_limits<std::int32_t>::min(), ""), 0);
  EXPECT_EQ(index_key_hash(-5, ""), 5);
}

TEST(IndexFile, TimeDiffIsCut) {
  EXPECT_EQ(index_time_diff(1000, 5999), 4);
  EXPECT_EQ(index_time_diff(5000, 1000), 0);
  EXPECT_EQ(index_time_diff(0, 5000), 0);
  EXPECT_EQ(index_time_diff(1, std::numeric_limits<std::int64_t>::max()),
            std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(index_time_diff(1, std::numeric_limits<std::int64_t>::min()),
            std::numeric_limits<std::int32_t>::max());
}

TEST(IndexFile, EveryTruncationAndEveryBitFlip) {
  Bytes header = golden("index_file/header-5.3.3");
  for_each_truncation(header, [](std::span<const std::byte> part) {
    EXPECT_EQ(IndexHeader::parse(part).error().fault, DecodeFault::truncated);
  });
  const IndexHeader whole = *IndexHeader::parse(header);
  for_each_bit_flip(header, [&](std::size_t bit) {
    EXPECT_NE(*IndexHeader::parse(header), whole) << bit;
    EXPECT_EQ(encoded(*IndexHeader::parse(header), kIndexHeaderSize), header) << bit;
  });
  Bytes entries = golden("index_file/entries");
  Bytes entry(entries.begin() + 100, entries.end());
  for_each_truncation(entry, [](std::span<const std::byte> part) {
    EXPECT_EQ(IndexEntry::parse(part).error().fault, DecodeFault::truncated);
  });
  for_each_bit_flip(entry, [&](std::size_t bit) {
    EXPECT_EQ(encoded(*IndexEntry::parse(entry), kIndexEntrySize), entry) << bit;
  });
}

}  // namespace
}  // namespace rmq::format
