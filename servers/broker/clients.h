// Everybody who is connected to the broker, and how the parts that answer for them join it. RocketMQ:
// ProducerManager, ConsumerManager, RebalanceLockManager, ClientHousekeepingService.
#pragma once

#include "libstore/engine/clock.h"
#include "servers/broker/broker_config.h"
#include "servers/broker/consumer_ids_notifier.h"
#include "servers/broker/consumer_table.h"
#include "servers/broker/producer_table.h"
#include "servers/broker/queue_locks.h"

namespace rmq::broker {

class Broker;

// Thread-safe, as its parts are.
class ClientTables {
 public:
  ClientTables(const engine::Clock& clock, const BrokerConfig& config);

  [[nodiscard]] ProducerTable& producers() { return producers_; }
  [[nodiscard]] ConsumerTable& consumers() { return consumers_; }
  [[nodiscard]] QueueLocks& locks() { return locks_; }

  void connection_closed(const wire::Connection* connection);
  // Every ten seconds: those who are silent for too long are gone.
  void expire();
  // Every 15 s: tells what was not told at once.
  void tell_waiting() { notifier_.tell_waiting(); }

 private:
  const BrokerConfig& config_;
  ConsumerIdsNotifier notifier_;
  ProducerTable producers_;
  ConsumerTable consumers_;
  QueueLocks locks_;
};

// Makes the broker's ClientTables, and answers heart-beats and what else clients do to stay in their groups
// (34, 35, 38, 41, 42, 46).
void add_client_processors(Broker& broker);

}  // namespace rmq::broker
