#include "servers/namesrv/namesrv_config.h"

#include <gmock/gmock.h>

namespace rmq::namesrv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class NamesrvConfigTest : public ::testing::Test {
 protected:
  NamesrvConfig config{{.rocketmq_home = "/opt/rocketmq", .user_home = "/users/u"}};
};

TEST_F(NamesrvConfigTest, Defaults) {
  const auto settings = config.settings();
  EXPECT_EQ(settings->listen_port, 9876);
  EXPECT_EQ(settings->bind_address, "0.0.0.0");
  EXPECT_EQ(settings->max_idle_seconds, 120);
  EXPECT_EQ(settings->scan_interval_ms, 5000);
  EXPECT_EQ(settings->kv_config_path, "/users/u/namesrv/kvConfig.json");
  EXPECT_EQ(settings->config_store_path, "/users/u/namesrv/namesrv.properties");
  EXPECT_FALSE(settings->order_message_enable);
  EXPECT_TRUE(settings->return_order_topic_config);
  EXPECT_TRUE(settings->enable_all_topic_list);
  EXPECT_TRUE(settings->enable_topic_list);
  EXPECT_EQ(settings->wait_seconds_for_service, 45);
}

TEST_F(NamesrvConfigTest, AFile) {
  EXPECT_THAT(config.take_file(
                  {{"listenPort", "22000"}, {"orderMessageEnable", "TRUE"}, {"kvConfigPath", " /k.json "}},
                  "/etc/namesrv.conf"),
              IsEmpty());
  EXPECT_EQ(config.settings()->listen_port, 22000);
  EXPECT_TRUE(config.settings()->order_message_enable);
  EXPECT_EQ(config.settings()->kv_config_path, "/k.json");
  EXPECT_EQ(config.settings()->config_store_path, "/etc/namesrv.conf");
}

TEST_F(NamesrvConfigTest, WarningsNameWhatIsWrong) {
  EXPECT_THAT(config.take_file({{"listenport", "1"},
                                {"waitSecondsForService", "45 "},
                                {"enableTopicList", "yes"},
                                {"clusterTest", "true"}},
                               "f"),
              ElementsAre("unknown key listenport; the nearest is listenPort",
                          "clusterTest has no effect: its feature is not there yet",
                          "enableTopicList=yes is taken for false: only \"true\" is true",
                          HasSubstr("waitSecondsForService=45  is not taken")));
  EXPECT_EQ(config.settings()->wait_seconds_for_service, 45);
  EXPECT_FALSE(config.settings()->enable_topic_list);
}

TEST_F(NamesrvConfigTest, ShowsTheServersKeysAndThoseOfTheFile) {
  (void)config.take_file({{"mine", "1"}, {"listenPort", "1"}}, "f");
  const auto shown = config.shown();
  EXPECT_EQ(shown.at("listenPort"), "1");
  EXPECT_EQ(shown.at("rocketmqHome"), "/opt/rocketmq");
  EXPECT_EQ(shown.at("mine"), "1");
  EXPECT_FALSE(shown.contains("useTLS"));
  EXPECT_THAT(
      config.printed(),
      ::testing::StartsWith("rocketmqHome=/opt/rocketmq\nkvConfigPath=/users/u/namesrv/kvConfig.json\n"));
  EXPECT_THAT(config.printed(), HasSubstr("\nuseTLS=false\n"));
}

TEST_F(NamesrvConfigTest, AnUpdateTakesKnownKeysOnly) {
  (void)config.take_file({{"mine", "1"}}, "f");
  EXPECT_THAT(config.update({{"mine", "2"}, {"yours", "3"}, {"supportActingMaster", "true"}}),
              ElementsAre("unknown key yours is not taken"));
  EXPECT_EQ(config.shown().at("mine"), "2");
  EXPECT_FALSE(config.shown().contains("yours"));
  EXPECT_TRUE(config.settings()->support_acting_master);
}

}  // namespace
}  // namespace rmq::namesrv
