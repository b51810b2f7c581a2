#include "servers/broker/clients.h"

#include <chrono>

#include "servers/broker/broker.h"
#include "servers/broker/client_processor.h"

namespace rmq::broker {
namespace {

constexpr std::int64_t kProducerExpiredMs = 120'000;  // ProducerManager.CHANNEL_EXPIRED_TIMEOUT

}  // namespace

ClientTables::ClientTables(const engine::Clock& clock, const BrokerConfig& config)
    : config_(config),
      producers_(clock),
      consumers_(clock,
                 [this](const std::string& group, const ConsumerIdsNotifier::Members& members) {
                   if (config_.flag<"notifyConsumerIdsChangedEnable">())
                     notifier_.changed(group, members, config_.flag<"realTimeNotifyConsumerChange">());
                 }),
      locks_(clock) {}

void ClientTables::connection_closed(const wire::Connection* connection) {
  producers_.connection_closed(connection);
  consumers_.connection_closed(connection);
}

void ClientTables::expire() {
  producers_.expire(kProducerExpiredMs);
  consumers_.expire(config_.number<"channelExpiredTimeout">(),
                    config_.number<"subscriptionExpiredTimeout">());
  locks_.expire();
}

void add_client_processors(Broker& broker) {
  using std::chrono::seconds;
  auto clients = std::make_shared<ClientTables>(broker.clock(), broker.config());
  broker.set_clients(clients);
  broker.on_connection_closed([clients](const std::shared_ptr<wire::Connection>& connection) {
    clients->connection_closed(connection.get());
  });
  broker.on_start([&broker, clients]() -> Status {
    broker.scheduler().every(seconds(10), [clients] { clients->expire(); });
    broker.scheduler().every(seconds(30), seconds(15), [clients] { clients->tell_waiting(); });
    return {};
  });
  auto processor = std::make_shared<ClientProcessor>(broker, *clients);
  const auto answer_with = [&](RequestCode code, wire::Response (ClientProcessor::*function)(
                                                     const wire::Request&, const wire::Responder&)) {
    broker.add(code, [processor, function](const wire::Request& request, wire::Responder responder) {
      responder.send(((*processor).*function)(request, responder));
    });
  };
  answer_with(RequestCode::heart_beat, &ClientProcessor::heart_beat);
  answer_with(RequestCode::unregister_client, &ClientProcessor::unregister);
  answer_with(RequestCode::check_client_config, &ClientProcessor::check_config);
  answer_with(RequestCode::get_consumer_list_by_group, &ClientProcessor::list_consumers);
  answer_with(RequestCode::lock_batch_mq, &ClientProcessor::lock_queues);
  answer_with(RequestCode::unlock_batch_mq, &ClientProcessor::unlock_queues);
}

}  // namespace rmq::broker
