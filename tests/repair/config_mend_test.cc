// What is made of each kind of damage to a broker's state files, on stores that brokers wrote.
#include "libstore/repair/config_mend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libstore/repair/config_salvage.h"
#include "tests/repair/config_fixture.h"

namespace rmq::repair {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

TEST(ConfigMend, StoresThatNobodyDamagedStayAsTheyAre) {
  int tried = 0;
  for (const std::string& name : testing::oracle_store_names()) {
    if (name.starts_with("dmg-config-") || name == "big-file" || name.starts_with("timerwheel")) continue;
    const BrokerStore store(name);
    if (std::ranges::none_of(store.files.files, [&](const auto& file) {
          return file.first.starts_with(store.root + "/config/");
        }))
      continue;
    SCOPED_TRACE(name);
    const ConfigMend mend = store.mend(store.plan());
    EXPECT_TRUE(mend.steps.empty());
    for (const auto& decision : mend.decisions) ADD_FAILURE() << decision.file << ": " << decision.text;
    EXPECT_FALSE(mend.offsets_lost);
    ++tried;
  }
  EXPECT_GT(tried, 20);
}

TEST(ConfigMend, EveryDamagedStore) {
  int tried = 0;
  for (const std::string& name : testing::oracle_store_names()) {
    if (!name.starts_with("dmg-config-")) continue;
    SCOPED_TRACE(name);
    const BrokerStore good("broker-config");
    BrokerStore store(name);
    const recovery::Plan plan = store.plan();
    const bool is_damaged = name != "dmg-config-none";
    const ConfigMend mend = store.mend(plan);
    EXPECT_EQ(mend.steps.empty(), !is_damaged);
    store.apply(mend);
    store.expect_mended(plan);
    store.export_config(name);
    EXPECT_THAT(store.config_findings(), IsEmpty());
    EXPECT_EQ(store.offsets(), good.offsets());
    EXPECT_EQ(store.groups(), good.groups());
    if (name != "dmg-config-both-bad") {
      EXPECT_EQ(store.text("topics.json"), good.text("topics.json"));
      EXPECT_EQ(store.text("consumerOffset.json"), good.text("consumerOffset.json"));
      EXPECT_EQ(store.text("subscriptionGroup.json"), good.text("subscriptionGroup.json"));
    }
    ++tried;
  }
  EXPECT_EQ(tried, 8);
}

TEST(ConfigMend, TopicsAreDerivedFromQueuesAndLog) {
  BrokerStore store("dmg-config-both-bad");
  const recovery::Plan plan = store.plan();
  const ConfigMend mend = store.mend(plan);
  ASSERT_EQ(mend.decisions.size(), 1U);
  EXPECT_EQ(mend.decisions[0].source, ConfigSource::evidence);
  store.apply(mend);
  const auto topics = store.topics();
  const auto before = BrokerStore("broker-config").topics();
  for (const auto& [name, topic] : topics) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(before.contains(name));
    EXPECT_EQ(topic.read_queues, before.at(name).read_queues);
    EXPECT_EQ(topic.write_queues, before.at(name).write_queues);
    EXPECT_EQ(topic.perm, 6);
  }
  EXPECT_TRUE(topics.contains("FilterTopic"));
  EXPECT_TRUE(topics.contains("OrderedTopic"));
  EXPECT_EQ(store.text("topics.json"), store.text("topics.json.bak"));
  EXPECT_THAT(*store.text("topics.json"), HasSubstr("\n\t\t\"FilterTopic\":{\n\t\t\t\"attributes\":{},\n"));
}

// Attributes that nobody could set again: the kind of queue, and whether the log of a topic is compacted.
TEST(ConfigMend, AttributesThatTheStoreProves) {
  for (const auto& [name, attribute] : {std::pair("broker-batch-inner", "\"queue.type\":\"BatchCQ\""),
                                        std::pair("compaction", "\"cleanup.policy\":\"COMPACTION\"")}) {
    SCOPED_TRACE(name);
    BrokerStore store(name);
    store.remove("topics.json.bak");
    store.set("topics.json", "{");
    const recovery::Plan plan = store.plan();
    store.apply(store.mend(plan));
    store.expect_mended(plan);
    EXPECT_THAT(*store.text("topics.json"), HasSubstr(attribute));
  }
}

TEST(ConfigMend, NothingIsLeftOfOneFileAfterTheOther) {
  for (const char* const of : {"broker-config", "broker-config-rmq4"}) {
    for (const format::ConfigFile& file : format::config_files()) {
      BrokerStore store(of);
      const std::string name(file.name);
      if (!store.text(name)) continue;
      SCOPED_TRACE(std::string(of) + " " + name);
      const auto groups = store.groups();
      const std::string zeros(300, '\0');
      store.set(name, zeros);
      store.set(name + ".bak", "");
      const recovery::Plan plan = store.plan();
      store.apply(store.mend(plan));
      store.expect_mended(plan);
      EXPECT_THAT(store.config_findings(), IsEmpty());
      if (name != "subscriptionGroup.json") continue;
      for (const std::string& group : groups) {
        if (group.starts_with("cg_")) {
          EXPECT_THAT(store.groups(), Contains(group));
        }
      }
    }
  }
}

TEST(ConfigMend, AWholeTableThatLacksATopic) {
  BrokerStore store("broker-config");
  const recovery::Plan plan = store.plan();
  json::Value file = *json::parse(*store.text("topics.json"));
  ASSERT_TRUE(file.if_object()->find("topicConfigTable")->if_object()->erase("FilterTopic"));
  store.set("topics.json", format::write_config(format::config_file(format::ConfigFileKind::topics), file));
  {  // its messages are newer than the table: it was lost
    BrokerStore lost = store;
    format::DataVersion version = *format::read_data_version(file);
    version.timestamp = 1;
    format::set_data_version(file, version);
    lost.set("topics.json", format::write_config(format::config_file(format::ConfigFileKind::topics), file));
    lost.apply(lost.mend(plan));
    lost.expect_mended(plan);
    ASSERT_TRUE(lost.topics().contains("FilterTopic"));
    EXPECT_EQ(lost.topics().at("FilterTopic").write_queues, 2);
  }
  {  // the table was changed later: it was deleted
    BrokerStore deleted = store;
    format::DataVersion version = *format::read_data_version(file);
    version.timestamp = plan.last_store_timestamp + 1;
    format::set_data_version(file, version);
    deleted.set("topics.json",
                format::write_config(format::config_file(format::ConfigFileKind::topics), file));
    const ConfigMend mend = deleted.mend(plan);
    EXPECT_THAT(mend.steps, IsEmpty());
    EXPECT_THAT(mend.notes, Contains(HasSubstr("FilterTopic")));
  }
}

TEST(ConfigMend, TooFewQueues) {
  BrokerStore store("broker-config");
  const recovery::Plan plan = store.plan();
  const format::ConfigFile& kind = format::config_file(format::ConfigFileKind::topics);
  json::Value file = *json::parse(*store.text("topics.json"));
  format::TopicConfig topic = store.topics().at("OrderedTopic");
  topic.read_queues = topic.write_queues = 1;
  format::set_topic(file, topic);
  format::DataVersion version = *format::read_data_version(file);
  version.timestamp = 1;
  format::set_data_version(file, version);
  store.set("topics.json", format::write_config(kind, file));
  store.apply(store.mend(plan));
  store.expect_mended(plan);
  EXPECT_EQ(store.topics().at("OrderedTopic").read_queues, 4);
  // Somebody made it smaller after the last message.
  version.timestamp = plan.last_store_timestamp + 1;
  format::set_data_version(file, version);
  store.set("topics.json", format::write_config(kind, file));
  EXPECT_THAT(store.mend(plan).steps, IsEmpty());
}

TEST(ConfigMend, OffsetsBeyondTheEndAndEntriesThatAreNone) {
  BrokerStore store("broker-config");
  const recovery::Plan plan = store.plan();
  const std::string text =
      "{\n\t\"offsetTable\":{\n\t\t\"FilterTopic@cg_sql\":{0:31,1:7,2:4,-3:1\n\t\t},\n"
      "\t\t\"Deleted@cg_sql\":{0:99\n\t\t},\n\t\t\"FilterTopic@cg_tag\":{0:-1\n\t\t}\n\t}\n}";
  store.set("consumerOffset.json", text);
  const ConfigMend mend = store.mend(plan);
  ASSERT_EQ(mend.decisions.size(), 1U);
  EXPECT_EQ(mend.decisions[0].source, ConfigSource::unchanged);
  store.apply(mend);
  store.expect_mended(plan);
  const std::map<std::string, std::int64_t> expected{{"FilterTopic@cg_sql/0", 30},
                                                     {"FilterTopic@cg_sql/1", 7},
                                                     {"FilterTopic@cg_sql/2", 0},
                                                     {"Deleted@cg_sql/0", 99}};
  EXPECT_EQ(store.offsets(), expected);
}

TEST(ConfigMend, DelayOffsetsBeyondTheEnd) {
  BrokerStore store("broker-delay");
  const recovery::Plan plan = store.plan();
  const format::ConfigFile& kind = format::config_file(format::ConfigFileKind::delay_offsets);
  json::Value file = *json::parse(*store.text("delayOffset.json"));
  const auto good = *format::read_delay_offsets(file);
  ASSERT_FALSE(good.empty());
  format::set_delay_offset(file, {good[0].level, good[0].offset + 1000});
  store.set("delayOffset.json", format::write_config(kind, file));
  store.apply(store.mend(plan));
  store.expect_mended(plan);
  EXPECT_EQ(*format::read_delay_offsets(*json::parse(*store.text("delayOffset.json"))), good);
}

TEST(ConfigMend, ATemporaryFileOf49IsNewerThanTheBackup) {
  BrokerStore store("broker-config-rmq4");
  const std::string newest = *store.text("topics.json");
  ASSERT_NE(newest, *store.text("topics.json.bak"));
  store.remove("topics.json");
  store.set("topics.json.tmp", newest);
  const recovery::Plan plan = store.plan();
  store.apply(store.mend(plan));
  store.expect_mended(plan);
  EXPECT_EQ(store.text("topics.json"), newest);
}

TEST(ConfigMend, AFileThatSaysNothingDoesNotHideItsBackup) {
  for (const char* const nothing : {" ", "\n\n", "[]", "{}", "null"}) {
    SCOPED_TRACE(nothing);
    BrokerStore store("broker-config");
    store.set("consumerOffset.json", nothing);
    const recovery::Plan plan = store.plan();
    store.apply(store.mend(plan));
    store.expect_mended(plan);
    EXPECT_EQ(store.offsets(), BrokerStore("broker-config").offsets());
  }
}

// Stock would load it, and the group would have no offset.
TEST(ConfigMend, ZerosInANameAreDamage) {
  for (const bool has_backup : {true, false}) {
    BrokerStore store("broker-config");
    std::string text = *store.text("consumerOffset.json");
    text.replace(text.find("@cg_tag"), 3, 3, '\0');
    store.set("consumerOffset.json", text);
    if (!has_backup) store.set("consumerOffset.json.bak", text);
    const recovery::Plan plan = store.plan();
    store.apply(store.mend(plan));
    store.expect_mended(plan);
    auto expected = BrokerStore("broker-config").offsets();
    if (!has_backup)
      std::erase_if(expected, [](const auto& one) { return one.first.find("@cg_tag") != one.first.npos; });
    EXPECT_EQ(store.offsets(), expected);
  }
}

TEST(ConfigMend, ABadBackupOfAGoodFile) {
  BrokerStore store("broker-config");
  store.set("topics.json.bak", "{\"topicConfigTable\":");
  const recovery::Plan plan = store.plan();
  const ConfigMend mend = store.mend(plan);
  ASSERT_EQ(mend.steps.size(), 1U);
  EXPECT_EQ(mend.steps[0].shown, "config/topics.json.bak");
  store.apply(mend);
  store.expect_mended(plan);
}

TEST(ConfigMend, NoConfigAtAllIsNoBrokersStore) {
  BrokerStore store("broker-config");
  std::erase_if(store.files.files,
                [&](const auto& file) { return file.first.starts_with(store.root + "/config/"); });
  const recovery::Plan plan = store.plan();
  EXPECT_THAT(store.mend(plan).steps, IsEmpty());
  // Offsets say that there were topics.
  store.set("consumerOffset.json", *BrokerStore("broker-config").text("consumerOffset.json"));
  store.apply(store.mend(plan));
  store.expect_mended(plan);
  EXPECT_TRUE(store.topics().contains("FilterTopic"));
  EXPECT_THAT(store.groups(), IsSupersetOf({"cg_order", "cg_sql", "cg_tag"}));
}

TEST(ConfigSalvage, TakesWhatProvesItself) {
  const format::ConfigFile& kind = format::config_file(format::ConfigFileKind::topics);
  const std::string entry = "\"A\":{\"perm\":6,\"readQueueNums\":3,\"topicName\":\"A\"}";
  const auto names = [&](const std::string& text) {
    std::vector<std::string> all;
    for (const auto& topic : *format::read_topics(salvage_config(kind, text).file)) all.push_back(topic.name);
    return all;
  };
  EXPECT_THAT(names("garbage " + entry), ElementsAre("A"));
  EXPECT_THAT(names(entry.substr(0, entry.size() - 1)), IsEmpty());
  EXPECT_THAT(names("\"B\":{\"perm\":6,\"topicName\":\"A\"}" + entry), ElementsAre("A"));  // not its own name
  EXPECT_THAT(names("\"A\":{\"perm\":\"x\",\"topicName\":\"A\"}"), IsEmpty());
  EXPECT_THAT(names("{\"topicConfigTable\":{" + entry), ElementsAre("A"));
  EXPECT_TRUE(salvage_config(kind, "{\"topicConfigTable\":{" + entry).is_cut);
  EXPECT_TRUE(salvage_config(kind, "{\"topicConfigTable\":{" + entry + std::string(9, '\0')).is_cut);
  EXPECT_FALSE(salvage_config(kind, "{\"topicConfigTable\":{" + entry + "x" + entry + "}}").is_cut);
}

TEST(ConfigSalvage, ANumberThatMayLackDigitsIsNone) {
  const format::ConfigFile& kind = format::config_file(format::ConfigFileKind::consumer_offsets);
  const auto taken = [&](const std::string& text) {
    std::vector<std::int64_t> all;
    for (const auto& one : *format::read_consumer_offsets(salvage_config(kind, text).file))
      all.push_back(one.offset);
    return all;
  };
  EXPECT_THAT(taken("\"T@g\":{0:30,1:3"), ElementsAre(30));
  EXPECT_THAT(taken("\"T@g\":{0:30,1:31\n\t\t}"), ElementsAre(30, 31));
  EXPECT_THAT(taken("\"T@g\":{0:30,1:3}"), ElementsAre(30, 3));
  EXPECT_THAT(taken("\"T@g\":{\"0\":\"30\"}"), ElementsAre(30));
  EXPECT_THAT(taken("\"Tg\":{0:30}"), IsEmpty());
}

}  // namespace
}  // namespace rmq::repair
