// This broker with its name servers: who it is, which topics it has. RocketMQ:
// BrokerController.registerBrokerAll and its kin, BrokerOuterAPI. Nothing here waits for an answer but
// unregister().
//
// Threads: everything from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "servers/broker/topic_configs.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

class Broker;

// "a:1;b:2" as its parts.
[[nodiscard]] std::vector<std::string> name_servers(std::string_view addresses);

class Registration {
 public:
  explicit Registration(Broker& broker) : broker_(broker) {}

  // To every name server: all topics (103). Where `forced` is false they are first asked whether they have
  // them already (322).
  void register_all(bool forced);
  // Only these topics; the name servers keep the others. registerIncrementBrokerData.
  void register_topics(const std::vector<TopicConfigPtr>& topics);
  // 104, and waits for the answers, but not long.
  void unregister();

 private:
  Broker& broker_;
};

}  // namespace rmq::broker
