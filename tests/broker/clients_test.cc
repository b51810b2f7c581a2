// The tables of who is connected: producers, consumers, and who holds which queue.
#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "servers/broker/consumer_ids_notifier.h"
#include "servers/broker/consumer_table.h"
#include "servers/broker/producer_table.h"
#include "servers/broker/queue_locks.h"
#include "tests/broker/fake_connection.h"

namespace rmq::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

SubscriptionData subscription(const std::string& topic, std::int64_t version = 1,
                              const std::string& expression = "*") {
  return *make_subscription(topic, expression, "", version);
}

ConsumerData consumer(const std::string& group, std::vector<SubscriptionData> subscriptions,
                      MessageModel model = MessageModel::clustering) {
  return {group, ConsumeType::passively, model, ConsumeFromWhere::last_offset, std::move(subscriptions),
          false};
}

class Clients : public testing::Test {
 protected:
  using Update = ConsumerTable::SubscriptionUpdate;
  static Client client(const std::shared_ptr<FakeConnection>& connection, const std::string& id) {
    return {connection, id, wire::LanguageCode::java, 479, 0};
  }
  void join(const std::shared_ptr<FakeConnection>& connection, const std::string& id,
            const ConsumerData& data, Update update = Update::replace) {
    consumers_.put(client(connection, id), data, true, update);
  }
  // Group and number of members told, since it was asked last.
  std::vector<std::pair<std::string, std::size_t>> told() { return std::exchange(told_, {}); }

  TestClock clock_;
  std::vector<std::pair<std::string, std::size_t>> told_;
  ConsumerTable consumers_{clock_, [this](const std::string& group, const auto& members) {
                             told_.emplace_back(group, members.size());
                           }};
  ProducerTable producers_{clock_};
  std::shared_ptr<FakeConnection> one_ = std::make_shared<FakeConnection>("127.0.0.1:1");
  std::shared_ptr<FakeConnection> two_ = std::make_shared<FakeConnection>("127.0.0.1:2");
};

TEST_F(Clients, MembersAreToldWhenSomebodyJoins) {
  join(one_, "a", consumer("g", {subscription("T")}));
  EXPECT_THAT(told(), ElementsAre(std::pair("g", 1U)));
  join(two_, "b", consumer("g", {subscription("T")}));
  EXPECT_THAT(told(), ElementsAre(std::pair("g", 2U)));
  EXPECT_THAT(consumers_.client_ids("g"), UnorderedElementsAre("a", "b"));
  join(two_, "b", consumer("g", {subscription("T")}));
  EXPECT_THAT(told(), IsEmpty()) << "a heart-beat that says nothing new";
}

TEST_F(Clients, NobodyIsToldWhereTheGroupDoesNotWantItOrBroadcasts) {
  consumers_.put(client(one_, "a"), consumer("g", {subscription("T")}), false, Update::replace);
  join(one_, "a", consumer("b", {subscription("T")}, MessageModel::broadcasting));
  consumers_.remove("b", one_.get(), true);
  consumers_.remove("g", one_.get(), false);
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(Clients, SubscriptionsAreReplacedByNewerVersionsOnly) {
  join(one_, "a", consumer("g", {subscription("T", 5, "new")}));
  told();
  join(two_, "b", consumer("g", {subscription("T", 4, "old")}));
  EXPECT_EQ(consumers_.subscription("g", "T")->sub_string, "new");
  told();
  join(two_, "b", consumer("g", {subscription("T", 6, "newer")}));
  EXPECT_EQ(consumers_.subscription("g", "T")->sub_string, "newer");
  EXPECT_THAT(told(), IsEmpty()) << "another expression is no other set of topics";
}

TEST_F(Clients, MembersAreToldWhenTopicsComeAndGo) {
  join(one_, "a", consumer("g", {subscription("T")}));
  told();
  join(one_, "a", consumer("g", {subscription("T"), subscription("U")}));
  EXPECT_THAT(told(), ElementsAre(std::pair("g", 1U)));
  EXPECT_THAT(consumers_.groups_of("U"), ElementsAre("g"));
  join(one_, "a", consumer("g", {subscription("U")}));
  EXPECT_THAT(told(), ElementsAre(std::pair("g", 1U)));
  EXPECT_EQ(consumers_.subscription("g", "T"), nullptr);
  EXPECT_THAT(consumers_.groups_of("T"), IsEmpty());
}

TEST_F(Clients, AHeartbeatWithoutSubscriptionsKeepsThem) {
  join(one_, "a", consumer("g", {subscription("T")}));
  join(one_, "a", consumer("g", {}), Update::keep);
  EXPECT_TRUE(consumers_.has_subscriptions("g"));
  join(two_, "b", consumer("h", {}), Update::keep);
  EXPECT_FALSE(consumers_.has_subscriptions("h"));
  EXPECT_THAT(consumers_.client_ids("h"), ElementsAre("b"));
}

TEST_F(Clients, AClosedConnectionLeavesAllItsGroups) {
  join(one_, "a", consumer("g", {subscription("T")}));
  join(one_, "a", consumer("h", {subscription("T")}));
  join(one_, "a", consumer("broadcasting", {subscription("T")}, MessageModel::broadcasting));
  join(two_, "b", consumer("g", {subscription("T")}));
  join(two_, "b", consumer("broadcasting", {subscription("T")}, MessageModel::broadcasting));
  producers_.put("p", client(one_, "a"));
  told();
  consumers_.connection_closed(one_.get());
  producers_.connection_closed(one_.get());
  EXPECT_THAT(told(), ElementsAre(std::pair("g", 1U)));
  EXPECT_THAT(consumers_.client_ids("g"), ElementsAre("b"));
  EXPECT_FALSE(consumers_.group("h"));
  EXPECT_FALSE(consumers_.subscribed("h", "T"));
  EXPECT_FALSE(producers_.clients("p"));
  consumers_.connection_closed(one_.get());
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(Clients, AClientThatIsSilentTooLongIsClosedAndTheOthersAreTold) {
  join(one_, "a", consumer("g", {subscription("T")}));
  producers_.put("p", client(one_, "a"));
  clock_.now += 60'000;
  join(two_, "b", consumer("g", {subscription("T")}));
  clock_.now += 60'000;
  told();
  consumers_.expire(120'000, 600'000);
  producers_.expire(120'000);
  EXPECT_FALSE(one_->closed) << "exactly 120 s are not too long";
  clock_.now += 1;
  consumers_.expire(120'000, 600'000);
  producers_.expire(120'000);
  EXPECT_TRUE(one_->closed);
  EXPECT_FALSE(two_->closed);
  EXPECT_THAT(told(), ElementsAre(std::pair("g", 1U)));
  EXPECT_THAT(consumers_.client_ids("g"), ElementsAre("b"));
  EXPECT_FALSE(producers_.clients("p"));
}

TEST_F(Clients, AGroupShowsWhatItIs) {
  join(one_, "a", consumer("g", {subscription("T", 9, "x")}));
  const auto group = consumers_.group("g");
  ASSERT_TRUE(group);
  EXPECT_EQ(group->consume_type, ConsumeType::passively);
  EXPECT_EQ(group->message_model, MessageModel::clustering);
  EXPECT_EQ(group->consume_from_where, ConsumeFromWhere::last_offset);
  ASSERT_EQ(group->clients.size(), 1U);
  EXPECT_EQ(group->clients[0].last_update_ms, clock_.now);
  EXPECT_EQ(group->subscriptions.at("T")->sub_string, "x");
  EXPECT_EQ(consumers_.client("g", "a")->connection, one_);
  EXPECT_FALSE(consumers_.client("g", "b"));
  const auto subscribed = consumers_.subscribed("g", "T");
  ASSERT_TRUE(subscribed);
  EXPECT_EQ(subscribed->message_model, MessageModel::clustering);
  EXPECT_EQ(subscribed->subscription->sub_string, "x");
  EXPECT_EQ(consumers_.subscribed("g", "U")->subscription, nullptr);
  EXPECT_FALSE(consumers_.subscribed("h", "T"));
}

TEST_F(Clients, WhatPullsSubscribeToIsRememberedForAWhile) {
  consumers_.note_pull("g", std::make_shared<const SubscriptionData>(subscription("T", clock_.now, "x")));
  EXPECT_EQ(consumers_.subscription("g", "T")->sub_string, "x");
  EXPECT_FALSE(consumers_.group("g")) << "it has no members";
  join(one_, "a", consumer("g", {subscription("T", 1, "y")}));
  EXPECT_EQ(consumers_.subscription("g", "T")->sub_string, "y") << "a heart-beat counts more";
  consumers_.remove("g", one_.get(), true);
  clock_.now += 600'000;
  consumers_.expire(120'000, 600'000);
  EXPECT_NE(consumers_.subscription("g", "T"), nullptr);
  clock_.now += 1;
  consumers_.expire(120'000, 600'000);
  EXPECT_EQ(consumers_.subscription("g", "T"), nullptr);
}

TEST_F(Clients, OneConnectionCannotFillTheMemoryWithGroups) {
  for (std::size_t at = 0; at != ClientGroups::kMaxGroupsOfConnection + 5; ++at)
    producers_.put("p" + std::to_string(at), client(one_, "a"));
  EXPECT_EQ(producers_.all().size(), ClientGroups::kMaxGroupsOfConnection);
  producers_.connection_closed(one_.get());
  EXPECT_THAT(producers_.all(), IsEmpty());
}

TEST_F(Clients, ANotificationGoesToEveryMemberAtOnceOrWithTheNextRound) {
  ConsumerIdsNotifier notifier;
  notifier.changed("g", {one_, two_}, true);
  ASSERT_EQ(one_->sent.size(), 1U);
  EXPECT_EQ(one_->sent[0].code, 40);
  EXPECT_THAT(one_->sent[0].fields, ElementsAre(std::pair("consumerGroup", "g")));
  EXPECT_EQ(two_->sent.size(), 1U);

  notifier.changed("g", {one_}, false);
  notifier.changed("g", {two_}, false);
  EXPECT_EQ(one_->sent.size(), 1U);
  notifier.tell_waiting();
  EXPECT_EQ(one_->sent.size(), 1U) << "only the latest change counts";
  EXPECT_EQ(two_->sent.size(), 2U);
  notifier.tell_waiting();
  EXPECT_EQ(two_->sent.size(), 2U);
}

TEST_F(Clients, ALockIsItsHoldersForAMinute) {
  QueueLocks locks(clock_);
  const std::vector<MessageQueue> queues = {{"T", "b", 0}, {"T", "b", 1}};
  EXPECT_FALSE(locks.any("g"));
  EXPECT_EQ(locks.lock("g", "a", queues), queues);
  EXPECT_TRUE(locks.any("g"));
  EXPECT_THAT(locks.lock("g", "b", queues), IsEmpty());
  EXPECT_EQ(locks.lock("h", "b", queues), queues) << "another group";
  clock_.now += QueueLocks::kLiveMs;
  EXPECT_EQ(locks.lock("g", "a", std::vector{queues[0]}), std::vector{queues[0]}) << "taken again";
  EXPECT_THAT(locks.lock("g", "b", queues), IsEmpty());
  clock_.now += 1;
  EXPECT_EQ(locks.lock("g", "b", queues), std::vector{queues[1]}) << "the other one is free by now";
  locks.unlock("g", "b", queues);
  EXPECT_EQ(locks.lock("g", "c", queues), std::vector{queues[1]}) << "only its own were given back";
  clock_.now += QueueLocks::kLiveMs + 1;
  EXPECT_FALSE(locks.any("g"));
  locks.expire();
  EXPECT_EQ(locks.lock("g", "d", queues), queues);
}

}  // namespace
}  // namespace rmq::broker
