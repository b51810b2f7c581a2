// How far consumer groups are behind. RocketMQ: AdminBrokerProcessor's getConsumeStats,
// fetchAllConsumeStatsInBroker, queryConsumeTimeSpan. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/json/json_value.h"
#include "servers/broker/clients.h"
#include "servers/broker/message_queue.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

class ConsumeStats {
 public:
  // Both outlive it.
  ConsumeStats(Broker& broker, ClientTables& clients) : broker_(broker), clients_(clients) {}

  [[nodiscard]] wire::Response of_group(const wire::Request& request) const;   // 208
  [[nodiscard]] wire::Response of_broker(const wire::Request& request) const;  // 317
  [[nodiscard]] wire::Response time_span(const wire::Request& request) const;  // 303

 private:
  // RocketMQ's class of this name.
  struct Behind {
    std::map<MessageQueue, json::Value> offsets;
    double tps = 0;
    std::int64_t difference = 0;  // messages that are not consumed
    std::int64_t in_flight = 0;   // messages that were pulled and are not consumed
    [[nodiscard]] json::Value json() const;
  };
  [[nodiscard]] Status add_topic(std::string_view group, std::string_view topic, std::int32_t queues,
                                 Behind& into) const;
  [[nodiscard]] Status add_queue(std::string_view group, const MessageQueue& queue, Behind& into) const;
  // The group is offline, or subscribes to it.
  [[nodiscard]] bool consumes(std::string_view group, std::string_view topic) const;
  [[nodiscard]] Result<json::Value> span_of(std::string_view group, std::string_view topic,
                                            std::int32_t id) const;
  // -1 where there is no such message, as Java has it.
  [[nodiscard]] Result<std::int64_t> time_of(std::string_view topic, std::int32_t id,
                                             std::int64_t offset) const;

  Broker& broker_;
  ClientTables& clients_;
};

}  // namespace rmq::broker
