// The texts were written by RocketMQ 5.3.3's classes.
#include "servers/namesrv/json_bodies.h"

#include <gmock/gmock.h>

namespace rmq::namesrv {
namespace {

Route sample() {
  Route route;
  route.queues["broker-a"] = {.read_queues = 8, .write_queues = 4, .perm = 6, .sys_flag = 1};
  route.brokers["broker-a"] = {.cluster = "C/x",
                               .addresses = {{0, "127.0.0.1:10911"}, {1, "127.0.0.1:10921"}},
                               .zone = "zone\xC3\xBC",
                               .enable_acting_master = true};
  return route;
}

TEST(JsonBodies, Route) {
  EXPECT_EQ(
      route_body(sample(), RouteStyle::fastjson),
      R"({"brokerDatas":[{"brokerAddrs":{0:"127.0.0.1:10911",1:"127.0.0.1:10921"},"brokerName":"broker-a",)"
      R"("cluster":"C/x","enableActingMaster":true,"zoneName":"zoneü"}],"filterServerTable":{},"queueDatas":)"
      R"([{"brokerName":"broker-a","perm":6,"readQueueNums":8,"topicSysFlag":1,"writeQueueNums":4}]})");
}

TEST(JsonBodies, RouteWithEverythingInStandardJson) {
  Route route = sample();
  route.order_conf = "broker-a:4";
  route.filter_servers["127.0.0.1:10921"] = {"127.0.0.1:1"};
  route.mappings["broker-a"] = *json::parse(
      R"({"bname":"broker-a","currIdMap":{0:1},"dirty":false,"epoch":9,"scope":"__global__","topic":"S","totalQueues":4})");
  EXPECT_EQ(
      route_body(route, RouteStyle::standard),
      R"({"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:10911","1":"127.0.0.1:10921"},"brokerName":"broker-a",)"
      R"("cluster":"C\/x","enableActingMaster":true,"zoneName":"zone\u00FC"}],"filterServerTable":)"
      R"({"127.0.0.1:10921":["127.0.0.1:1"]},"orderTopicConf":"broker-a:4","queueDatas":[{"brokerName":"broker-a",)"
      R"("perm":6,"readQueueNums":8,"topicSysFlag":1,"writeQueueNums":4}],"topicQueueMappingByBroker":{"broker-a":)"
      R"({"bname":"broker-a","currIdMap":{"0":1},"dirty":false,"epoch":9,"scope":"__global__","topic":"S",)"
      R"("totalQueues":4}}})");
}

TEST(JsonBodies, ClusterInfo) {
  EXPECT_EQ(cluster_info_body(sample().brokers, {{"C", {"broker-a"}}}),
            R"({"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"127.0.0.1:10911",1:"127.0.0.1:10921"},)"
            R"("brokerName":"broker-a","cluster":"C/x","enableActingMaster":true,"zoneName":"zoneü"}},)"
            R"("clusterAddrTable":{"C":["broker-a"]}})");
}

TEST(JsonBodies, SmallerOnes) {
  EXPECT_EQ(topic_list_body({"T/1"}), R"({"topicList":["T/1"]})");
  EXPECT_EQ(topic_list_body({"T/1"}, "x"), R"({"brokerAddr":"x","topicList":["T/1"]})");
  EXPECT_EQ(member_group_body("C", "b", {{0, "x"}}),
            R"({"brokerMemberGroup":{"brokerAddrs":{0:"x"},"brokerName":"b","cluster":"C"}})");
  EXPECT_EQ(data_version_body({.state_version = 3, .timestamp = 1700000000000, .counter = 7}),
            R"({"counter":7,"stateVersion":3,"timestamp":1700000000000})");
}

TEST(JsonBodies, QueueDatas) {
  const auto read = read_queue_datas(route_body(sample(), RouteStyle::fastjson));
  ASSERT_TRUE(read);
  EXPECT_THAT(*read, testing::ElementsAre(testing::Pair("broker-a", sample().queues["broker-a"])));
  EXPECT_FALSE(read_queue_datas(""));
  EXPECT_FALSE(read_queue_datas("{}"));
  EXPECT_FALSE(read_queue_datas(R"({"queueDatas":[{"perm":6}]})"));
}

}  // namespace
}  // namespace rmq::namesrv
