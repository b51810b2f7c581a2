// What clients do to be in their groups: heart-beats, leaving, asking who else is there, taking queues for
// themselves. RocketMQ: ClientManageProcessor, ConsumerManageProcessor.getConsumerListByGroup,
// AdminBrokerProcessor.lockBatchMQ and unlockBatchMQ. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "servers/broker/clients.h"
#include "servers/broker/heartbeat_data.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

class ClientProcessor {
 public:
  // Both outlive it.
  ClientProcessor(Broker& broker, ClientTables& clients) : broker_(broker), clients_(clients) {}

  [[nodiscard]] wire::Response heart_beat(const wire::Request& request, const wire::Responder& responder);
  [[nodiscard]] wire::Response unregister(const wire::Request& request, const wire::Responder& responder);
  [[nodiscard]] wire::Response check_config(const wire::Request& request, const wire::Responder& responder);
  [[nodiscard]] wire::Response list_consumers(const wire::Request& request, const wire::Responder& responder);
  [[nodiscard]] wire::Response lock_queues(const wire::Request& request, const wire::Responder& responder);
  [[nodiscard]] wire::Response unlock_queues(const wire::Request& request, const wire::Responder& responder);

 private:
  // False: the group is unknown and must not be made.
  bool join(const Client& client, const ConsumerData& data, ConsumerTable::SubscriptionUpdate update);
  // Whether the client has to say its subscriptions again.
  [[nodiscard]] bool note_fingerprint(const HeartbeatData& heartbeat, const std::string& group);

  // Fingerprints are kept for this many groups.
  static constexpr std::size_t kMaxFingerprints = 100'000;

  Broker& broker_;
  ClientTables& clients_;
  std::mutex mutex_;
  std::map<std::string, std::int32_t> fingerprints_;  // mutex_; of the last heart-beat, by group
};

}  // namespace rmq::broker
