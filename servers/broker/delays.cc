#include "servers/broker/delays.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "servers/broker/admin_reply.h"
#include "servers/broker/broker.h"
#include "servers/broker/delay_service.h"
#include "servers/broker/log.h"
#include "servers/broker/send_back.h"

namespace rmq::broker {
namespace {

// Made when the store is there; what arrives before is looked at then.
struct Delays {
  std::unique_ptr<DelayService> service;
  std::atomic<DelayService*> for_arrivals{nullptr};
};

DelayService::Options options_of(Broker& broker) {
  DelayService::Options options;
  if (auto levels = format::DelayLevels::parse(broker.config().text<"messageDelayLevel">()))
    options.levels = *std::move(levels);
  options.version_step = broker.config().number<"delayOffsetUpdateVersionStep">();
  options.warn = [](const std::string& what) { log_warning("{}", what); };
  options.delivered = [&broker](std::int32_t level, std::string_view topic, std::int64_t bytes) {
    if (!broker.config().flag<"enableScheduleMessageStats">()) return;
    BrokerStats& stats = broker.stats();
    const std::string schedule(kScheduleTopic);
    const std::string group = "SCHEDULE_CONSUMER";
    const std::string queue = schedule + '@' + std::to_string(level - 1) + '@' + group;
    stats.add(StatsName::queue_get_nums, queue, 1);
    stats.add(StatsName::queue_get_size, queue, bytes);
    stats.add(StatsName::group_get_nums, schedule + '@' + group, 1);
    stats.add(StatsName::group_get_size, schedule + '@' + group, bytes);
    stats.add(StatsName::topic_put_nums, topic, 1);
    stats.add(StatsName::topic_put_size, topic, bytes);
    stats.add(StatsName::broker_put_nums, broker.config().text<"brokerClusterName">(), 1);
  };
  return options;
}

void persist(DelayService& service) {
  if (const Status saved = service.persist(); !saved)
    log_error("delayOffset.json cannot be written: {}", saved.error().message());
}

Status start(Broker& broker, const std::shared_ptr<Delays>& delays) {
  using Milliseconds = Scheduler::Milliseconds;
  delays->service = std::make_unique<DelayService>(broker.store(), broker.files(), broker.config_directory(),
                                                   broker.clock(), options_of(broker));
  DelayService& service = *delays->service;
  RMQ_CHECK(service.load());
  delays->for_arrivals.store(&service, std::memory_order_release);
  broker.scheduler().every(
      Milliseconds(10'000),
      [&broker] { return Milliseconds(broker.config().number<"flushDelayOffsetInterval">()); },
      [&service] { persist(service); });
  if (broker.background())
    service.start();
  else
    broker.scheduler().every(Milliseconds(1), [&service] { (void)service.step(); });
  return {};
}

}  // namespace

void add_delayed_messages(Broker& broker) {
  auto delays = std::make_shared<Delays>();
  broker.on_arrival([delays](std::span<const engine::Arrival> arrivals) {
    if (DelayService* service = delays->for_arrivals.load(std::memory_order_acquire))
      service->arrived(arrivals);
  });
  broker.on_start([&broker, delays] { return start(broker, delays); });
  broker.on_stop([delays] {
    delays->service->stop();
    persist(*delays->service);
  });
  broker.on_runtime_info([delays](std::vector<std::pair<std::string, std::string>>& into) {
    for (auto& line : delays->service->runtime_info()) into.push_back(std::move(line));
  });
  broker.add(RequestCode::get_all_delay_offset, [delays](const wire::Request&, wire::Responder responder) {
    responder.send(answer_json(delays->service->snapshot()));
  });
  const auto levels = format::DelayLevels::parse(broker.config().text<"messageDelayLevel">());
  const std::int32_t max_level = levels ? levels->max_level() : format::DelayLevels().max_level();
  broker.add(RequestCode::consumer_send_msg_back,
             [&broker, max_level](const wire::Request& request, wire::Responder responder) {
               send_back(broker, max_level, request, std::move(responder));
             });
}

}  // namespace rmq::broker
