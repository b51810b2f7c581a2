// Questions to a consumer that the broker hands on, because only the broker has a connection to it. RocketMQ:
// AdminBrokerProcessor's getConsumerRunningInfo, consumeMessageDirectly and callConsumer,
// Broker2Client.getConsumeStatus. Thread-safe; nothing here waits.
#pragma once

#include <string>

#include "servers/broker/clients.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

class ClientRelay {
 public:
  // Both outlive it.
  ClientRelay(Broker& broker, ClientTables& clients) : broker_(broker), clients_(clients) {}

  void running_info(const wire::Request& request, wire::Responder responder) const;      // 307
  void consume_directly(const wire::Request& request, wire::Responder responder) const;  // 309
  // Asks every consumer of the group, or one of them.
  void consumer_status(const wire::Request& request, wire::Responder responder) const;  // 223

 private:
  void call(const std::string& group, const std::string& client_id, wire::Command command,
            wire::Responder responder) const;

  Broker& broker_;
  ClientTables& clients_;
};

}  // namespace rmq::broker
