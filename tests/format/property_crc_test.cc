#include "libstore/format/property_crc.h"

#include <gtest/gtest.h>

#include "libstore/format/commit_log_record.h"

namespace rmq::format {
namespace {

std::vector<std::byte> a_record() {
  MessageRecord record;
  record.topic = "Orders";
  record.body.assign(40, std::byte{7});
  record.properties = "KEYS\1k\2";
  record.append_property_crc = true;
  auto bytes = encode(record);
  EXPECT_TRUE(bytes);
  return *std::move(bytes);
}

TEST(PropertyCrc, CoversEveryByteInFrontOfIt) {
  std::vector<std::byte> record = a_record();
  EXPECT_TRUE(property_crc_matches(record));
  const std::size_t covered = record.size() - kPropertyCrcSize;
  for (std::size_t bit = 0; bit < covered * 8; ++bit) {
    record[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(property_crc_matches(record)) << bit;
    record[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  EXPECT_TRUE(property_crc_matches(record));
}

TEST(PropertyCrc, MadeAgainItMatches) {
  std::vector<std::byte> record = a_record();
  const std::vector<std::byte> before = record;
  record[90] ^= std::byte{1};
  renew_property_crc(record);
  EXPECT_TRUE(property_crc_matches(record));
  record[90] ^= std::byte{1};
  renew_property_crc(record);
  EXPECT_EQ(record, before);
}

TEST(PropertyCrc, NeedsItsEnd) {
  std::vector<std::byte> record = a_record();
  record.back() = std::byte{0};
  EXPECT_FALSE(property_crc_matches(record));
}

}  // namespace
}  // namespace rmq::format
