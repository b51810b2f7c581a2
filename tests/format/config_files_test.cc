#include "libstore/format/config_files.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"
#include "tests/format/stem_testing.h"

namespace rmq::format {
namespace {

using Kind = ConfigFileKind;

std::string text_of(const std::string& name) {
  const Bytes bytes = golden("config_files/" + name);
  return std::string(as_text(bytes));
}

json::Value loaded(Kind kind, const std::string& name) {
  const LoadedConfig found = load_config(config_file(kind), text_of(name), std::nullopt);
  EXPECT_EQ(found.from, LoadedFrom::json) << found.json_problem;
  return *found.value;
}

struct Written {
  Kind kind;
  const char* name;
};

class ConfigFiles : public testing::TestWithParam<Written> {};

INSTANTIATE_TEST_SUITE_P(Written, ConfigFiles,
                         testing::Values(Written{Kind::topics, "topics-5.3.3.json"},
                                         Written{Kind::topics, "topics-4.9.7.json"},
                                         Written{Kind::subscription_groups, "subscriptionGroup-5.3.3.json"},
                                         Written{Kind::subscription_groups, "subscriptionGroup-4.9.7.json"},
                                         Written{Kind::consumer_offsets, "consumerOffset-5.3.3.json"},
                                         Written{Kind::consumer_offsets, "consumerOffset-4.9.7.json"},
                                         Written{Kind::delay_offsets, "delayOffset-5.3.3.json"},
                                         Written{Kind::delay_offsets, "delayOffset-4.9.7.json"},
                                         Written{Kind::timer_metrics, "timermetrics"},
                                         Written{Kind::consumer_filters, "consumerFilter.json"},
                                         Written{Kind::consumer_order_info, "consumerOrderInfo.json"}));

TEST_P(ConfigFiles, AreWrittenByteForByteAsRocketMqWritesThem) {
  const ConfigFile& file = config_file(GetParam().kind);
  EXPECT_EQ(write_config(file, loaded(GetParam().kind, GetParam().name)), text_of(GetParam().name));
}

// Writing every value that was read changes nothing: order, unknown members and style survive.
TEST_P(ConfigFiles, SettingWhatWasReadChangesNoByte) {
  json::Value value = loaded(GetParam().kind, GetParam().name);
  const json::Value before = value;
  switch (GetParam().kind) {
    case Kind::topics:
      ASSERT_FALSE(read_topics(before)->empty());
      for (const TopicConfig& topic : *read_topics(before)) set_topic(value, topic);
      break;
    case Kind::subscription_groups:
      ASSERT_FALSE(read_subscription_groups(before)->empty());
      for (const SubscriptionGroup& group : *read_subscription_groups(before))
        set_subscription_group(value, group);
      break;
    case Kind::consumer_offsets:
      ASSERT_FALSE(read_consumer_offsets(before)->empty());
      for (const ConsumerOffset& offset : *read_consumer_offsets(before)) set_consumer_offset(value, offset);
      break;
    case Kind::delay_offsets:
      ASSERT_FALSE(read_delay_offsets(before)->empty());
      for (const DelayOffset& offset : *read_delay_offsets(before)) set_delay_offset(value, offset);
      break;
    default: break;
  }
  if (const auto version = read_data_version(before)) set_data_version(value, *version);
  EXPECT_EQ(write_config(config_file(GetParam().kind), value), text_of(GetParam().name));
}

TEST_P(ConfigFiles, EveryTruncationFallsBackToTheBak) {
  const std::string text = text_of(GetParam().name);
  const ConfigFile& file = config_file(GetParam().kind);
  for (std::size_t size = 0; size < text.size(); ++size) {
    const LoadedConfig found = load_config(file, text.substr(0, size), text);
    ASSERT_EQ(found.from, LoadedFrom::bak) << size;
    ASSERT_FALSE(load_config(file, text.substr(0, size), "{").value) << size;
  }
}

TEST_P(ConfigFiles, BitFlipsNeverBreakTheReader) {
  Bytes bytes = golden(std::string("config_files/") + GetParam().name);
  bytes.resize(std::min<std::size_t>(bytes.size(), 700));
  for (const char c : std::string_view("\"\":0}}}}}")) bytes.push_back(static_cast<std::byte>(c));
  const ConfigFile& file = config_file(GetParam().kind);
  for_each_bit_flip(bytes, [&](std::size_t) {
    const LoadedConfig found = load_config(file, as_text(bytes), std::nullopt);
    EXPECT_EQ(found.value.has_value(), found.json_problem.empty());
    if (found.value) {
      EXPECT_FALSE(write_config(file, *found.value).empty());
    }
  });
}

TEST(ConfigFilesTable, FoundByNameAndKind) {
  for (const ConfigFile& file : config_files()) {
    EXPECT_EQ(&config_file(file.kind), &file);
    EXPECT_EQ(find_config_file(file.name), &file);
    const LoadedConfig fresh = load_config(file, write_config(file, new_config(file)), std::nullopt);
    EXPECT_EQ(fresh.from, LoadedFrom::json) << file.name << ' ' << fresh.json_problem;
  }
  EXPECT_EQ(find_config_file("topics.json.bak"), nullptr);
  EXPECT_EQ(find_config_file("timercheck"), nullptr);
}

TEST(ConfigFilesContents, Topics) {
  const auto topics = read_topics(loaded(Kind::topics, "topics-5.3.3.json"));
  ASSERT_TRUE(topics);
  const auto found = std::ranges::find(*topics, "FilterTopic", &TopicConfig::name);
  ASSERT_NE(found, topics->end());
  EXPECT_EQ(*found, (TopicConfig{"FilterTopic", 2, 2, 6, "SINGLE_TAG", 0, false, {}}));
  EXPECT_EQ(read_data_version(loaded(Kind::topics, "topics-5.3.3.json")), (DataVersion{0, 1795225703546, 6}));
}

TEST(ConfigFilesContents, Offsets) {
  const auto offsets = read_consumer_offsets(loaded(Kind::consumer_offsets, "consumerOffset-5.3.3.json"));
  ASSERT_TRUE(offsets);
  ASSERT_EQ(offsets->size(), 8U);
  EXPECT_EQ((*offsets)[0], (ConsumerOffset{"FilterTopic", "cg_sql", 0, 30}));
  EXPECT_EQ((*offsets)[7], (ConsumerOffset{"OrderedTopic", "cg_order", 3, 14}));
  const auto delays = read_delay_offsets(loaded(Kind::delay_offsets, "delayOffset-5.3.3.json"));
  ASSERT_TRUE(delays);
  EXPECT_EQ(delays->front(), (DelayOffset{1, 7}));
}

TEST(ConfigFilesContents, NewEntriesStandWhereRocketMqWouldPutThem) {
  const ConfigFile& topics = config_file(Kind::topics);
  json::Value value = new_config(topics);
  set_topic(value, {.name = "T", .attributes = {{"queue.type", "BatchCQ"}}});
  set_data_version(value, {0, 5, 1});
  EXPECT_EQ(
      write_config(topics, value),
      "{\n\t\"dataVersion\":{\n\t\t\"counter\":1,\n\t\t\"stateVersion\":0,\n\t\t\"timestamp\":5\n\t},\n"
      "\t\"topicConfigTable\":{\n\t\t\"T\":{\n\t\t\t\"attributes\":{\n\t\t\t\t\"queue.type\":\"BatchCQ\"\n"
      "\t\t\t},\n\t\t\t\"order\":false,\n\t\t\t\"perm\":6,\n\t\t\t\"readQueueNums\":16,\n"
      "\t\t\t\"topicFilterType\":\"SINGLE_TAG\",\n\t\t\t\"topicName\":\"T\",\n\t\t\t\"topicSysFlag\":0,\n"
      "\t\t\t\"writeQueueNums\":16\n\t\t}\n\t}\n}");
  const ConfigFile& offsets = config_file(Kind::consumer_offsets);
  json::Value table = *json::parse(R"({"groupTopicMap":{"g":["A"]},"kept":[1],"offsetTable":{}})");
  set_consumer_offset(table, {"B", "g", 2, 7});
  EXPECT_EQ(write_config(offsets, table),
            "{\n\t\"groupTopicMap\":{\n\t\t\"g\":[\"A\",\"B\"]\n\t},\n\t\"kept\":[1],\n"
            "\t\"offsetTable\":{\n\t\t\"B@g\":{2:7\n\t\t}\n\t}\n}");
}

// ConfigManager.load and loadBak, the same in 5.3.3 and 4.9.7.
TEST(ConfigFilesLoad, WhichFileIsLoaded) {
  const std::string good = R"({"topicConfigTable":{}})";
  const std::string bad = "garbage {";
  const std::nullopt_t missing = std::nullopt;
  struct Case {
    std::optional<std::string_view> file;
    std::optional<std::string_view> bak;
    LoadedFrom from;
    bool succeeds;
  };
  const Case cases[] = {
      {good, good, LoadedFrom::json, true},    {good, bad, LoadedFrom::json, true},
      {good, missing, LoadedFrom::json, true}, {"", good, LoadedFrom::bak, true},
      {"", bad, LoadedFrom::none, false},      {"", missing, LoadedFrom::none, true},
      {"", "", LoadedFrom::none, true},        {missing, good, LoadedFrom::bak, true},
      {missing, bad, LoadedFrom::none, false}, {missing, missing, LoadedFrom::none, true},
      {bad, good, LoadedFrom::bak, true},      {bad, bad, LoadedFrom::none, false},
      {bad, "", LoadedFrom::none, true},       {bad, missing, LoadedFrom::none, true},
      {" \n", good, LoadedFrom::json, true},   {"[]", good, LoadedFrom::json, true},
  };
  for (const Case& c : cases) {
    const LoadedConfig found = load_config(config_file(Kind::topics), c.file, c.bak);
    const std::string label =
        std::string(c.file.value_or("missing")) + " / " + std::string(c.bak.value_or("missing"));
    EXPECT_EQ(found.from, c.from) << label;
    EXPECT_EQ(found.succeeds, c.succeeds) << label;
    EXPECT_EQ(found.value.has_value(), c.from != LoadedFrom::none) << label;
  }
}

TEST(ConfigFilesLoad, WhatTheManagersRefuse) {
  const auto refused = [](Kind kind, std::string_view text) {
    return !load_config(config_file(kind), text, std::nullopt).value;
  };
  EXPECT_TRUE(refused(Kind::topics, "[1]"));
  EXPECT_TRUE(refused(Kind::topics, "1"));
  EXPECT_TRUE(refused(Kind::topics, R"({"topicConfigTable":null})"));
  EXPECT_TRUE(refused(Kind::topics, R"({"topicConfigTable":{"T":{"perm":"x"}}})"));
  EXPECT_TRUE(refused(Kind::topics, R"({"dataVersion":null})"));
  EXPECT_TRUE(refused(Kind::consumer_offsets, R"({"offsetTable":{"T@g":{"a":1}}})"));
  EXPECT_TRUE(refused(Kind::consumer_offsets, R"({"offsetTable":{"T@g":{0:[]}}})"));
  EXPECT_TRUE(refused(Kind::delay_offsets, R"({"offsetTable":{"a":1}})"));
  EXPECT_FALSE(refused(Kind::topics, R"({"topicConfigTable":{"T":{"perm":"6","order":"true"}},"more":1})"));
  EXPECT_FALSE(refused(Kind::consumer_offsets, R"({"offsetTable":{"T@g":{"0":"5"}}})"));
}

}  // namespace
}  // namespace rmq::format
