// Topics, groups and offsets of a broker, and the files that they lie in.
#include <gmock/gmock.h>

#include "libstore/json/json_writer.h"
#include "libstore/testing/simulated_file_system.h"
#include "servers/broker/consumer_offsets.h"
#include "servers/broker/subscription_groups.h"
#include "servers/broker/topic_configs.h"
#include "tests/broker/fake_connection.h"
#include "tests/broker/java_files.h"

namespace rmq::broker {
namespace {

using rmq::testing::SimulatedFileSystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

class Managers : public ::testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<TopicConfigs> topics() {
    auto topics = std::make_unique<TopicConfigs>(files_, kConfigDirectory, config_, clock_);
    topics->on_change([this](const std::vector<TopicConfigPtr>& changed) {
      for (const TopicConfigPtr& topic : changed) registered_.push_back(topic->name);
    });
    return topics;
  }
  [[nodiscard]] std::unique_ptr<SubscriptionGroups> groups() {
    return std::make_unique<SubscriptionGroups>(files_, kConfigDirectory, config_, clock_);
  }
  [[nodiscard]] std::unique_ptr<ConsumerOffsets> offsets() {
    return std::make_unique<ConsumerOffsets>(files_, kConfigDirectory, config_, clock_);
  }

  SimulatedFileSystem files_{1};
  TestClock clock_;
  BrokerConfig config_{test_surroundings()};
  std::vector<std::string> registered_;
};

format::SubscriptionGroup group_of(const std::string& name) {
  format::SubscriptionGroup group;
  group.name = name;
  return group;
}

// A topic with RocketMQ's defaults for the rest.
format::TopicConfig topic_of(const std::string& name, std::int32_t queues = 16,
                             std::vector<std::pair<std::string, std::string>> attributes = {}) {
  format::TopicConfig topic;
  topic.name = name;
  topic.read_queues = topic.write_queues = queues;
  topic.attributes = std::move(attributes);
  return topic;
}

std::optional<std::int64_t> no_queue(std::string_view, std::int32_t) { return std::nullopt; }

TEST_F(Managers, NamesAreJudgedAsTopicValidatorDoes) {
  EXPECT_EQ(topic_name_problem("Orders-1_|%"), "");
  EXPECT_EQ(topic_name_problem("  "), "The specified topic is blank.");
  EXPECT_EQ(topic_name_problem("a.b"),
            "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$");
  EXPECT_EQ(topic_name_problem(std::string(127, 'a')), "");
  EXPECT_EQ(topic_name_problem(std::string(128, 'a')),
            "The specified topic is longer than topic max length.");
}

TEST_F(Managers, AFreshBrokerHasTheSystemTopicsOfStock) {
  config_.apply({{"traceTopicEnable", "true"}});
  const auto topics = this->topics();
  ASSERT_TRUE(topics->load());
  // As a stock broker made them.
  const auto java = format::read_topics(*json::parse(java_file("topics.json")));
  ASSERT_TRUE(java);
  int compared = 0;
  for (const format::TopicConfig& topic : *java) {
    if (!topics->is_system_topic(topic.name)) continue;
    const TopicConfigPtr ours = topics->find(topic.name);
    ASSERT_TRUE(ours) << topic.name;
    EXPECT_EQ(*ours, topic) << topic.name;
    ++compared;
  }
  EXPECT_EQ(compared, 14);
  EXPECT_EQ(topics->all().size(), 14U);
  EXPECT_THAT(get_file(files_, "topics.json"), "(none)");  // nor does stock write it before something changes
}

TEST_F(Managers, AFileOfStockIsWrittenBackAsItWas) {
  put_file(files_, "topics.json", java_file("topics.json"));
  put_file(files_, "subscriptionGroup.json", java_file("subscriptionGroup.json"));
  config_.apply({{"traceTopicEnable", "true"}});
  const auto topics = this->topics();
  ASSERT_TRUE(topics->load());
  ASSERT_TRUE(topics->persist());
  EXPECT_EQ(get_file(files_, "topics.json"), java_file("topics.json"));
  EXPECT_EQ(get_file(files_, "topics.json.bak"), java_file("topics.json"));
  const auto groups = this->groups();
  ASSERT_TRUE(groups->load());
  ASSERT_TRUE(groups->persist());
  EXPECT_EQ(get_file(files_, "subscriptionGroup.json"), java_file("subscriptionGroup.json"));
}

TEST_F(Managers, OffsetsOfStockAreWrittenBackAsTheyWere) {
  put_file(files_, "consumerOffset.json", java_file("consumerOffset.json"));
  const auto offsets = this->offsets();
  const auto clamped = offsets->load(no_queue);
  ASSERT_TRUE(clamped);
  EXPECT_THAT(*clamped, IsEmpty());
  offsets->commit("cg_sql", "FilterTopic", 0, 30);  // what it is already
  ASSERT_TRUE(offsets->persist());
  EXPECT_EQ(get_file(files_, "consumerOffset.json"), java_file("consumerOffset.json"));
}

TEST_F(Managers, WhatOthersWroteIntoAFileStays) {
  put_file(files_, "topics.json",
           R"({"dataVersion":{"counter":7,"timestamp":5},"later":{"a":[1]},"topicConfigTable":{)"
           R"("T":{"topicName":"T","perm":6,"readQueueNums":4,"writeQueueNums":4,"newMember":"x"}}})");
  const auto topics = this->topics();
  ASSERT_TRUE(topics->load());
  EXPECT_EQ(topics->data_version().counter, 7);
  ASSERT_TRUE(topics->update(topic_of("T", 8)));
  const auto written = json::parse(get_file(files_, "topics.json"));
  ASSERT_TRUE(written);
  EXPECT_EQ(json::write_fastjson(*written->find("later"), {.pretty = false}), R"({"a":[1]})");
  EXPECT_EQ(*written->find("topicConfigTable")->find("T")->find("newMember")->if_string(), "x");
  EXPECT_EQ(topics->data_version().counter, 8);
}

TEST_F(Managers, ATopicIsMadeLikeTheDefaultTopic) {
  const auto topics = this->topics();
  const TopicConfigPtr made = topics->create_in_send("Orders", kAutoCreateTopic, "client", 4, 0);
  ASSERT_TRUE(made);
  EXPECT_EQ(*made, topic_of("Orders", 4));
  EXPECT_THAT(registered_, ElementsAre("Orders"));
  EXPECT_THAT(get_file(files_, "topics.json"), HasSubstr("\"Orders\":{\n\t\t\t\"attributes\":{},"));
  EXPECT_EQ(topics->data_version().counter, 1);
  EXPECT_EQ(topics->data_version().timestamp, clock_.now);
  // Never more queues than the default topic has, and not fewer than none.
  EXPECT_EQ(topics->create_in_send("Many", kAutoCreateTopic, "client", 100, 0)->write_queues, 8);
  EXPECT_EQ(topics->create_in_send("None", kAutoCreateTopic, "client", -1, 0)->write_queues, 0);
  EXPECT_EQ(topics->create_in_send("Orders", kAutoCreateTopic, "client", 1, 0), made);
}

TEST_F(Managers, NoTopicIsMadeWhereNothingIsInherited) {
  const auto topics = this->topics();
  EXPECT_FALSE(topics->create_in_send("Orders", "NoSuchTopic", "client", 4, 0));
  EXPECT_FALSE(topics->create_in_send("Orders", kSelfTestTopic, "client", 4, 0));
  config_.apply({{"autoCreateTopicEnable", "false"}});
  EXPECT_FALSE(topics->create_in_send("Orders", kAutoCreateTopic, "client", 4, 0));
  EXPECT_FALSE(this->topics()->find(kAutoCreateTopic));
  EXPECT_THAT(registered_, IsEmpty());
}

TEST_F(Managers, RetryTopicsAreMadeOnce) {
  const auto topics = this->topics();
  EXPECT_EQ(topics->create_in_send_back("%RETRY%G", 1, 6)->write_queues, 1);
  EXPECT_EQ(topics->create_in_send_back("%RETRY%G", 3, 6)->write_queues, 1);
  EXPECT_TRUE(topics->create_in_send_back("%RETRY%G", 1, 6, true)->order);
  EXPECT_EQ(topics->data_version().counter, 2);
}

TEST_F(Managers, AttributesAreChangedByPlusAndMinus) {
  const auto topics = this->topics();
  const auto update = [&](format::TopicConfig topic) { return topics->update(topic); };
  const auto made = update(topic_of("T", 16, {{"+message.type", "FIFO"}, {"+queue.type", "BatchCQ"}}));
  ASSERT_TRUE(made);
  EXPECT_THAT((*made)->attributes, ElementsAre(Pair("message.type", "FIFO"), Pair("queue.type", "BatchCQ")));
  const auto changed = update(topic_of("T", 16, {{"+message.type", "NORMAL"}}));
  ASSERT_TRUE(changed);
  EXPECT_THAT((*changed)->attributes,
              ElementsAre(Pair("message.type", "NORMAL"), Pair("queue.type", "BatchCQ")));
  const auto problem = [&](const std::string& key, const std::string& value) {
    const auto result = update(topic_of("T", 16, {{key, value}}));
    return result ? "(taken)" : result.error().message();
  };
  EXPECT_EQ(problem("+queue.type", "SimpleCQ"),
            "attempt to update an unchangeable attribute. key: queue.type");
  EXPECT_EQ(problem("+color", "red"), "unsupported key: color");
  EXPECT_EQ(problem("message.type", "FIFO"), "wrong format key: essage.type");
  EXPECT_EQ(problem("-cleanup.policy", ""), "attempt to delete a nonexistent key: cleanup.policy");
  EXPECT_EQ(problem("+reserve.time", "5"), "Update topic reserveTime not supported");
  EXPECT_EQ(topics->find("T")->attributes, (*changed)->attributes);
}

TEST_F(Managers, DeletedTopicsAreGoneFromTheFile) {
  const auto topics = this->topics();
  ASSERT_TRUE(topics->update(topic_of("T")));
  const std::uint64_t before = topics->generation();
  EXPECT_TRUE(topics->remove("T"));
  EXPECT_FALSE(topics->remove("T"));
  EXPECT_NE(topics->generation(), before);
  EXPECT_FALSE(topics->find("T"));
  EXPECT_THAT(get_file(files_, "topics.json"), Not(HasSubstr("\"T\"")));
}

TEST_F(Managers, NameServersSayWhichTopicsAreOrdered) {
  const auto topics = this->topics();
  ASSERT_TRUE(topics->update(topic_of("T")));
  topics->set_ordered({"T", "Unknown"});
  EXPECT_TRUE(topics->find("T")->order);
  EXPECT_EQ(topics->data_version().counter, 2);
  topics->set_ordered({"T"});
  EXPECT_EQ(topics->data_version().counter, 2);
}

TEST_F(Managers, ADamagedFileGivesWayToItsBackup) {
  put_file(files_, "topics.json", "{\"topicConfigTable\":{");
  put_file(files_, "topics.json.bak", R"({"topicConfigTable":{"T":{"topicName":"T"}}})");
  const auto topics = this->topics();
  ASSERT_TRUE(topics->load());
  EXPECT_TRUE(topics->find("T"));
  put_file(files_, "topics.json.bak", "[");
  EXPECT_FALSE(this->topics()->load());  // stock does not start either
}

TEST_F(Managers, GroupsAreMadeWhereTheBrokerMay) {
  const auto groups = this->groups();
  EXPECT_EQ(groups->all().size(), 8U);
  EXPECT_FALSE(groups->find("G"));
  ASSERT_TRUE(groups->find_or_create("G"));
  EXPECT_EQ(*groups->find("G"), group_of("G"));
  EXPECT_FALSE(groups->find_or_create("bad.name"));
  EXPECT_FALSE(groups->find_or_create(std::string(256, 'a')));
  config_.apply({{"autoCreateSubscriptionGroup", "false"}});
  EXPECT_FALSE(groups->find_or_create("H"));
  EXPECT_TRUE(groups->find_or_create("CID_RMQ_SYS_H"));
  // As stock writes it.
  const auto java = json::parse(java_file("subscriptionGroup.json"));
  const json::Value* theirs = java->find("subscriptionGroupTable")->find("cg_sql");
  json::Value ours = groups->bean("G");
  ours.if_object()->set("groupName", "cg_sql");
  EXPECT_EQ(json::write_fastjson(ours), json::write_fastjson(*theirs));
}

TEST_F(Managers, GroupsAreUpdatedWithDefaultsForTheRest) {
  const auto groups = this->groups();
  const auto made = groups->update(
      *json::parse(R"({"groupName":"G","retryMaxTimes":3,"consumeEnable":false,"newMember":[1]})"));
  ASSERT_TRUE(made);
  EXPECT_EQ((*made)->retry_max_times, 3);
  EXPECT_FALSE((*made)->consume_enable);
  EXPECT_EQ((*made)->retry_queues, 1);
  EXPECT_THAT(get_file(files_, "subscriptionGroup.json"), HasSubstr("newMember"));
  ASSERT_TRUE(groups->update(*json::parse(R"({"groupName":"G"})")));
  EXPECT_EQ(groups->find("G")->retry_max_times, 16);
  EXPECT_FALSE(groups->update(*json::parse("{}")));
  EXPECT_FALSE(groups->update(*json::parse(R"({"groupName":"G","attributes":{"+a":"b"}})")));
  EXPECT_TRUE(groups->remove("G"));
  EXPECT_FALSE(groups->find("G"));
}

TEST_F(Managers, GroupsCanBeKeptFromTopics) {
  const auto groups = this->groups();
  groups->set_forbidden("G", "T", SubscriptionGroups::kReadIndex, true);
  EXPECT_TRUE(groups->is_forbidden("G", "T", SubscriptionGroups::kReadIndex));
  EXPECT_FALSE(groups->is_forbidden("G", "U", SubscriptionGroups::kReadIndex));
  const auto again = this->groups();
  ASSERT_TRUE(again->load());
  EXPECT_EQ(again->forbidden("G", "T"), 4);
  groups->set_forbidden("G", "T", SubscriptionGroups::kReadIndex, false);
  EXPECT_EQ(groups->forbidden("G", "T"), 0);
}

TEST_F(Managers, OffsetsAreKept) {
  const auto offsets = this->offsets();
  ASSERT_TRUE(offsets->load(no_queue));
  EXPECT_FALSE(offsets->query("G", "T", 0));
  EXPECT_TRUE(offsets->commit("G", "T", 0, 5));
  EXPECT_FALSE(offsets->commit("G", "T", 0, 3));  // less, and taken all the same
  EXPECT_TRUE(offsets->commit("G", "T", 10, 7));
  EXPECT_EQ(offsets->query("G", "T", 0), 3);
  ASSERT_TRUE(offsets->persist());
  EXPECT_THAT(get_file(files_, "consumerOffset.json"), HasSubstr("\"T@G\":{0:3,10:7\n"));
  const auto again = this->offsets();
  ASSERT_TRUE(again->load(no_queue));
  EXPECT_THAT(again->query("G", "T"), ElementsAre(Pair(0, 3), Pair(10, 7)));
}

TEST_F(Managers, OffsetsBeyondTheEndAreTakenBack) {
  put_file(files_, "consumerOffset.json", R"({"offsetTable":{"T@G":{0:100,1:5},"Gone@G":{0:100}}})");
  const auto offsets = this->offsets();
  const auto clamped = offsets->load([](std::string_view topic, std::int32_t) {
    return topic == "T" ? std::optional<std::int64_t>(40) : std::nullopt;
  });
  ASSERT_TRUE(clamped);
  EXPECT_THAT(*clamped,
              ElementsAre("group G had read topic T queue 0 up to 100, which ends at 40: it goes on there"));
  EXPECT_THAT(offsets->query("G", "T"), ElementsAre(Pair(0, 40), Pair(1, 5)));
  EXPECT_EQ(offsets->query("G", "Gone", 0), 100);
}

TEST_F(Managers, AResetCountsUntilItIsTaken) {
  const auto offsets = this->offsets();
  offsets->commit("G", "T", 0, 50);
  offsets->assign_reset("G", "T", 0, 10);
  EXPECT_TRUE(offsets->has_reset("G", "T", 0));
  offsets->commit("G", "T", 0, 60);
  EXPECT_EQ(offsets->query("G", "T", 0), 10);
  EXPECT_EQ(offsets->take_reset("G", "T", 0), 10);
  EXPECT_FALSE(offsets->take_reset("G", "T", 0));
  EXPECT_EQ(offsets->query("G", "T", 0), 60);
}

TEST_F(Managers, OffsetsGoWithGroupsAndTopics) {
  const auto offsets = this->offsets();
  offsets->commit("G", "T", 0, 5);
  offsets->commit("G", "U", 0, 6);
  offsets->commit("H", "T", 0, 7);
  offsets->commit_pull("G", "T", 0, 9);
  EXPECT_EQ(offsets->query_pull("G", "T", 0), 9);
  EXPECT_EQ(offsets->query_pull("H", "T", 0), 7);
  EXPECT_THAT(offsets->topics_of("G"), ElementsAre("T", "U"));
  EXPECT_THAT(offsets->groups_of("T"), ElementsAre("G", "H"));
  EXPECT_THAT(offsets->smallest("T", {}, [](std::int32_t) { return std::int64_t{0}; }),
              ElementsAre(Pair(0, 5)));
  EXPECT_THAT(offsets->smallest("T", {"G"}, [](std::int32_t) { return std::int64_t{0}; }),
              ElementsAre(Pair(0, 7)));
  EXPECT_THAT(offsets->smallest("T", {}, [](std::int32_t) { return std::int64_t{6}; }),
              ElementsAre(Pair(0, 7)));
  offsets->clone("G", "I", "U");
  EXPECT_EQ(offsets->query("I", "U", 0), 6);
  offsets->remove_topic("T");
  EXPECT_THAT(offsets->topics_of("G"), ElementsAre("U"));
  offsets->remove_group("G");
  EXPECT_THAT(offsets->topics_of("G"), IsEmpty());
  EXPECT_THAT(offsets->groups_of("U"), ElementsAre("I"));
}

}  // namespace
}  // namespace rmq::broker
