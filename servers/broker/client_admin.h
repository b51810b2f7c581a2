// What consoles ask about clients and about how far consumers are. RocketMQ: AdminBrokerProcessor's
// getConsumerConnectionList, getProducerConnectionList, getAllProducerInfo, queryTopicConsumeByWho,
// queryTopicsByConsumer, querySubscriptionByConsumer, queryCorrectionOffset, cloneGroupOffset. Thread-safe.
#pragma once

#include "servers/broker/clients.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

class ClientAdmin {
 public:
  // Both outlive it.
  ClientAdmin(Broker& broker, ClientTables& clients) : broker_(broker), clients_(clients) {}

  [[nodiscard]] wire::Response consumer_connections(const wire::Request& request) const;  // 203
  [[nodiscard]] wire::Response producer_connections(const wire::Request& request) const;  // 204
  [[nodiscard]] wire::Response all_producers(const wire::Request& request) const;         // 328
  [[nodiscard]] wire::Response who_consumes(const wire::Request& request) const;          // 300
  [[nodiscard]] wire::Response topics_of_group(const wire::Request& request) const;       // 343
  [[nodiscard]] wire::Response subscription(const wire::Request& request) const;          // 345
  [[nodiscard]] wire::Response correction_offsets(const wire::Request& request) const;    // 308
  [[nodiscard]] wire::Response clone_offsets(const wire::Request& request) const;         // 314

 private:
  Broker& broker_;
  ClientTables& clients_;
};

// All that consoles do with groups and their clients: ClientAdmin, ConsumeStats, OffsetReset, ClientRelay.
void add_client_admin(Broker& broker);

}  // namespace rmq::broker
