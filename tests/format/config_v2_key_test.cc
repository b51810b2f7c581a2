#include "libstore/format/config_v2_key.h"

#include <gtest/gtest.h>

#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

using Table = ConfigV2Key::Table;

TEST(ConfigV2Key, ReadsAndWritesWhatRocketMqWrote) {
  const Bytes offset = golden("config_v2_key/offset");
  const ConfigV2Key wanted{Table::consumer_offset, false, "RkTopic", "rk_group", 1};
  ASSERT_TRUE(ConfigV2Key::parse(offset));
  EXPECT_EQ(*ConfigV2Key::parse(offset), wanted);
  EXPECT_EQ(wanted.encode(), offset);

  const Bytes topic = golden("config_v2_key/topic");
  const ConfigV2Key wanted_topic{Table::topic, false, "RkTopic", "", 0};
  ASSERT_TRUE(ConfigV2Key::parse(topic));
  EXPECT_EQ(*ConfigV2Key::parse(topic), wanted_topic);
  EXPECT_EQ(wanted_topic.encode(), topic);

  const Bytes version = golden("config_v2_key/data_version");
  const ConfigV2Key wanted_version{Table::consumer_offset, true, "", "", 0};
  ASSERT_TRUE(ConfigV2Key::parse(version));
  EXPECT_EQ(*ConfigV2Key::parse(version), wanted_version);
  EXPECT_EQ(wanted_version.encode(), version);

  const auto value = parse_config_v2_data_version(golden("config_v2_key/data_version_value"));
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, (DataVersion{0, 1795225833151, 6}));
}

TEST(ConfigV2Key, EveryTruncationIsRefused) {
  for (const char* name : {"offset", "topic", "data_version"}) {
    for_each_truncation(golden(std::string("config_v2_key/") + name),
                        [](auto part) { EXPECT_FALSE(ConfigV2Key::parse(part)); });
  }
  for_each_truncation(golden("config_v2_key/data_version_value"),
                      [](auto part) { EXPECT_FALSE(parse_config_v2_data_version(part)); });
}

TEST(ConfigV2Key, BytesBehindAndUnknownTablesAreRefused) {
  for (const char* name : {"offset", "topic", "data_version"}) {
    Bytes bytes = golden(std::string("config_v2_key/") + name);
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(ConfigV2Key::parse(bytes));
    bytes.pop_back();
    for (const int table : {0, 5, 255}) {
      bytes[2] = static_cast<std::byte>(table);
      EXPECT_FALSE(ConfigV2Key::parse(bytes)) << table;
    }
  }
}

TEST(ConfigV2Key, EveryBitFlipIsAnotherKeyOrRefused) {
  Bytes bytes = golden("config_v2_key/offset");
  for_each_bit_flip(bytes, [&](std::size_t) {
    const auto found = ConfigV2Key::parse(bytes);
    if (found) {
      EXPECT_EQ(found->encode(), bytes);
    }
  });
}

}  // namespace
}  // namespace rmq::format
