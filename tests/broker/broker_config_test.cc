// What is taken, said and shown of a broker.conf.
#include "servers/broker/broker_config.h"

#include <gmock/gmock.h>

#include <set>

#include "libstore/testing/simulated_file_system.h"
#include "tests/broker/java_files.h"

namespace rmq::broker {
namespace {

using rmq::testing::SimulatedFileSystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(BrokerConfig, DefaultsAreThoseOfRocketMq) {
  const BrokerConfig config(test_surroundings());
  EXPECT_EQ(config.text<"brokerName">(), "broker-a");
  EXPECT_EQ(config.text<"brokerClusterName">(), "DefaultCluster");
  EXPECT_EQ(config.text<"storePathRootDir">(), "/mq/store");
  EXPECT_EQ(config.text<"brokerIP1">(), "10.0.0.7");
  EXPECT_EQ(config.number<"listenPort">(), 10911);
  EXPECT_EQ(config.number<"mappedFileSizeConsumeQueue">(), 6'000'000);
  EXPECT_EQ(config.number<"pullMessageThreadPoolNums">(), 20);
  EXPECT_TRUE(config.flag<"autoCreateTopicEnable">());
  EXPECT_EQ(config.text<"flushDiskType">(), "ASYNC_FLUSH");
}

TEST(BrokerConfig, EveryKeyHasAMeaningAndADefaultOfItsType) {
  for (const ConfigKey& key : kConfigKeys) {
    EXPECT_FALSE(key.name.empty());
    if (key.type == KeyType::flag) {
      EXPECT_TRUE(key.default_text == "true" || key.default_text == "false") << key.name;
    }
    if (key.type == KeyType::choice) {
      EXPECT_THAT(std::string(choices_of(key.name)), HasSubstr(std::string(key.default_text))) << key.name;
    }
    EXPECT_EQ(key.state == KeyState::later, !key.feature.empty()) << key.name;
  }
}

TEST(BrokerConfig, TakesWhatTheFileSays) {
  BrokerConfig config(test_surroundings());
  EXPECT_THAT(config.apply({{"brokerName", " b1 "},
                            {"listenPort", "20911"},
                            {"autoCreateTopicEnable", "FALSE"},
                            {"rmqAddressServerDomain", "jmenv"},
                            {"isInBrokerContainer", "false"},
                            {"bitMapLengthConsumeQueueExt", "112"}}),
              IsEmpty());
  EXPECT_EQ(config.text<"brokerName">(), "b1");  // Java trims texts
  EXPECT_EQ(config.number<"listenPort">(), 20911);
  EXPECT_FALSE(config.flag<"autoCreateTopicEnable">());
}

TEST(BrokerConfig, NamesTheNearestKeyForAnUnknownOne) {
  BrokerConfig config(test_surroundings());
  EXPECT_THAT(
      config.apply({{"autoCreateTopicEnabled", "true"}}),
      ElementsAre("unknown key autoCreateTopicEnabled: ignored; did you mean autoCreateTopicEnable?"));
  EXPECT_THAT(
      config.apply({{"mapedFileSizeCommitLog", "1024"}}),
      ElementsAre("unknown key mapedFileSizeCommitLog: ignored; it is spelled mappedFileSizeCommitLog"));
  EXPECT_THAT(config.apply({{"somethingElseAltogether", "1"}}),
              ElementsAre("unknown key somethingElseAltogether: ignored"));
}

TEST(BrokerConfig, SaysWhichValuesMakeSense) {
  BrokerConfig config(test_surroundings());
  EXPECT_THAT(
      config.apply({{"fileReservedTime", "48 "}}),
      ElementsAre("fileReservedTime=48  is not a number from 1 to 2147483647 without blanks around it; 72 stays"));
  EXPECT_THAT(config.apply({{"listenPort", "70000"}}),
              ElementsAre("listenPort=70000 is not a number from 1 to 65535; 10911 stays"));
  EXPECT_THAT(
      config.apply({{"brokerRole", "MASTER"}}),
      ElementsAre("brokerRole=MASTER is not one of ASYNC_MASTER, SYNC_MASTER, SLAVE; ASYNC_MASTER stays"));
  EXPECT_THAT(config.apply({{"traceTopicEnable", "yes"}}),
              ElementsAre("traceTopicEnable=yes is not true or false (anything but true is false)"));
  EXPECT_EQ(config.number<"fileReservedTime">(), 72);
  EXPECT_EQ(config.text<"brokerRole">(), "ASYNC_MASTER");
}

TEST(BrokerConfig, SaysThatAFeatureIsNotThereYet) {
  BrokerConfig config(test_surroundings());
  EXPECT_THAT(config.apply({{"aclEnable", "true"}}),
              ElementsAre("aclEnable=true has no effect: not supported yet (ACL)"));
  EXPECT_THAT(config.apply({{"transactionTimeOut", "6000"}}), IsEmpty());  // the default says nothing
}

TEST(BrokerConfig, SettlesAsBrokerStartupDoes) {
  BrokerConfig config(test_surroundings());
  config.apply({{"brokerId", "3"}, {"listenPort", "30911"}});
  ASSERT_TRUE(config.settle());
  EXPECT_EQ(config.number<"brokerId">(), 0);
  EXPECT_EQ(config.number<"haListenPort">(), 30912);
  config.apply({{"brokerRole", "SLAVE"}});
  EXPECT_FALSE(config.settle());
}

TEST(BrokerConfig, UpdatesAndKeepsInTheFile) {
  SimulatedFileSystem files{1};
  ASSERT_TRUE(files.make_directories(kConfigDirectory));
  BrokerConfig config(test_surroundings());
  config.apply({{"myOwnKey", "kept"}});
  config.set_path(kConfigDirectory + "/broker.conf");
  const auto warnings =
      config.update(files, {{"defaultTopicQueueNums", "16"}, {"noSuchKey", "1"}}, 1'700'000'000'000);
  ASSERT_TRUE(warnings);
  EXPECT_THAT(*warnings, ElementsAre(HasSubstr("unknown key noSuchKey")));
  EXPECT_EQ(config.number<"defaultTopicQueueNums">(), 16);
  EXPECT_EQ(config.data_version().counter, 1);
  const std::string file = get_file(files, "broker.conf");
  EXPECT_THAT(file, HasSubstr("defaultTopicQueueNums=16\n"));
  EXPECT_THAT(file, HasSubstr("myOwnKey=kept\n"));
  EXPECT_THAT(file, Not(HasSubstr("noSuchKey")));
  // Null in Java: written, it would come back as an empty path.
  EXPECT_THAT(file, Not(HasSubstr("storePathCommitLog=")));
}

TEST(BrokerConfig, RefusesKeysOfTheBlackList) {
  SimulatedFileSystem files{1};
  BrokerConfig config(test_surroundings());
  const auto refused =
      config.update(files, {{"brokerConfigPath", "/etc/passwd"}, {"brokerPermission", "4"}}, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "Can not update config in black list.");
  EXPECT_EQ(config.number<"brokerPermission">(), 6);
}

TEST(BrokerConfig, PrintsAsStockDoes) {
  const BrokerConfig config(test_surroundings());
  EXPECT_THAT(config.printed(false), HasSubstr("\nautoCreateTopicEnable=true\n"));
  EXPECT_THAT(config.printed(false), HasSubstr("\nsendMessageThreadPoolNums=2\n"));
  EXPECT_THAT(config.printed(true), HasSubstr("\nautoCreateTopicEnable=true\n"));
  EXPECT_THAT(config.printed(true), Not(HasSubstr("sendMessageThreadPoolNums")));
}

}  // namespace
}  // namespace rmq::broker
