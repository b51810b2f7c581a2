#include "libstore/rocks/config_tables.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/rocks/rocks_testing.h"

namespace rmq::rocks {
namespace {

using format::ConfigFileKind;

scan::StoreSurvey store() {
  scan::StoreSurvey survey;
  survey.root = "/store";
  return survey;
}

bool has_topic(const ConfigTable& table, const std::string& name) {
  const auto topics = format::read_topics(*table.value);
  return topics && std::ranges::find(*topics, name, &format::TopicConfig::name) != topics->end();
}

std::int64_t offset_of(const ConfigTable& table, const std::string& group, const std::string& topic,
                       std::int32_t queue_id) {
  const auto offsets = format::read_consumer_offsets(*table.value);
  for (const format::ConsumerOffset& offset : *offsets) {
    if (offset.group == group && offset.topic == topic && offset.queue_id == queue_id) return offset.offset;
  }
  return -1;
}

TEST(ConfigTables, ReadsTheDatabasesOfTheFirstVersion) {
  testing::MemoryFileSystem files;
  load_golden(files, "topics", "/store/config/topics");
  load_golden(files, "consumerOffsets", "/store/config/consumerOffsets");
  const auto tables = read_config_tables(files, store());
  ASSERT_EQ(tables.size(), 2U);
  for (const ConfigTable& table : tables) {
    EXPECT_EQ(table.fault, "");
    EXPECT_EQ(table.strange_entries, 0);
    ASSERT_TRUE(table.value);
    EXPECT_GT(table.bytes, 0);
  }
  ASSERT_TRUE(tables[0].version);
  EXPECT_EQ(tables[0].version->counter, 2);
  EXPECT_FALSE(tables[1].version);  // stock writes none
  EXPECT_EQ(tables[0].kind, ConfigFileKind::topics);
  EXPECT_TRUE(has_topic(tables[0], "RkTopic"));
  EXPECT_EQ(tables[1].database, "config/consumerOffsets");
  EXPECT_EQ(offset_of(tables[1], "rk_group", "RkTopic", 0), 29);
  EXPECT_EQ(offset_of(tables[1], "rk_group", "RkTopic", 1), 30);
}

TEST(ConfigTables, ReadsTheDatabaseOfTheSecondVersion) {
  testing::MemoryFileSystem files;
  load_golden(files, "rdb", "/store/config/rdb");
  load_golden(files, "topics", "/store/config/topics");  // of an earlier life: not read
  const auto tables = read_config_tables(files, store());
  ASSERT_EQ(tables.size(), 3U);
  for (const ConfigTable& table : tables) {
    EXPECT_EQ(table.database, "config/rdb");
    EXPECT_EQ(table.fault, "");
    EXPECT_EQ(table.strange_entries, 0);
    EXPECT_TRUE(table.value);
  }
  EXPECT_TRUE(has_topic(tables[0], "RkTopic"));
  EXPECT_TRUE(format::read_subscription_groups(*tables[1].value)->empty());  // as stock leaves it
  EXPECT_EQ(offset_of(tables[2], "rk_group", "RkTopic", 0), 29);
  EXPECT_EQ(offset_of(tables[2], "rk_group", "RkTopic", 1), 30);
}

TEST(ConfigTables, FaultsAreTold) {
  testing::MemoryFileSystem files;
  load_golden(files, "rdb", "/store/config/rdb");
  files.files.erase("/store/config/rdb/000009.sst");
  const auto tables = read_config_tables(files, store());
  ASSERT_EQ(tables.size(), 3U);
  for (const ConfigTable& table : tables) EXPECT_FALSE(table.fault.empty());
  EXPECT_TRUE(read_config_tables(testing::MemoryFileSystem(), store()).empty());
}

}  // namespace
}  // namespace rmq::rocks
