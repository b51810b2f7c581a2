// What operators ask: topics, groups, offsets, configuration, statistics. Codes and remarks as a stock broker
// has them.
#include <gmock/gmock.h>

#include <string>

#include "libstore/json/json_value.h"
#include "libstore/json/json_writer.h"
#include "tests/broker/broker_in_memory.h"

namespace rmq::broker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Admin : public ::testing::Test {
 protected:
  [[nodiscard]] static wire::Fields topic_fields(const std::string& topic,
                                                 const std::string& attributes = "") {
    wire::Fields fields{
        {"topic", topic}, {"defaultTopic", "TBW102"},        {"readQueueNums", "4"}, {"writeQueueNums", "4"},
        {"perm", "6"},    {"topicFilterType", "SINGLE_TAG"}, {"topicSysFlag", "0"},  {"order", "false"}};
    if (!attributes.empty()) fields.emplace_back("attributes", attributes);
    return fields;
  }
  std::optional<wire::Response> update(const std::string& topic, const std::string& attributes = "") {
    return broker_.call(RequestCode::update_and_create_topic, topic_fields(topic, attributes));
  }
  json::Value body(RequestCode code, const wire::Fields& fields = {}) {
    const auto response = broker_.call(code, fields);
    EXPECT_EQ(broker::code(response), 0) << remark(response);
    auto parsed = json::parse(response ? response->body : "");
    EXPECT_TRUE(parsed);
    return parsed ? *parsed : json::Value();
  }

  BrokerInMemory broker_;
};

TEST_F(Admin, TopicsAreMadeAndRefused) {
  EXPECT_EQ(code(update("T")), 0);
  const json::Value bean = body(RequestCode::get_topic_config, {{"topic", "T"}});
  EXPECT_EQ(json::write_fastjson(bean, {.pretty = false}),
            R"({"attributes":{},"order":false,"perm":6,"readQueueNums":4,"topicFilterType":"SINGLE_TAG",)"
            R"("topicName":"T","topicSysFlag":0,"writeQueueNums":4})");
  const std::int64_t version = broker_.broker->topics().data_version().counter;
  EXPECT_EQ(code(update("T")), 0);  // as it is already: nothing happens
  EXPECT_EQ(broker_.broker->topics().data_version().counter, version);

  const auto illegal = update("bad.name");
  EXPECT_EQ(code(illegal), 29);
  EXPECT_EQ(remark(illegal),
            "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$");
  const auto system = update("SCHEDULE_TOPIC_XXXX");
  EXPECT_EQ(code(system), 29);
  EXPECT_EQ(remark(system), "The topic[SCHEDULE_TOPIC_XXXX] is conflict with system topic.");
  const auto mixed = update("M", "+message.type=MIXED");
  EXPECT_EQ(code(mixed), 29);
  EXPECT_EQ(remark(mixed), "MIXED message type is not supported.");
  const auto attribute = update("A", "+color=red");
  EXPECT_EQ(code(attribute), 1);
  EXPECT_EQ(remark(attribute), "unsupported key: color");
  const auto missing = broker_.call(RequestCode::update_and_create_topic, {{"topic", "X"}});
  EXPECT_EQ(code(missing), 1);
  EXPECT_FALSE(broker_.broker->topics().find("X"));
}

TEST_F(Admin, ListsOfTopicsAreTaken) {
  const auto response = broker_.call(
      RequestCode::update_and_create_topic_list, {},
      R"({"topicConfigList":[{"topicName":"A","readQueueNums":2,"writeQueueNums":2,"perm":6},{"topicName":"B"}]})");
  EXPECT_EQ(code(response), 0);
  EXPECT_EQ(broker_.broker->topics().find("A")->read_queues, 2);
  EXPECT_EQ(broker_.broker->topics().find("B")->read_queues, 16);
  EXPECT_EQ(code(broker_.call(RequestCode::update_and_create_topic_list, {},
                              R"({"topicConfigList":[{"topicName":"C"},{"topicName":"bad.name"}]})")),
            29);
  EXPECT_FALSE(broker_.broker->topics().find("C"));
  EXPECT_EQ(code(broker_.call(RequestCode::update_and_create_topic_list, {}, "[")), 1);
}

TEST_F(Admin, AllTopicsAreTold) {
  ASSERT_EQ(code(update("T")), 0);
  const json::Value all = body(RequestCode::get_all_topic_config);
  EXPECT_TRUE(all.find("topicConfigTable")->find("T"));
  EXPECT_TRUE(all.find("topicConfigTable")->find("TBW102"));
  EXPECT_EQ(all.find("dataVersion")->find("counter")->as_int64(), 1);
  EXPECT_TRUE(all.find("mappingDataVersion"));
  EXPECT_TRUE(all.find("topicQueueMappingDetailMap"));
}

TEST_F(Admin, DeletedTopicsAreGone) {
  ASSERT_EQ(code(update("T")), 0);
  ASSERT_EQ(code(broker_.send("T", "body")), 0);
  ASSERT_TRUE(broker_.broker->groups().find_or_create("G"));
  broker_.broker->offsets().commit("G", "T", 0, 1);
  EXPECT_EQ(code(broker_.call(RequestCode::delete_topic_in_broker, {{"topic", "T"}})), 0);
  EXPECT_FALSE(broker_.broker->topics().find("T"));
  EXPECT_FALSE(broker_.broker->offsets().query("G", "T", 0));
  EXPECT_FALSE(broker_.broker->store().max_offset("T", 0));
  EXPECT_EQ(code(broker_.call(RequestCode::get_topic_config, {{"topic", "T"}})), 17);
  EXPECT_EQ(code(broker_.call(RequestCode::delete_topic_in_broker, {{"topic", " "}})), 29);
  EXPECT_EQ(code(broker_.call(RequestCode::delete_topic_in_broker, {{"topic", "TBW102"}})), 29);
}

TEST_F(Admin, OffsetsOfATopicAreTold) {
  ASSERT_EQ(code(update("T")), 0);
  ASSERT_EQ(code(broker_.send("T", "body", "", "2")), 0);
  const auto response = broker_.call(RequestCode::get_topic_stats_info, {{"topic", "T"}});
  ASSERT_EQ(code(response), 0);
  EXPECT_THAT(response->body,
              HasSubstr(R"({"brokerName":"broker-a","queueId":2,"topic":"T"}:{"lastUpdateTimestamp":)" +
                        std::to_string(broker_.clock.now) + R"(,"maxOffset":1,"minOffset":0})"));
  EXPECT_THAT(response->body,
              HasSubstr(R"("queueId":3,"topic":"T"}:{"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0})"));
  const auto unknown = broker_.call(RequestCode::get_topic_stats_info, {{"topic", "U"}});
  EXPECT_EQ(code(unknown), 17);
  EXPECT_EQ(remark(unknown), "topic[U] not exist");
}

TEST_F(Admin, GroupsAreMadeReadAndDeleted) {
  EXPECT_EQ(code(broker_.call(RequestCode::update_and_create_subscription_group, {},
                              R"({"groupName":"G","retryMaxTimes":3})")),
            0);
  EXPECT_EQ(code(broker_.call(RequestCode::update_and_create_subscription_group_list, {},
                              R"({"groupConfigList":[{"groupName":"H"},{"groupName":"I"}]})")),
            0);
  EXPECT_EQ(
      body(RequestCode::get_subscription_group_config, {{"group", "G"}}).find("retryMaxTimes")->as_int64(),
      3);
  const json::Value all = body(RequestCode::get_all_subscription_group_config);
  EXPECT_TRUE(all.find("subscriptionGroupTable")->find("I"));
  broker_.broker->offsets().commit("G", "T", 0, 5);
  EXPECT_EQ(code(broker_.call(RequestCode::delete_subscription_group, {{"groupName", "G"}})), 0);
  EXPECT_EQ(broker_.broker->offsets().query("G", "T", 0), 5);
  EXPECT_EQ(code(broker_.call(RequestCode::delete_subscription_group,
                              {{"groupName", "G"}, {"cleanOffset", "true"}})),
            0);
  EXPECT_FALSE(broker_.broker->offsets().query("G", "T", 0));
  broker_.config->apply({{"autoCreateSubscriptionGroup", "false"}});
  EXPECT_EQ(code(broker_.call(RequestCode::get_subscription_group_config, {{"group", "G"}})), 26);
}

TEST_F(Admin, GroupsCanBeKeptFromTopics) {
  const wire::Fields fields{{"group", "G"}, {"topic", "T"}};
  EXPECT_TRUE(*body(RequestCode::update_and_get_group_forbidden, fields).find("readable")->as_bool());
  wire::Fields forbid = fields;
  forbid.emplace_back("readable", "false");
  EXPECT_FALSE(*body(RequestCode::update_and_get_group_forbidden, forbid).find("readable")->as_bool());
  EXPECT_FALSE(*body(RequestCode::update_and_get_group_forbidden, fields).find("readable")->as_bool());
}

TEST_F(Admin, OffsetsAreAskedForAndCommitted) {
  const wire::Fields asked{{"consumerGroup", "G"}, {"topic", "T"}, {"queueId", "0"}};
  wire::Fields commit = asked;
  commit.emplace_back("commitOffset", "5");
  EXPECT_EQ(code(broker_.call(RequestCode::update_consumer_offset, commit)), 26);
  ASSERT_TRUE(broker_.broker->groups().find_or_create("G"));
  EXPECT_EQ(code(broker_.call(RequestCode::update_consumer_offset, commit)), 17);
  ASSERT_EQ(code(update("T")), 0);
  EXPECT_EQ(code(broker_.call(RequestCode::query_consumer_offset, asked)), 22);
  // A topic that is all in memory: a new group begins with its first message.
  ASSERT_EQ(code(broker_.send("T", "body")), 0);
  EXPECT_EQ(field(broker_.call(RequestCode::query_consumer_offset, asked), "offset"), "0");
  wire::Fields no_zero = asked;
  no_zero.emplace_back("setZeroIfNotFound", "false");
  EXPECT_EQ(code(broker_.call(RequestCode::query_consumer_offset, no_zero)), 22);
  EXPECT_EQ(code(broker_.call(RequestCode::update_consumer_offset, commit)), 0);
  EXPECT_EQ(field(broker_.call(RequestCode::query_consumer_offset, asked), "offset"), "5");
  broker_.broker->offsets().assign_reset("G", "T", 0, 1);
  EXPECT_EQ(remark(broker_.call(RequestCode::update_consumer_offset, commit)),
            "Offset has been previously reset");
  EXPECT_EQ(broker_.broker->offsets().query("G", "T", 0), 1);
  EXPECT_THAT(broker_.call(RequestCode::get_all_consumer_offset, {})->body, HasSubstr(R"("T@G":{0:1})"));
}

TEST_F(Admin, StatisticsOfATopicAreTold) {
  ASSERT_EQ(code(update("T")), 0);
  ASSERT_EQ(code(broker_.send("T", "body")), 0);
  const wire::Fields asked{{"statsName", "TOPIC_PUT_NUMS"}, {"statsKey", "T"}};
  broker_.broker->stats().sample_seconds(broker_.clock.now);
  const json::Value stats = body(RequestCode::view_broker_stats_data, asked);
  EXPECT_EQ(stats.find("statsMinute")->find("sum")->as_int64(), 1);
  EXPECT_EQ(stats.find("statsMinute")->find("tps")->as_double(), 0.1);
  const auto none = broker_.call(RequestCode::view_broker_stats_data, with(asked, "statsKey", "U"));
  EXPECT_EQ(code(none), 1);
  EXPECT_EQ(remark(none), "The stats <TOPIC_PUT_NUMS> <U> not exist");
}

TEST_F(Admin, RuntimeInfoHasWhatConsolesRead) {
  const json::Value info = body(RequestCode::get_broker_runtime_info);
  const json::Value* table = info.find("table");
  for (const char* key : {"bootTimestamp",
                          "runtime",
                          "putTps",
                          "getTransferredTps",
                          "getTransferedTps",
                          "commitLogDiskRatio",
                          "consumeQueueDiskRatio",
                          "commitLogMinOffset",
                          "commitLogMaxOffset",
                          "commitLogDirCapacity",
                          "brokerVersion",
                          "brokerVersionDesc",
                          "brokerActive",
                          "msgPutTotalTodayNow",
                          "dispatchBehindBytes",
                          "pageCacheLockTimeMills",
                          "earliestMessageTimeStamp",
                          "sendThreadPoolQueueSize",
                          "pullThreadPoolQueueHeadWaitTimeMills",
                          "timerReadBehind",
                          "remainHowManyDataToFlush",
                          "putMessageDistributeTime",
                          "EndTransactionQueueSize"})
    EXPECT_TRUE(table->find(key)) << key;
  EXPECT_EQ(*table->find("brokerVersion")->if_string(), "479");
}

TEST_F(Admin, ConfigurationIsToldAndChanged) {
  EXPECT_THAT(broker_.call(RequestCode::get_broker_config, {})->body, HasSubstr("\nfileReservedTime=72\n"));
  EXPECT_EQ(code(broker_.call(RequestCode::update_broker_config, {}, "fileReservedTime=49\n")), 0);
  EXPECT_THAT(broker_.call(RequestCode::get_broker_config, {})->body, HasSubstr("\nfileReservedTime=49\n"));
  const auto refused = broker_.call(RequestCode::update_broker_config, {}, "configBlackList=\n");
  EXPECT_EQ(code(refused), 16);
  EXPECT_EQ(remark(refused), "Can not update config in black list.");
  EXPECT_EQ(code(broker_.call(RequestCode::update_broker_config, {}, "a=\\u12\n")), 1);
}

TEST_F(Admin, TheRestIsAnswered) {
  EXPECT_THAT(broker_.call(RequestCode::get_system_topic_list_from_broker, {})->body,
              AllOf(HasSubstr("TBW102"), HasSubstr("SCHEDULE_TOPIC_XXXX"), Not(HasSubstr("BenchmarkTest2"))));
  for (const RequestCode each : {RequestCode::clean_expired_consume_queue, RequestCode::clean_unused_topic,
                                 RequestCode::delete_expired_commit_log})
    EXPECT_EQ(code(broker_.call(each, {})), 0);
  EXPECT_TRUE(*body(RequestCode::get_broker_ha_status).find("master")->as_bool());
  EXPECT_EQ(remark(broker_.call(RequestCode::get_timer_check_point, {})), "The checkpoint is null");
  const auto unknown = broker_.call(static_cast<RequestCode>(47), {});
  EXPECT_EQ(code(unknown), 3);
  EXPECT_EQ(remark(unknown), " request type 47 not supported");
}

}  // namespace
}  // namespace rmq::broker
