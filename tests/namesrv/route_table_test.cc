#include "servers/namesrv/route_table.h"

#include <gmock/gmock.h>

#include "tests/namesrv/fake_connection.h"

namespace rmq::namesrv {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr const char* kMaster = "127.0.0.1:10911";
constexpr const char* kSlave = "127.0.0.1:10921";

class RouteTableTest : public ::testing::Test {
 protected:
  static Registration broker(const std::string& name, std::int64_t id, const std::string& address,
                             std::vector<std::string> topics = {"T", "U"}) {
    Registration registration{.cluster = "C",
                              .address = address,
                              .broker_name = name,
                              .broker_id = id,
                              .ha_address = address + "0",
                              .zone = {},
                              .heartbeat_timeout_ms = {},
                              .enable_acting_master = false,
                              .body = {},
                              .connection = {}};
    for (std::string& topic : topics)
      registration.body.topics.push_back(
          {.name = std::move(topic), .read_queues = 8, .write_queues = 4, .attributes = {}});
    registration.body.data_version = {.state_version = 0, .timestamp = 1, .counter = 1};
    return registration;
  }
  RegisterOutcome add(Registration registration, std::int64_t now_ms = 1000, RouteOptions options = {}) {
    return table.register_broker(std::move(registration), options, now_ms);
  }
  std::int32_t perm(const std::string& topic, const std::string& name = "a") {
    const auto route = table.route(topic, false);
    return route && route->queues.contains(name) ? route->queues.at(name).perm : -1;
  }

  RouteTable table;
};

TEST_F(RouteTableTest, AMastersTopicsHaveARoute) {
  EXPECT_TRUE(add(broker("a", 0, kMaster)).first);
  const auto route = table.route("T", false);
  ASSERT_TRUE(route);
  EXPECT_THAT(
      route->queues,
      ElementsAre(Pair("a", QueueData{.read_queues = 8, .write_queues = 4, .perm = 6, .sys_flag = 0})));
  EXPECT_THAT(route->brokers.at("a").addresses, ElementsAre(Pair(0, kMaster)));
  EXPECT_EQ(route->brokers.at("a").cluster, "C");
  EXPECT_FALSE(table.route("V", false));
  EXPECT_FALSE(add(broker("a", 0, kMaster)).first);
}

TEST_F(RouteTableTest, ASlavesTopicsCountOnlyWithoutMaster) {
  (void)add(broker("a", 0, kMaster));
  const auto slave = add(broker("a", 1, kSlave, {"S", "S2"}));
  EXPECT_EQ(slave.master_address, kMaster);
  EXPECT_EQ(slave.ha_address, std::string(kMaster) + "0");
  EXPECT_FALSE(table.route("S", false));
  EXPECT_THAT(table.members("a"), ElementsAre(Pair(0, kMaster), Pair(1, kSlave)));
  (void)add(broker("b", 1, "h:1", {"B", "B2"}));
  EXPECT_TRUE(table.route("B", false)) << "the smallest id of a name without master";
  Registration of4 = broker("c", 1, "h:2", {"K", "K2"});
  of4.enable_acting_master = std::nullopt;
  (void)add(std::move(of4));
  EXPECT_FALSE(table.route("K", false)) << "brokers of 4.x never stand in";
}

TEST_F(RouteTableTest, OnlyAChangedVersionChangesTopics) {
  (void)add(broker("a", 0, kMaster));
  Registration same = broker("a", 0, kMaster, {"T", "N"});
  same.body.topics[0].perm = 4;
  (void)add(same);
  EXPECT_EQ(perm("T"), 6) << "the version says that nothing changed";
  EXPECT_EQ(perm("N"), 6) << "but a topic that is not known is taken";
  same.body.data_version.counter = 2;
  (void)add(same);
  EXPECT_EQ(perm("T"), 4);
  EXPECT_EQ(perm("U"), 6) << "what is not named stays";
}

TEST_F(RouteTableTest, DeletesAbsentTopicsWhereAsked) {
  (void)add(broker("a", 0, kMaster));
  (void)add(broker("b", 0, kSlave));
  (void)add(broker("a", 0, kMaster, {"T", "N"}), 1000, {.delete_absent_topics = true});
  EXPECT_EQ(perm("U"), -1);
  EXPECT_EQ(perm("U", "b"), 6);
}

TEST_F(RouteTableTest, ALoneTopicNeedsARegisteredBroker) {
  EXPECT_EQ(add(broker("a", 0, kMaster, {"T"})).result, Registered::lone_topic);
  EXPECT_THAT(table.brokers(), IsEmpty());
  (void)add(broker("a", 0, kMaster));
  EXPECT_EQ(add(broker("a", 0, kMaster, {"V"})).result, Registered::yes);
  EXPECT_TRUE(table.route("V", false));
}

TEST_F(RouteTableTest, AnIdGoesToAnotherAddressUnlessItsDataIsOlder) {
  Registration first = broker("a", 0, kMaster);
  first.body.data_version.state_version = 5;
  (void)add(first);
  Registration older = broker("a", 0, "h:1");
  older.body.data_version.state_version = 4;
  EXPECT_EQ(add(older).result, Registered::older);
  EXPECT_THAT(table.members("a"), ElementsAre(Pair(0, kMaster)));
  older.body.data_version.state_version = 5;
  EXPECT_EQ(add(older).result, Registered::yes);
  EXPECT_THAT(table.members("a"), ElementsAre(Pair(0, "h:1")));
}

TEST_F(RouteTableTest, AnAddressHasOneId) {
  (void)add(broker("a", 1, kMaster));
  (void)add(broker("a", 0, kMaster));
  EXPECT_THAT(table.members("a"), ElementsAre(Pair(0, kMaster)));
}

TEST_F(RouteTableTest, TheLastBrokerOfANameTakesItsTopicsAlong) {
  (void)add(broker("a", 0, kMaster));
  (void)add(broker("a", 1, kSlave));
  (void)add(broker("b", 0, "h:1", {"T", "B"}));
  (void)table.unregister_broker({"C", kMaster}, "a", 0);
  EXPECT_THAT(table.members("a"), ElementsAre(Pair(1, kSlave)));
  EXPECT_EQ(perm("U"), 6);
  (void)table.unregister_broker({"C", kSlave}, "a", 1);
  EXPECT_FALSE(table.route("U", false));
  EXPECT_EQ(perm("T", "b"), 6);
  EXPECT_THAT(table.clusters(), ElementsAre(Pair("C", ElementsAre("b"))));
  (void)table.unregister_broker({"C", "h:1"}, "b", 0);
  EXPECT_THAT(table.clusters(), IsEmpty());
  EXPECT_THAT(table.topics(), IsEmpty());
}

TEST_F(RouteTableTest, AClosedConnectionUnregistersAllThatCameThroughIt) {
  const auto connection = std::make_shared<FakeConnection>();
  const auto other = std::make_shared<FakeConnection>();
  Registration a = broker("a", 0, kMaster);
  a.connection = connection;
  Registration b = broker("b", 0, kSlave);
  b.connection = connection;
  (void)add(a);
  (void)add(b);
  EXPECT_THAT(table.connection_closed(*other), IsEmpty());
  EXPECT_EQ(table.topics().size(), 2U);
  b.connection = other;
  (void)add(b);  // it came again by another before the first was seen to be closed
  (void)table.connection_closed(*connection);
  EXPECT_THAT(table.brokers(), ElementsAre(Pair("b", ::testing::_)));
}

TEST_F(RouteTableTest, SilentBrokersExpire) {
  const auto connection = std::make_shared<FakeConnection>();
  Registration a = broker("a", 0, kMaster);
  a.connection = connection;
  (void)add(a, 1000);
  Registration b = broker("b", 0, kSlave);
  b.heartbeat_timeout_ms = 10;
  (void)add(b, 1000);
  EXPECT_THAT(table.expire(1010).brokers, IsEmpty());
  EXPECT_THAT(table.expire(1011).brokers, ElementsAre(Pair(BrokerAddress{"C", kSlave}, nullptr)));
  table.heard_from({"C", kMaster}, 2000);
  EXPECT_THAT(table.expire(122'000).brokers, IsEmpty());
  EXPECT_THAT(table.expire(122'001).brokers, ElementsAre(Pair(BrokerAddress{"C", kMaster}, connection)));
  EXPECT_THAT(table.topics(), IsEmpty());
}

TEST_F(RouteTableTest, DataVersions) {
  EXPECT_FALSE(table.data_version({"C", kMaster}));
  (void)add(broker("a", 0, kMaster));
  EXPECT_EQ(table.data_version({"C", kMaster}),
            (wire::DataVersion{.state_version = 0, .timestamp = 1, .counter = 1}));
}

TEST_F(RouteTableTest, WritePermission) {
  (void)add(broker("a", 0, kMaster));
  EXPECT_EQ(table.wipe_write_perm("a"), 2);
  EXPECT_EQ(perm("T"), 4);
  EXPECT_EQ(table.add_write_perm("a"), 2);
  EXPECT_EQ(perm("T"), 6);
  EXPECT_EQ(table.wipe_write_perm("b"), 0);
}

TEST_F(RouteTableTest, TopicsAreDeletedOfAClusterOrOfAll) {
  (void)add(broker("a", 0, kMaster));
  Registration b = broker("b", 0, kSlave);
  b.cluster = "D";
  (void)add(b);
  table.delete_topic("T", "C");
  EXPECT_EQ(perm("T"), -1);
  EXPECT_EQ(perm("T", "b"), 6);
  table.delete_topic("T", "none");
  table.delete_topic("T");
  EXPECT_FALSE(table.route("T", false));
  EXPECT_THAT(table.topics_of_cluster("D"), ElementsAre("U"));
  EXPECT_THAT(table.topics_of_cluster("none"), IsEmpty());
}

TEST_F(RouteTableTest, TopicsAreRegisteredWithKnownBrokersOnly) {
  (void)add(broker("a", 0, kMaster));
  EXPECT_FALSE(table.register_topic("V", {{"a", {}}, {"b", {}}}));
  EXPECT_FALSE(table.route("V", false));
  EXPECT_TRUE(table.register_topic("V", {{"a", {.read_queues = 1, .write_queues = 1, .perm = 6}}}));
  EXPECT_EQ(perm("V"), 6);
}

TEST_F(RouteTableTest, TopicsByFlag) {
  Registration a = broker("a", 0, kMaster, {"n", "u", "s", "us"});
  a.body.topics[1].sys_flag = kUnitFlag;
  a.body.topics[2].sys_flag = kUnitSubFlag;
  a.body.topics[3].sys_flag = kUnitFlag | kUnitSubFlag;
  (void)add(a);
  EXPECT_THAT(table.topics_by_flag(kUnitFlag, 0), ElementsAre("u", "us"));
  EXPECT_THAT(table.topics_by_flag(kUnitSubFlag, 0), ElementsAre("s", "us"));
  EXPECT_THAT(table.topics_by_flag(kUnitSubFlag, kUnitFlag), ElementsAre("s"));
}

class ActingMasterTest : public RouteTableTest {
 protected:
  static Registration acting(std::int64_t id, const std::string& address) {
    Registration registration = broker("a", id, address);
    registration.enable_acting_master = true;
    return registration;
  }
};

TEST_F(ActingMasterTest, TheSmallestSlaveIsShownAsReadOnlyMaster) {
  (void)add(acting(0, kMaster));
  (void)add(acting(1, kSlave));
  (void)add(acting(2, "h:2"));
  const auto change = table.unregister_broker({"C", kMaster}, "a", 0);
  ASSERT_TRUE(change);
  EXPECT_THAT(change->addresses, ElementsAre(Pair(1, kSlave), Pair(2, "h:2")));
  EXPECT_EQ(change->offline_address, kMaster);
  EXPECT_EQ(perm("T"), 4);
  EXPECT_THAT(table.route("T", true)->brokers.at("a").addresses,
              ElementsAre(Pair(0, kSlave), Pair(2, "h:2")));
  EXPECT_THAT(table.route("T", false)->brokers.at("a").addresses,
              ElementsAre(Pair(1, kSlave), Pair(2, "h:2")));
  EXPECT_FALSE(table.unregister_broker({"C", "h:2"}, "a", 2)) << "not the smallest";
}

TEST_F(ActingMasterTest, AMasterThatComesBackIsNews) {
  (void)add(acting(1, kSlave));
  EXPECT_EQ(perm("T"), 4);
  const auto outcome = add(acting(0, kMaster));
  ASSERT_TRUE(outcome.change);
  EXPECT_EQ(outcome.change->ha_address, std::string(kMaster) + "0");
  EXPECT_EQ(perm("T"), 6);
}

TEST_F(RouteTableTest, OnlyTheZonesBrokersAndThoseWithoutMasterAreKept) {
  for (const auto& [name, zone, id] :
       {std::tuple("a", "Zone1", 0), std::tuple("b", "zone2", 0), std::tuple("c", "zone2", 1)}) {
    Registration registration = broker(name, id, std::string("h:") + name);
    registration.zone = zone;
    registration.body.filter_servers = {"f"};
    (void)add(registration);
  }
  auto route = *table.route("T", false);
  keep_zone(route, "zone1");
  EXPECT_THAT(route.brokers, ElementsAre(Pair("a", ::testing::_), Pair("c", ::testing::_)));
  EXPECT_THAT(route.queues, ElementsAre(Pair("a", ::testing::_), Pair("c", ::testing::_)));
  EXPECT_THAT(route.filter_servers, ElementsAre(Pair("h:a", ::testing::_), Pair("h:c", ::testing::_)));
}

TEST(RouteLimits, NothingGrowsBeyondThem) {
  RouteTable table({.brokers = 2, .topics = 3, .queues = 4, .name_bytes = 10, .mapping_bytes = 100});
  const auto add = [&](const std::string& cluster, const std::string& name, const std::string& address,
                       const std::vector<std::string>& topics) {
    Registration registration{.cluster = cluster,
                              .address = address,
                              .broker_name = name,
                              .broker_id = 0,
                              .ha_address = {},
                              .zone = {},
                              .heartbeat_timeout_ms = {},
                              .enable_acting_master = false,
                              .body = {},
                              .connection = {}};
    for (const std::string& topic : topics)
      registration.body.topics.push_back({.name = topic, .attributes = {}});
    return table.register_broker(registration, {}, 0).result;
  };
  EXPECT_EQ(add("C", "a", "h:1", {"T", "U"}), Registered::yes);
  EXPECT_EQ(add("C", "b", "h:2", {"T", "V", "W"}), Registered::over_a_limit) << "topics";
  EXPECT_EQ(add("C", "b", "h:2", {"T", "V"}), Registered::yes);
  EXPECT_EQ(add("C", "b", "h:2", {"U", "V"}), Registered::over_a_limit) << "queues";
  EXPECT_EQ(add("C", "c", "h:1", {}), Registered::over_a_limit) << "names";
  EXPECT_EQ(add("C", "a", "h:3", {}), Registered::over_a_limit) << "addresses";
  EXPECT_EQ(add("D", "a", "h:1", {}), Registered::over_a_limit) << "an address of another cluster is another";
  EXPECT_EQ(add("C", "a", "h:1", {"12345678901"}), Registered::over_a_limit) << "bytes of a name";
  EXPECT_THAT(table.topics(), ElementsAre("T", "U", "V"));
  (void)table.unregister_broker({"C", "h:1"}, "a", 0);
  EXPECT_EQ(add("C", "c", "h:1", {"T", "U"}), Registered::yes) << "what is gone makes room";
}

}  // namespace
}  // namespace rmq::namesrv
