#include "servers/namesrv/name_server.h"

#include <gmock/gmock.h>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/testing/simulated_file_system.h"
#include "servers/wire/register_broker_body.h"
#include "tests/namesrv/fake_connection.h"

namespace rmq::namesrv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class RecordingCaller final : public wire::Caller {
 public:
  void invoke(const std::string&, wire::Command, std::chrono::milliseconds, wire::Completion) override {}
  void send_oneway(const std::string& address, wire::Command command) override {
    sent.emplace_back(address, command);
  }
  std::vector<std::pair<std::string, wire::Command>> sent;
};

class NameServerTest : public ::testing::Test {
 protected:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  NameServerTest() { restart(); }

  void restart() {
    server = std::make_unique<NameServer>(Environment{
        .files = files,
        .config = config,
        .now_ms = [this] { return now_ms; },
        .log = [this](Severity, const std::string& text) { lines.push_back(text); },
        .brokers = &caller,
    });
    EXPECT_TRUE(server->load());
  }
  wire::Response ask(std::int32_t code, const Fields& fields = {}, std::string_view body = {},
                     std::int32_t version = 479) {
    const std::vector<wire::Request::Field> borrowed(fields.begin(), fields.end());
    wire::Request request;
    request.code = code;
    request.version = version;
    request.fields = borrowed;
    request.body = std::as_bytes(std::span(body));
    return server->answer(request, connection);
  }
  wire::Response add_broker(const std::string& name, const std::string& id, const std::string& address,
                            Fields more = {}, std::int32_t counter = 1) {
    wire::RegisterBrokerBody body;
    body.topics = {{.name = "T", .read_queues = 8, .write_queues = 8, .attributes = {}},
                   {.name = "U", .read_queues = 1, .write_queues = 1, .attributes = {}}};
    body.data_version = {.state_version = 0, .timestamp = 7, .counter = counter};
    Fields fields = {{"brokerName", name},
                     {"brokerAddr", address},
                     {"clusterName", "C"},
                     {"brokerId", id},
                     {"haServerAddr", address + "0"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return ask(103, fields, wire::encode_register_broker_body(body, false));
  }
  void set(const wire::Properties& changes) { EXPECT_THAT(config.update(changes), IsEmpty()); }

  rmq::testing::SimulatedFileSystem files{1};
  NamesrvConfig config{{.rocketmq_home = "", .user_home = "/users/u"}};
  RecordingCaller caller;
  std::int64_t now_ms = 1'000'000;
  std::vector<std::string> lines;
  std::shared_ptr<FakeConnection> connection = std::make_shared<FakeConnection>();
  std::unique_ptr<NameServer> server;
};

TEST_F(NameServerTest, UnknownCodes) {
  const auto response = ask(987654);
  EXPECT_EQ(response.code, 3);
  EXPECT_EQ(response.remark, " request type 987654 not supported");
}

TEST_F(NameServerTest, Routes) {
  const auto none = ask(105, {{"topic", "T"}});
  EXPECT_EQ(none.code, 17);
  EXPECT_EQ(none.remark,
            "No topic route info in name server for the topic: T\nSee "
            "https://rocketmq.apache.org/docs/bestPractice/06FAQ "
            "for further details.");
  EXPECT_THAT(*ask(105).remark, HasSubstr("for the topic: null\n"));
  EXPECT_EQ(add_broker("a", "0", "h:1").code, 0);
  const std::string standard =
      R"({"brokerDatas":[{"brokerAddrs":{"0":"h:1"},"brokerName":"a","cluster":"C","enableActingMaster":false}],)"
      R"("filterServerTable":{},"queueDatas":[{"brokerName":"a","perm":6,"readQueueNums":8,"topicSysFlag":0,)"
      R"("writeQueueNums":8}]})";
  EXPECT_EQ(ask(105, {{"topic", "T"}}).body, standard);
  EXPECT_EQ(ask(105, {{"topic", "T"}, {"acceptStandardJsonOnly", "True"}}, {}, 400).body, standard);
  EXPECT_THAT(ask(105, {{"topic", "T"}}, {}, 400).body, HasSubstr(R"("brokerAddrs":{0:"h:1"})"));
}

TEST_F(NameServerTest, RoutesOfAZone) {
  (void)add_broker("a", "0", "h:1", {{"__ZONE_NAME", "z1"}});
  (void)add_broker("b", "0", "h:2", {{"__ZONE_NAME", "z2"}});
  const std::string body = ask(105, {{"topic", "T"}, {"__ZONE_MODE", "true"}, {"__ZONE_NAME", "Z2"}}).body;
  EXPECT_THAT(body, HasSubstr(R"([{"brokerAddrs":{0:"h:2"},"brokerName":"b")"));
  EXPECT_THAT(body, ::testing::Not(HasSubstr(R"("brokerName":"a")")));
  EXPECT_THAT(ask(105, {{"topic", "T"}, {"__ZONE_NAME", "z2"}}).body, HasSubstr(R"("brokerName":"a")"));
}

TEST_F(NameServerTest, NoRoutesWhileItWaits) {
  (void)add_broker("a", "0", "h:1");
  set({{"needWaitForService", "true"}});
  now_ms += 44'999;
  EXPECT_EQ(ask(105, {{"topic", "T"}}).remark, "name server not ready");
  now_ms += 1;
  EXPECT_EQ(ask(105, {{"topic", "T"}}).code, 0);
}

TEST_F(NameServerTest, OrderConfiguration) {
  (void)ask(100, {{"namespace", "ORDER_TOPIC_CONFIG"}, {"key", "T"}, {"value", "a:4"}});
  EXPECT_EQ(add_broker("a", "0", "h:1").body, R"({"table":{"T":"a:4"}})");
  EXPECT_THAT(ask(105, {{"topic", "T"}}).body, ::testing::Not(HasSubstr("orderTopicConf")));
  set({{"orderMessageEnable", "true"}, {"returnOrderTopicConfigToBroker", "false"}});
  EXPECT_THAT(ask(105, {{"topic", "T"}}).body, HasSubstr(R"("orderTopicConf":"a:4")"));
  EXPECT_EQ(add_broker("a", "0", "h:1").body, "");
}

TEST_F(NameServerTest, Registration) {
  const std::string body = wire::encode_register_broker_body({}, false);
  Fields fields = {{"brokerName", "a"}, {"brokerAddr", "h:1"}, {"clusterName", "C"}, {"brokerId", "0"}};
  const auto with = [&](const char* name, const std::string& value) {
    Fields more = fields;
    more.emplace_back(name, value);
    return more;
  };
  const std::int32_t crc = java_crc32(std::as_bytes(std::span(body)));
  EXPECT_EQ(ask(103, with("bodyCrc32", std::to_string(crc + 1)), body).remark, "crc32 not match");
  EXPECT_EQ(ask(103, with("bodyCrc32", std::to_string(crc)), body).code, 0);
  EXPECT_EQ(ask(103, with("bodyCrc32", "0"), body).code, 0);
  EXPECT_EQ(ask(103, with("compressed", "true"), body).code, 1);
  EXPECT_EQ(ask(103, with("compressed", "true"), wire::encode_register_broker_body({}, true)).code, 0);
  EXPECT_EQ(ask(103, fields, "no JSON").code, 1);
  fields.pop_back();
  EXPECT_EQ(ask(103, fields, body).code, 1);
}

TEST_F(NameServerTest, ASlaveLearnsItsMaster) {
  EXPECT_THAT(add_broker("a", "0", "h:1").fields, IsEmpty());
  EXPECT_THAT(add_broker("a", "1", "h:2").fields,
              ElementsAre(Pair("haServerAddr", "h:10"), Pair("masterAddr", "h:1")));
  EXPECT_EQ(ask(901, {{"clusterName", "C"}, {"brokerName", "a"}}).body,
            R"({"brokerMemberGroup":{"brokerAddrs":{0:"h:1",1:"h:2"},"brokerName":"a","cluster":"C"}})");
  EXPECT_EQ(ask(901, {{"clusterName", "C"}, {"brokerName", "x"}}).body,
            R"({"brokerMemberGroup":{"brokerAddrs":{},"brokerName":"x","cluster":"C"}})");
}

TEST_F(NameServerTest, ALoneTopicBeforeItsBroker) {
  wire::RegisterBrokerBody body;
  body.topics = {{.name = "T", .attributes = {}}};
  const auto response =
      ask(103, {{"brokerName", "a"}, {"brokerAddr", "h:1"}, {"clusterName", "C"}, {"brokerId", "0"}},
          wire::encode_register_broker_body(body, false));
  EXPECT_EQ(response.code, 1);
  EXPECT_EQ(response.remark, "register broker failed");
}

TEST_F(NameServerTest, DataVersions) {
  const Fields who = {{"brokerName", "a"}, {"brokerAddr", "h:1"}, {"clusterName", "C"}, {"brokerId", "0"}};
  const std::string version = R"({"counter":1,"stateVersion":0,"timestamp":7})";
  EXPECT_THAT(ask(322, who, version).fields, ElementsAre(Pair("changed", "true")));
  EXPECT_EQ(ask(322, who, version).body, "");
  (void)add_broker("a", "0", "h:1");
  EXPECT_THAT(ask(322, who, version).fields, ElementsAre(Pair("changed", "false")));
  EXPECT_EQ(ask(322, who, version).body, version);
  EXPECT_THAT(ask(322, who, R"({"counter":2,"stateVersion":0,"timestamp":7})").fields,
              ElementsAre(Pair("changed", "true")));
  EXPECT_THAT(ask(322, who, "").fields, ElementsAre(Pair("changed", "true")));
}

TEST_F(NameServerTest, SilentBrokersAreRemovedAndTheirConnectionsClosed) {
  (void)add_broker("a", "0", "h:1");
  now_ms += 100'000;
  EXPECT_EQ(ask(904, {{"clusterName", "C"}, {"brokerAddr", "h:1"}, {"brokerName", "a"}}).code, 0);
  now_ms += 120'000;
  server->remove_silent_brokers();
  EXPECT_EQ(ask(105, {{"topic", "T"}}).code, 0);
  now_ms += 1;
  server->remove_silent_brokers();
  EXPECT_EQ(ask(105, {{"topic", "T"}}).code, 17);
  EXPECT_TRUE(connection->closed);
}

TEST_F(NameServerTest, BrokersLeave) {
  (void)add_broker("a", "0", "h:1");
  EXPECT_EQ(
      ask(104, {{"brokerName", "a"}, {"brokerAddr", "h:1"}, {"clusterName", "C"}, {"brokerId", "0"}}).code,
      0);
  EXPECT_EQ(ask(106).body, R"({"brokerAddrTable":{},"clusterAddrTable":{}})");
  (void)add_broker("a", "0", "h:1");
  server->connection_closed(connection);
  EXPECT_EQ(ask(106).body, R"({"brokerAddrTable":{},"clusterAddrTable":{}})");
}

TEST_F(NameServerTest, BrokersAreToldOfAnotherSmallestId) {
  set({{"notifyMinBrokerIdChanged", "true"}});
  (void)add_broker("a", "1", "h:2", {{"enableActingMaster", "true"}});
  (void)add_broker("a", "0", "h:1", {{"enableActingMaster", "true"}});
  ASSERT_EQ(caller.sent.size(), 1U);
  EXPECT_EQ(caller.sent[0].first, "h:2");
  EXPECT_EQ(caller.sent[0].second.code, 905);
  EXPECT_THAT(
      caller.sent[0].second.fields,
      ElementsAre(Pair("minBrokerId", "0"), Pair("minBrokerAddr", "h:1"), Pair("haBrokerAddr", "h:10")));
  (void)ask(104, {{"brokerName", "a"}, {"brokerAddr", "h:1"}, {"clusterName", "C"}, {"brokerId", "0"}});
  ASSERT_EQ(caller.sent.size(), 2U);
  EXPECT_THAT(
      caller.sent[1].second.fields,
      ElementsAre(Pair("minBrokerId", "1"), Pair("minBrokerAddr", "h:2"), Pair("offlineBrokerAddr", "h:1")));
}

TEST_F(NameServerTest, WritePermission) {
  (void)add_broker("a", "0", "h:1");
  EXPECT_THAT(ask(205, {{"brokerName", "a"}}).fields, ElementsAre(Pair("wipeTopicCount", "2")));
  EXPECT_THAT(ask(105, {{"topic", "T"}}).body, HasSubstr("\"perm\":4"));
  EXPECT_THAT(ask(327, {{"brokerName", "a"}}).fields, ElementsAre(Pair("addTopicCount", "2")));
  EXPECT_THAT(ask(205, {{"brokerName", "b"}}).fields, ElementsAre(Pair("wipeTopicCount", "0")));
}

TEST_F(NameServerTest, TopicLists) {
  (void)add_broker("a", "0", "h:1");
  EXPECT_EQ(ask(206).body, R"({"topicList":["T","U"]})");
  EXPECT_EQ(ask(224, {{"cluster", "C"}}).body, R"({"topicList":["T","U"]})");
  EXPECT_EQ(ask(224, {{"cluster", "D"}}).body, R"({"topicList":[]})");
  EXPECT_EQ(ask(304).body, R"({"brokerAddr":"h:1","topicList":["C","a"]})");
  for (const std::int32_t code : {311, 312, 313}) EXPECT_EQ(ask(code).body, R"({"topicList":[]})");
  set({{"enableTopicList", "false"}, {"enableAllTopicList", "false"}});
  for (const std::int32_t code : {206, 224, 311, 312, 313}) {
    EXPECT_EQ(ask(code).code, 1);
    EXPECT_EQ(ask(code).remark, "disable");
  }
}

TEST_F(NameServerTest, TopicsAreRegisteredAndDeleted) {
  (void)add_broker("a", "0", "h:1");
  const std::string queues =
      R"({"queueDatas":[{"brokerName":"a","perm":6,"readQueueNums":2,"topicSysFlag":0,"writeQueueNums":2}]})";
  EXPECT_EQ(ask(217, {{"topic", "V"}}, queues).code, 0);
  EXPECT_EQ(ask(105, {{"topic", "V"}}).code, 0);
  EXPECT_EQ(ask(217, {{"topic", "W"}}, "{}").code, 0);
  EXPECT_EQ(ask(216, {{"topic", "V"}}).code, 0);
  EXPECT_EQ(ask(105, {{"topic", "V"}}).code, 17);
  EXPECT_EQ(ask(216, {{"topic", "T"}, {"clusterName", "C"}}).code, 0);
  EXPECT_EQ(ask(105, {{"topic", "T"}}).code, 17);
}

TEST_F(NameServerTest, KvConfigurationOutlivesIt) {
  EXPECT_EQ(ask(100, {{"namespace", "N"}}).remark, "namespace or key is null");
  EXPECT_EQ(ask(100, {{"namespace", "N"}, {"key", "k"}, {"value", "v"}}).code, 0);
  restart();
  EXPECT_THAT(ask(101, {{"namespace", "N"}, {"key", "k"}}).fields, ElementsAre(Pair("value", "v")));
  EXPECT_EQ(ask(219, {{"namespace", "N"}}).body, R"({"table":{"k":"v"}})");
  EXPECT_EQ(ask(102, {{"namespace", "N"}, {"key", "k"}}).code, 0);
  const auto gone = ask(101, {{"namespace", "N"}, {"key", "k"}});
  EXPECT_EQ(gone.code, 22);
  EXPECT_EQ(gone.remark, "No config item, Namespace: N Key: k");
  EXPECT_EQ(ask(219, {{"namespace", "M"}}).remark, "No config item, Namespace: M");
}

TEST_F(NameServerTest, ConfigurationIsShownChangedAndKept) {
  EXPECT_THAT(ask(319).body, HasSubstr("\nlistenPort=9876\n"));
  EXPECT_EQ(ask(318, {}, "orderMessageEnable=true\nunheardOf=1").code, 0);
  EXPECT_TRUE(config.settings()->order_message_enable);
  EXPECT_THAT(lines, ::testing::Contains("unknown key unheardOf is not taken"));
  const auto kept = io::read_all(files, "/users/u/namesrv/namesrv.properties", 1 << 20);
  ASSERT_TRUE(kept);
  EXPECT_EQ(as_text(*kept), ask(319).body);
  const auto refused = ask(318, {}, "listenPort=1\nkvConfigPath=/x");
  EXPECT_EQ(refused.code, 16);
  EXPECT_EQ(refused.remark, "Can not update config in black list.");
  EXPECT_EQ(config.settings()->listen_port, 9876);
  EXPECT_EQ(ask(318, {}, "rocketmqHome=/x").code, 16);
  EXPECT_EQ(ask(318, {}, "a=\\u12").remark, "string2Properties error");
}

}  // namespace
}  // namespace rmq::namesrv
