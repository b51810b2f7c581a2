// What a broker answers about clients and groups: heart-beats, locks, lists, resets, relays.
#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "libstore/json/json_value.h"
#include "tests/broker/broker_in_memory.h"

namespace rmq::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// A client with a connection of its own.
class ClientOf {
 public:
  ClientOf(BrokerInMemory& broker, std::string name, const std::string& address)
      : id(std::move(name)), connection(std::make_shared<FakeConnection>(address)), broker_(broker) {}

  wire::Response call(RequestCode code, const wire::Fields& fields, const std::string& body = {},
                      std::int32_t version = wire::kVersion,
                      wire::LanguageCode language = wire::LanguageCode::java) {
    auto sink = std::make_shared<FakeSink>(connection);
    std::vector<wire::Request::Field> views(fields.begin(), fields.end());
    wire::Request request;
    request.code = static_cast<std::int32_t>(code);
    request.version = version;
    request.language = language;
    request.fields = views;
    request.body = as_bytes(body);
    broker_.handler->handle(request, wire::Responder(sink, request));
    broker_.handler->turn_ended();
    last_ = sink;
    if (sink->answers.empty())
      return {.code = -1, .remark = "(no answer)", .fields = {}, .body = {}, .parts = {}};
    return sink->answers.begin()->second;
  }
  // The answer that came later to the last call.
  [[nodiscard]] const std::map<std::int32_t, wire::Response>& late() const { return last_->answers; }

  wire::Response beat(const std::string& consumer_group, const std::string& topic,
                      const std::string& expression = "*", const std::string& more = "",
                      std::int32_t version = wire::kVersion) {
    const std::string subscriptions =
        topic.empty() ? ""
                      : R"({"topic":")" + topic + R"(","subString":")" + expression +
                            R"(","subVersion":5,"tagsSet":[],"codeSet":[],"expressionType":"TAG"})";
    return call(RequestCode::heart_beat, {},
                R"({"clientID":")" + id + R"(","consumerDataSet":[{"groupName":")" + consumer_group +
                    R"(","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING",)"
                    R"("consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","subscriptionDataSet":[)" +
                    subscriptions + R"(]}],"producerDataSet":[{"groupName":"P"}])" + more + "}",
                version);
  }

  std::string id;
  std::shared_ptr<FakeConnection> connection;

 private:
  BrokerInMemory& broker_;
  std::shared_ptr<FakeSink> last_;
};

class ClientProcessors : public ::testing::Test {
 protected:
  void make_topic(const std::string& name, std::int32_t queues) {
    format::TopicConfig topic;
    topic.name = name;
    topic.read_queues = topic.write_queues = queues;
    broker_.broker->topics().create_if_absent(topic);
  }
  void commit(const std::string& group, const std::string& topic, std::int32_t queue, std::int64_t offset) {
    broker_.broker->offsets().commit(group, topic, queue, offset);
  }
  void make_group(const std::string& group) { ASSERT_TRUE(broker_.broker->groups().find_or_create(group)); }
  void send(const std::string& topic, int count) {
    for (int i = 0; i != count; ++i) ASSERT_EQ(code(broker_.send(topic, "body")), 0);
  }

  BrokerInMemory broker_;
  ClientOf one_{broker_, "one", "127.0.0.1:1"};
  ClientOf two_{broker_, "two", "127.0.0.1:2"};
};

TEST_F(ClientProcessors, AHeartbeatMakesGroupAndRetryTopic) {
  const wire::Response response = one_.beat("g", "T");
  EXPECT_EQ(response.code, 0);
  EXPECT_THAT(response.fields,
              ElementsAre(std::pair("IS_SUPPORT_HEART_BEAT_V2", "true"), std::pair("IS_SUB_CHANGE", "true")));
  EXPECT_NE(broker_.broker->groups().find("g"), nullptr);
  const TopicConfigPtr retry = broker_.broker->topics().find("%RETRY%g");
  ASSERT_NE(retry, nullptr);
  EXPECT_EQ(retry->write_queues, 1);
  EXPECT_EQ(retry->perm, 6);
  EXPECT_EQ(one_.call(RequestCode::get_consumer_list_by_group, {{"consumerGroup", "g"}}).body,
            R"({"consumerIdList":["one"]})");
}

TEST_F(ClientProcessors, MembersHearOfEachOther) {
  (void)one_.beat("g", "T");
  one_.connection->sent.clear();
  (void)two_.beat("g", "T");
  ASSERT_EQ(one_.connection->sent.size(), 1U);
  EXPECT_EQ(one_.connection->sent[0].code, 40);
  broker_.broker->connection_closed(two_.connection);
  EXPECT_EQ(one_.connection->sent.size(), 2U);
  EXPECT_EQ(one_.call(RequestCode::get_consumer_list_by_group, {{"consumerGroup", "g"}}).body,
            R"({"consumerIdList":["one"]})");
}

TEST_F(ClientProcessors, AClientThatIsSilentIsGone) {
  (void)one_.beat("g", "T");
  broker_.clock.now += 121'000;
  for (int i = 0; i != 3; ++i) {
    (void)broker_.broker->scheduler().run_due();
    broker_.clock.now += 10'000;
  }
  EXPECT_TRUE(one_.connection->closed);
  const wire::Response response =
      two_.call(RequestCode::get_consumer_list_by_group, {{"consumerGroup", "g"}});
  EXPECT_EQ(response.code, 1);
  EXPECT_EQ(response.remark, "no consumer for this group, g");
}

TEST_F(ClientProcessors, LeavingIsSaidByGroup) {
  (void)one_.beat("g", "T");
  EXPECT_EQ(two_.call(RequestCode::get_producer_connection_list, {{"producerGroup", "P"}}).code, 0);
  EXPECT_EQ(one_.call(RequestCode::unregister_client,
                      {{"clientID", "one"}, {"producerGroup", "P"}, {"consumerGroup", "g"}})
                .code,
            0);
  EXPECT_EQ(two_.call(RequestCode::get_consumer_connection_list, {{"consumerGroup", "g"}}).code, 206);
  const wire::Response none = two_.call(RequestCode::get_producer_connection_list, {{"producerGroup", "P"}});
  EXPECT_EQ(none.code, 1);
  EXPECT_EQ(none.remark, "the producer group[P] not exist");
  EXPECT_EQ(one_.call(RequestCode::unregister_client, {}).code, 1);
}

TEST_F(ClientProcessors, TheSecondVersionOfHeartbeats) {
  const auto change = [](const wire::Response& response) { return response.fields.at(1).second; };
  EXPECT_EQ(change(one_.beat("g", "T", "*", R"(,"heartbeatFingerprint":7)")), "false");
  EXPECT_EQ(change(one_.beat("g", "", "", R"(,"heartbeatFingerprint":7,"withoutSub":true)")), "false");
  EXPECT_EQ(change(two_.beat("g", "T", "a", R"(,"heartbeatFingerprint":8)")), "true")
      << "another subscription";
  EXPECT_EQ(change(one_.beat("h", "", "", R"(,"heartbeatFingerprint":9,"withoutSub":true)")), "true")
      << "the broker does not know the subscriptions";
}

TEST_F(ClientProcessors, AGroupThatMustNotBeMadeDoesNotJoin) {
  broker_.config->apply({{"autoCreateSubscriptionGroup", "false"}});
  EXPECT_EQ(one_.beat("g", "T").code, 0);
  EXPECT_EQ(two_.call(RequestCode::get_consumer_connection_list, {{"consumerGroup", "g"}}).code, 206);
  EXPECT_EQ(two_.call(RequestCode::get_producer_connection_list, {{"producerGroup", "P"}}).code, 0);
}

TEST_F(ClientProcessors, BodiesThatAreNoneAreRefused) {
  for (const RequestCode code :
       {RequestCode::heart_beat, RequestCode::lock_batch_mq, RequestCode::unlock_batch_mq})
    for (const char* body : {"", "{", "[", "nonsense"}) EXPECT_EQ(one_.call(code, {}, body).code, 1) << body;
}

TEST_F(ClientProcessors, Sql92IsRefusedWhenAClientAsksForIt) {
  const wire::Response refused = one_.call(
      RequestCode::check_client_config, {},
      R"({"clientId":"c","group":"g","subscriptionData":{"topic":"T","subString":"a>1","expressionType":"SQL92"}})");
  EXPECT_EQ(refused.code, 1);
  EXPECT_EQ(refused.remark, "The broker does not support consumer to filter message by SQL92");
  EXPECT_EQ(one_.call(RequestCode::check_client_config, {},
                      R"({"subscriptionData":{"topic":"T","subString":"a","expressionType":"TAG"}})")
                .code,
            0);
  EXPECT_EQ(one_.call(RequestCode::check_client_config, {}, R"({"clientId":"c"})").code, 0);
}

TEST_F(ClientProcessors, QueuesAreLockedForOneClient) {
  const std::string queues = R"("mqSet":[{"topic":"T","brokerName":"b","queueId":0}]})";
  const std::string of_one = R"({"clientId":"one","consumerGroup":"g",)" + queues;
  const std::string of_two = R"({"clientId":"two","consumerGroup":"g",)" + queues;
  EXPECT_EQ(one_.call(RequestCode::lock_batch_mq, {}, of_one).body,
            R"({"lockOKMQSet":[{"brokerName":"b","queueId":0,"topic":"T"}]})");
  EXPECT_EQ(two_.call(RequestCode::lock_batch_mq, {}, of_two).body, R"({"lockOKMQSet":[]})");
  EXPECT_EQ(two_.call(RequestCode::unlock_batch_mq, {}, of_two).code, 0);
  EXPECT_EQ(two_.call(RequestCode::lock_batch_mq, {}, of_two).body, R"({"lockOKMQSet":[]})");
  EXPECT_EQ(one_.call(RequestCode::unlock_batch_mq, {}, of_one).code, 0);
  EXPECT_THAT(two_.call(RequestCode::lock_batch_mq, {}, of_two).body, HasSubstr("queueId"));
}

TEST_F(ClientProcessors, Connections) {
  (void)one_.beat("g", "T", "a || b");
  EXPECT_EQ(
      two_.call(RequestCode::get_consumer_connection_list, {{"consumerGroup", "g"}}).body,
      R"({"connectionSet":[{"clientAddr":"127.0.0.1:1","clientId":"one","language":"JAVA","version":479}],)"
      R"("consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY",)"
      R"("messageModel":"CLUSTERING","subscriptionTable":{"T":{"classFilterMode":false,"codeSet":[],)"
      R"("expressionType":"TAG","subString":"a || b","subVersion":5,"tagsSet":[],"topic":"T"}}})");
  EXPECT_EQ(two_.call(RequestCode::get_all_producer_info, {}).body,
            R"({"data":{"P":[{"clientId":"one","language":"JAVA","lastUpdateTimestamp":1700000000000,)"
            R"("remoteIP":"/127.0.0.1:1","version":479}]}})");
  const wire::Response offline =
      two_.call(RequestCode::get_consumer_connection_list, {{"consumerGroup", "none"}});
  EXPECT_EQ(offline.code, 206);
  EXPECT_EQ(offline.remark, "the consumer group[none] not online");
}

TEST_F(ClientProcessors, WhoConsumesWhat) {
  (void)one_.beat("online", "T", "x");
  commit("offline", "T", 0, 3);
  commit("offline", "U", 0, 3);
  EXPECT_EQ(two_.call(RequestCode::query_topic_consume_by_who, {{"topic", "T"}}).body,
            R"({"groupList":["offline","online"]})");
  EXPECT_EQ(two_.call(RequestCode::query_topics_by_consumer, {{"group", "offline"}}).body,
            R"({"brokerAddr":"127.0.0.1:10911","topicList":["T","U"]})");
  EXPECT_THAT(
      two_.call(RequestCode::query_subscription_by_consumer, {{"group", "online"}, {"topic", "T"}}).body,
      HasSubstr(R"("subString":"x")"));
  EXPECT_EQ(
      two_.call(RequestCode::query_subscription_by_consumer, {{"group", "online"}, {"topic", "U"}}).body,
      R"({"group":"online","topic":"U"})");
}

TEST_F(ClientProcessors, HowFarAGroupIs) {
  make_topic("T", 2);
  make_group("g");
  send("T", 5);
  commit("g", "T", 0, 2);
  EXPECT_EQ(two_.call(RequestCode::get_consume_stats, {{"consumerGroup", "g"}}).body,
            R"({"consumeTps":0.0,"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:)"
            R"({"brokerOffset":5,"consumerOffset":2,"lastTimestamp":1700000000000,"pullOffset":2},)"
            R"({"brokerName":"broker-a","queueId":1,"topic":"T"}:)"
            R"({"brokerOffset":0,"consumerOffset":0,"lastTimestamp":0,"pullOffset":0}}})");
  (void)one_.beat("g", "U");
  EXPECT_EQ(two_.call(RequestCode::get_consume_stats, {{"consumerGroup", "g"}}).body,
            R"({"consumeTps":0.0,"offsetTable":{}})")
      << "the group does not subscribe to it any more";
  EXPECT_THAT(two_.call(RequestCode::get_consume_stats, {{"consumerGroup", "g"}, {"topicList", "T;"}}).body,
              HasSubstr("\"brokerOffset\":5"));
  broker_.broker->connection_closed(one_.connection);
  const std::string all = two_.call(RequestCode::get_broker_consume_stats, {{"isOrder", "false"}}).body;
  EXPECT_THAT(all, StartsWith(R"({"brokerAddr":"127.0.0.1:10911","consumeStatsList":[)"));
  EXPECT_THAT(all, HasSubstr(R"({"g":[{"consumeTps":0.0)"));
  EXPECT_THAT(all, HasSubstr(R"("totalDiff":3)"));
  const std::string ordered = two_.call(RequestCode::get_broker_consume_stats, {{"isOrder", "true"}}).body;
  EXPECT_THAT(ordered, HasSubstr(R"({"g":[]})"));
}

TEST_F(ClientProcessors, TheTimeThatAGroupIsAt) {
  make_topic("T", 1);
  send("T", 1);
  broker_.clock.now += 1000;
  send("T", 2);
  broker_.clock.now += 500;
  commit("g", "T", 0, 1);
  EXPECT_EQ(
      two_.call(RequestCode::query_consume_time_span, {{"topic", "T"}, {"group", "g"}}).body,
      R"({"consumeTimeSpanSet":[{"consumeTimeStamp":1700000000000,"delayTime":500,)"
      R"("maxTimeStamp":1700000001000,"messageQueue":{"brokerName":"broker-a","queueId":0,"topic":"T"},)"
      R"("minTimeStamp":1700000000000}]})");
  EXPECT_EQ(two_.call(RequestCode::query_consume_time_span, {{"topic", "none"}, {"group", "g"}}).code, 17);
}

TEST_F(ClientProcessors, OffsetsAreCloned) {
  make_topic("T", 1);
  commit("from", "T", 0, 4);
  commit("from", "unknown", 0, 4);
  EXPECT_EQ(two_.call(RequestCode::clone_group_offset,
                      {{"srcGroup", "from"}, {"destGroup", "to"}, {"offline", "true"}})
                .code,
            0);
  EXPECT_EQ(broker_.broker->offsets().query("to", "T", 0), 4);
  EXPECT_EQ(broker_.broker->offsets().query("to", "unknown", 0), std::nullopt);
  (void)one_.beat("from", "U");
  EXPECT_EQ(two_.call(RequestCode::clone_group_offset,
                      {{"srcGroup", "from"}, {"destGroup", "later"}, {"topic", "T"}, {"offline", "false"}})
                .code,
            0);
  EXPECT_EQ(broker_.broker->offsets().query("later", "T", 0), std::nullopt) << "it does not subscribe to it";
}

TEST_F(ClientProcessors, CorrectionOffsets) {
  make_topic("T", 1);
  send("T", 5);
  commit("a", "T", 0, 3);
  commit("b", "T", 0, 2);
  EXPECT_EQ(two_.call(RequestCode::query_correction_offset, {{"topic", "T"}, {"compareGroup", "a"}}).body,
            R"({"correctionOffsets":{0:2}})");
  EXPECT_EQ(two_.call(RequestCode::query_correction_offset,
                      {{"topic", "T"}, {"compareGroup", "none"}, {"filterGroups", "b"}})
                .body,
            R"({"correctionOffsets":{0:3}})");
}

TEST_F(ClientProcessors, AnOffsetIsResetAtTheBroker) {
  make_topic("T", 2);
  make_group("g");
  send("T", 2);
  broker_.clock.now += 1000;
  send("T", 3);
  commit("g", "T", 0, 5);
  const auto reset = [&](wire::Fields fields) {
    fields.insert(fields.end(), {{"group", "g"}, {"topic", "T"}, {"isForce", "true"}});
    return two_.call(RequestCode::invoke_broker_to_reset_offset, fields);
  };
  EXPECT_EQ(reset({{"timestamp", "1700000000500"}}).body,
            R"({"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:2,)"
            R"({"brokerName":"broker-a","queueId":1,"topic":"T"}:0}})");
  EXPECT_TRUE(broker_.broker->offsets().has_reset("g", "T", 0));
  EXPECT_EQ(broker_.broker->offsets().query("g", "T", 0), 2);
  EXPECT_EQ(reset({{"timestamp", "-1"}, {"queueId", "0"}}).body,
            R"({"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:5}})");
  EXPECT_EQ(reset({{"timestamp", "0"}, {"queueId", "0"}, {"offset", "4"}}).code, 0);
  EXPECT_EQ(broker_.broker->offsets().query("g", "T", 0), 4);
  const wire::Response beyond = reset({{"timestamp", "0"}, {"queueId", "0"}, {"offset", "7"}});
  EXPECT_EQ(beyond.code, 1);
  EXPECT_EQ(beyond.remark, "Target offset 7 not in consume queue range [0-5]");
  EXPECT_EQ(two_.call(RequestCode::invoke_broker_to_reset_offset,
                      {{"group", "none"}, {"topic", "T"}, {"timestamp", "0"}, {"isForce", "true"}})
                .code,
            26);
  EXPECT_EQ(two_.call(RequestCode::invoke_broker_to_reset_offset,
                      {{"group", "g"}, {"topic", "none"}, {"timestamp", "0"}, {"isForce", "true"}})
                .code,
            17);
}

TEST_F(ClientProcessors, AnOffsetIsResetByTheClients) {
  broker_.config->apply({{"useServerSideResetOffset", "false"}});
  make_topic("T", 1);
  send("T", 5);
  commit("g", "T", 0, 2);
  const wire::Fields fields = {{"group", "g"}, {"topic", "T"}, {"timestamp", "-1"}, {"isForce", "false"}};
  EXPECT_EQ(two_.call(RequestCode::invoke_broker_to_reset_offset, fields).code, 206);
  (void)one_.beat("g", "T");
  one_.connection->sent.clear();
  EXPECT_EQ(two_.call(RequestCode::invoke_broker_to_reset_offset, fields).body,
            R"({"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:2}})")
      << "not forward, as it is not forced";
  ASSERT_EQ(one_.connection->sent.size(), 1U);
  EXPECT_EQ(one_.connection->sent[0].code, 220);
  EXPECT_THAT(one_.connection->sent[0].body, HasSubstr(":2}"));
  (void)two_.call(RequestCode::invoke_broker_to_reset_offset, with(fields, "isForce", "true"), "",
                  wire::kVersion, wire::LanguageCode::cpp);
  EXPECT_EQ(one_.connection->sent.at(1).body,
            R"({"offsetTable":[{"brokerName":"broker-a","offset":5,"queueId":0,"topic":"T"}]})");
  EXPECT_EQ(two_.call(RequestCode::invoke_broker_to_reset_offset, with(fields, "group", "h")).code, 1);
  EXPECT_EQ(two_.call(RequestCode::invoke_broker_to_reset_offset, with(fields, "topic", "none")).code, 17);
}

TEST_F(ClientProcessors, RunningInfoIsTheClientsOwnAnswer) {
  (void)one_.beat("g", "T");
  const wire::Fields fields = {{"consumerGroup", "g"}, {"clientId", "one"}, {"jstackEnable", "false"}};
  EXPECT_EQ(two_.call(RequestCode::get_consumer_running_info, fields).code, -1) << "it waits for the client";
  ASSERT_EQ(one_.connection->asked.size(), 1U);
  FakeConnection::Asked& asked = one_.connection->asked[0];
  EXPECT_EQ(asked.command.code, 307);
  EXPECT_EQ(asked.timeout, std::chrono::seconds(10));
  EXPECT_EQ(asked.command.fields, fields);
  asked.done(wire::Answer{.code = 0, .remark = {}, .fields = {{"a", "b"}}, .body = "{\"jstack\":1}"});
  ASSERT_EQ(two_.late().size(), 1U);
  EXPECT_EQ(two_.late().begin()->second.body, "{\"jstack\":1}");
  EXPECT_THAT(two_.late().begin()->second.fields, ElementsAre(std::pair("a", "b")));
}

TEST_F(ClientProcessors, ARelayThatGetsNoAnswerSaysSo) {
  (void)one_.beat("g", "T");
  const wire::Fields fields = {{"consumerGroup", "g"}, {"clientId", "one"}, {"jstackEnable", "false"}};
  (void)two_.call(RequestCode::get_consumer_running_info, fields);
  one_.connection->asked[0].done(Error{ErrorCode::io_error, ETIMEDOUT, "no answer"});
  EXPECT_EQ(two_.late().begin()->second.code, 207);
  (void)two_.call(RequestCode::get_consumer_running_info, fields);
  one_.connection->asked[1].done(Error{ErrorCode::io_error, ECONNRESET, "gone"});
  EXPECT_EQ(two_.late().begin()->second.code, 1);
  const wire::Response nobody =
      two_.call(RequestCode::get_consumer_running_info, with(fields, "clientId", "x"));
  EXPECT_EQ(nobody.code, 1);
  EXPECT_EQ(nobody.remark, "The Consumer <g> <x> not online");
  (void)one_.beat("g", "T", "*", "", 61);
  EXPECT_THAT(two_.call(RequestCode::get_consumer_running_info, fields).remark.value(), HasSubstr("too low"));
}

TEST_F(ClientProcessors, AMessageIsConsumedDirectly) {
  (void)one_.beat("g", "T");
  const auto sent = broker_.send("T", "direct");
  ASSERT_EQ(code(sent), 0);
  const wire::Fields fields = {
      {"consumerGroup", "g"}, {"clientId", "one"}, {"msgId", field(sent, "msgId")}, {"topic", "T"}};
  (void)two_.call(RequestCode::consume_message_directly, fields);
  ASSERT_EQ(one_.connection->asked.size(), 1U);
  const wire::Command& command = one_.connection->asked[0].command;
  const auto message = format::MessageView::parse(as_bytes(command.body));
  ASSERT_TRUE(message);
  EXPECT_EQ(as_text(message->body), "direct");
  EXPECT_THAT(command.fields,
              ::testing::Contains(std::pair<std::string, std::string>("brokerName", "broker-a")));
  one_.connection->asked[0].done(wire::Answer{});
  EXPECT_EQ(two_.call(RequestCode::consume_message_directly, with(fields, "msgId", "nonsense")).code, 1);
}

TEST_F(ClientProcessors, TheStatusOfAllConsumers) {
  (void)one_.beat("g", "T");
  (void)two_.beat("g", "T");
  const wire::Fields fields = {{"topic", "T"}, {"group", "g"}, {"clientAddr", ""}};
  ClientOf console(broker_, "console", "127.0.0.1:3");
  (void)console.call(RequestCode::invoke_broker_to_get_consumer_status, fields);
  ASSERT_EQ(one_.connection->asked.size(), 1U);
  ASSERT_EQ(two_.connection->asked.size(), 1U);
  EXPECT_EQ(one_.connection->asked[0].command.code, 221);
  one_.connection->asked[0].done(
      wire::Answer{.code = 0,
                   .remark = {},
                   .fields = {},
                   .body = R"({"messageQueueTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:3}})"});
  EXPECT_THAT(console.late(), IsEmpty());
  two_.connection->asked[0].done(Error{ErrorCode::io_error, ETIMEDOUT, "no answer"});
  ASSERT_EQ(console.late().size(), 1U);
  EXPECT_EQ(console.late().begin()->second.body,
            R"({"consumerTable":{"one":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:3}},)"
            R"("messageQueueTable":{}})");
  EXPECT_EQ(
      console.call(RequestCode::invoke_broker_to_get_consumer_status, with(fields, "group", "none")).code, 1);
}

}  // namespace
}  // namespace rmq::broker
