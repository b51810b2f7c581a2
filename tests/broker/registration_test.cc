// What a broker tells its name servers.
#include "servers/broker/registration.h"

#include <gmock/gmock.h>

#include "libstore/bytes/crc32.h"
#include "libstore/testing/simulated_file_system.h"
#include "servers/broker/admin.h"
#include "servers/broker/broker.h"
#include "tests/broker/fake_connection.h"
#include "tests/broker/java_files.h"

namespace rmq::broker {
namespace {

using rmq::testing::SimulatedFileSystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Call {
  std::string address;
  wire::Command command;
  wire::Completion done;
};

class FakeCaller final : public wire::Caller {
 public:
  void invoke(const std::string& address, wire::Command command, std::chrono::milliseconds,
              wire::Completion done) override {
    calls.push_back({address, std::move(command), std::move(done)});
  }
  void send_oneway(const std::string&, wire::Command) override { FAIL(); }

  // Answers everything that is asked, and that comes of the answers.
  void answer(const wire::Answer& answer = {}) {
    while (!calls.empty()) {
      const Call call = std::move(calls.front());
      calls.erase(calls.begin());
      call.done(answer);
    }
  }
  std::vector<Call> calls;
};

std::string field(const wire::Command& command, std::string_view name) {
  for (const auto& [key, value] : command.fields)
    if (key == name) return value;
  return "(none)";
}

class Registering : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.apply({{"storePathRootDir", "/store"},
                   {"mappedFileSizeCommitLog", "65536"},
                   {"mappedFileSizeConsumeQueue", "2000"},
                   {"maxHashSlotNum", "16"},
                   {"maxIndexNum", "64"},
                   {"namesrvAddr", "n1:9876;n2:9876"}});
    ASSERT_TRUE(config_.settle());
    BrokerOptions options;
    options.files = &files_;
    options.clock = &clock_;
    options.steady = &clock_;
    options.caller = &caller_;
    options.background = false;
    broker_ = std::make_unique<Broker>(config_, options);
    add_admin_processors(*broker_);
    const Status started = broker_->start();
    ASSERT_TRUE(started) << started.error().message();
  }
  void TearDown() override {
    caller_.calls.clear();
    config_.apply({{"namesrvAddr", ""}});
    if (broker_) {
      EXPECT_TRUE(broker_->stop());
    }
  }
  // Topics of a registration.
  static std::vector<std::string> topics_of(const wire::Command& command) {
    std::vector<std::string> names;
    const auto body = json::parse(command.body);
    EXPECT_TRUE(body);
    const json::Value* table = body->find("topicConfigSerializeWrapper")->find("topicConfigTable");
    for (const json::Member& member : table->if_object()->members()) names.push_back(member.name);
    return names;
  }

  SimulatedFileSystem files_{1};
  TestClock clock_;
  BrokerConfig config_{test_surroundings()};
  FakeCaller caller_;
  std::unique_ptr<Broker> broker_;
};

TEST_F(Registering, AllTopicsGoToAllNameServers) {
  broker_->serve();
  broker_->scheduler().run_due();
  ASSERT_THAT(caller_.calls, SizeIs(2));
  EXPECT_EQ(caller_.calls[0].address, "n1:9876");
  EXPECT_EQ(caller_.calls[1].address, "n2:9876");
  const wire::Command& command = caller_.calls[0].command;
  EXPECT_EQ(command.code, 103);
  EXPECT_EQ(field(command, "brokerName"), "broker-a");
  EXPECT_EQ(field(command, "brokerAddr"), "10.0.0.7:10911");
  EXPECT_EQ(field(command, "clusterName"), "DefaultCluster");
  EXPECT_EQ(field(command, "brokerId"), "0");
  EXPECT_EQ(field(command, "haServerAddr"), "10.0.0.7:10912");
  EXPECT_EQ(field(command, "compressed"), "false");
  EXPECT_EQ(field(command, "bodyCrc32"), std::to_string(java_crc32(as_bytes(command.body))));
  EXPECT_THAT(topics_of(command), SizeIs(13));
  caller_.answer();
  clock_.now += 9'999;
  broker_->scheduler().run_due();
  EXPECT_THAT(caller_.calls, IsEmpty());
  clock_.now += 1;
  broker_->scheduler().run_due();
  EXPECT_THAT(caller_.calls, SizeIs(2));
}

TEST_F(Registering, ANewTopicIsRegisteredAlone) {
  ASSERT_TRUE(broker_->topics().create_in_send("Orders", kAutoCreateTopic, "client", 4, 0));
  ASSERT_THAT(caller_.calls, SizeIs(2));
  EXPECT_THAT(topics_of(caller_.calls[0].command), ElementsAre("Orders"));
  bool done = false;
  broker_->registration().when_done([&] { done = true; });
  EXPECT_FALSE(done);
  caller_.calls[1].done(wire::Answer{});
  EXPECT_FALSE(done);
  caller_.calls[0].done(os_error(111, "connecting"));  // one that cannot be reached holds nobody up
  EXPECT_TRUE(done);
  caller_.calls.clear();
}

TEST_F(Registering, WhoWaitsDoesNotWaitForLaterOnes) {
  ASSERT_TRUE(broker_->topics().create_in_send("A", kAutoCreateTopic, "client", 4, 0));
  bool done = false;
  broker_->registration().when_done([&] { done = true; });
  ASSERT_TRUE(broker_->topics().create_in_send("B", kAutoCreateTopic, "client", 4, 0));
  ASSERT_THAT(caller_.calls, SizeIs(4));
  caller_.calls[0].done(wire::Answer{});
  caller_.calls[1].done(wire::Answer{});
  EXPECT_TRUE(done);
  caller_.calls.erase(caller_.calls.begin(), caller_.calls.begin() + 2);
  caller_.answer();
}

TEST_F(Registering, PermissionsAreLimitedByTheBrokers) {
  config_.apply({{"brokerPermission", "4"}});
  ASSERT_TRUE(broker_->topics().create_in_send("Orders", kAutoCreateTopic, "client", 4, 0));
  const auto body = json::parse(caller_.calls[0].command.body);
  const json::Value* topic =
      body->find("topicConfigSerializeWrapper")->find("topicConfigTable")->find("Orders");
  EXPECT_EQ(topic->find("perm")->as_int64(), 4);
  EXPECT_EQ(topic->find("readQueueNums")->as_int64(), 4);
  EXPECT_EQ(broker_->topics().find("Orders")->perm, 6);
  caller_.answer();
}

TEST_F(Registering, OrderedTopicsComeWithTheAnswer) {
  ASSERT_TRUE(broker_->topics().create_in_send("Orders", kAutoCreateTopic, "client", 4, 0));
  wire::Answer answer;
  answer.body = R"({"table":{"Orders":"broker-a:4"}})";
  caller_.answer(answer);
  EXPECT_TRUE(broker_->topics().find("Orders")->order);
}

TEST_F(Registering, NameServersAreAskedFirstWhereNothingIsForced) {
  broker_->registration().register_all(false);
  ASSERT_THAT(caller_.calls, SizeIs(2));
  EXPECT_EQ(caller_.calls[0].command.code, 322);
  wire::Answer same;
  same.fields = {{"changed", "false"}};
  caller_.answer(same);
  EXPECT_THAT(caller_.calls, IsEmpty());
  broker_->registration().register_all(false);
  caller_.calls[0].done(same);
  wire::Answer other;
  other.fields = {{"changed", "true"}};
  caller_.calls[1].done(other);
  ASSERT_THAT(caller_.calls, SizeIs(4));
  EXPECT_EQ(caller_.calls[2].command.code, 103);
  caller_.calls.erase(caller_.calls.begin(), caller_.calls.begin() + 2);
  caller_.answer();
}

TEST_F(Registering, LargeTablesGoInParts) {
  config_.apply({{"enableSplitRegistration", "true"}, {"splitRegistrationSize", "10"}});
  broker_->registration().register_all(true);
  ASSERT_THAT(caller_.calls, SizeIs(4));
  EXPECT_THAT(topics_of(caller_.calls[0].command), SizeIs(10));
  EXPECT_THAT(topics_of(caller_.calls[2].command), SizeIs(3));
  caller_.answer();
}

TEST_F(Registering, NothingIsRegisteredAfterTheEnd) {
  config_.apply({{"namesrvAddr", ""}});
  broker_->unregister();
  config_.apply({{"namesrvAddr", "n1:9876"}});
  broker_->registration().register_all(true);
  EXPECT_THAT(caller_.calls, IsEmpty());
}

TEST(Leaving, IsToldToAllNameServersOnce) {
  // Answers at once, as a name server that is near.
  class Near final : public wire::Caller {
   public:
    void invoke(const std::string& address, wire::Command command, std::chrono::milliseconds,
                wire::Completion done) override {
      calls.emplace_back(address, command.code);
      done(wire::Answer{});
    }
    void send_oneway(const std::string&, wire::Command) override {}
    std::vector<std::pair<std::string, std::int32_t>> calls;
  };
  BrokerConfig config(test_surroundings());
  config.apply({{"namesrvAddr", "n1:9876;n2:9876"}});
  Near near;
  BrokerOptions options;
  options.caller = &near;
  options.background = false;
  Broker broker(config, options);
  broker.unregister();
  broker.unregister();
  EXPECT_THAT(near.calls,
              ElementsAre(std::pair(std::string("n1:9876"), 104), std::pair(std::string("n2:9876"), 104)));
}

}  // namespace
}  // namespace rmq::broker
