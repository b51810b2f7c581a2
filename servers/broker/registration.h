// This broker with its name servers: who it is, which topics it has. RocketMQ:
// BrokerController.registerBrokerAll and its kin, BrokerOuterAPI. Nothing here waits for an answer but
// wait() and unregister(); where RocketMQ waits, because clients must find a topic as soon as they are told
// that it is there, answer from when_done().
//
// Threads: everything from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libstore/json/json_value.h"
#include "servers/broker/topic_configs.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

class Broker;

// "a:1;b:2" as its parts.
[[nodiscard]] std::vector<std::string> name_servers(std::string_view addresses);
// Empty: "host:port" is one. Else what is wrong with it.
[[nodiscard]] std::string address_problem(std::string_view address);

class Registration {
 public:
  explicit Registration(Broker& broker) : broker_(broker) {}

  // To every name server: all topics (103). Where `forced` is false they are first asked whether they have
  // them already (322).
  void register_all(bool forced);
  // Only these topics; the name servers keep the others. registerIncrementBrokerData.
  void register_topics(const std::vector<TopicConfigPtr>& topics);
  // Calls `then` when the registrations that are under way are answered or have failed: at once where none
  // is.
  void when_done(std::function<void()> then);
  // Until none is under way, but no longer than this.
  void wait(std::chrono::milliseconds most);
  // 104 to all, and waits for their answers, but not long. Nothing is registered from then on.
  void unregister();

 private:
  [[nodiscard]] wire::Command register_command(const std::vector<TopicConfigPtr>& topics,
                                               const format::DataVersion& version) const;
  enum class Version : std::uint8_t { any, another };
  // `another`: a name server that has this version already would not look at the topics.
  void send_registration(const std::vector<TopicConfigPtr>& topics, Version version);
  void send_all(const wire::Command& command);
  void answered(const std::string& name_server, const Result<wire::Answer>& answer);
  [[nodiscard]] wire::Fields identity() const;
  [[nodiscard]] std::uint64_t begin();  // a call; gives its number
  void end(std::uint64_t call);

  Broker& broker_;
  std::atomic<bool> gone_{false};
  // One builds a registration and hands it on at a time, so that versions go up on their way.
  std::mutex order_mutex_;
  std::int64_t last_version_ = -1;  // order_mutex_; the counter that was registered last
  std::mutex mutex_;
  std::condition_variable idle_;
  std::uint64_t last_call_ = 0;
  std::set<std::uint64_t> under_way_;
  // Who waits for all calls up to this one.
  std::vector<std::pair<std::uint64_t, std::function<void()>>> waiting_;
};

}  // namespace rmq::broker
