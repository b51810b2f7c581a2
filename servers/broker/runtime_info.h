// What a broker says about how it is doing: the table of GET_BROKER_RUNTIME_INFO, the statistics of one key,
// and the state of its replicas. RocketMQ: AdminBrokerProcessor.prepareRuntimeInfo, StoreStatsService, and
// BrokerStats (puts and gets since midnight).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "servers/broker/broker.h"

namespace rmq::broker {

// Threads: everything from any thread.
class RuntimeInfo {
 public:
  explicit RuntimeInfo(Broker& broker) : broker_(broker) {}

  // Every second: what rates are counted between.
  void sample();
  [[nodiscard]] std::map<std::string, std::string> table();

 private:
  struct Sample {
    std::int64_t at_ms = 0;
    std::int64_t puts = 0;
    std::int64_t bytes = 0;
    std::int64_t found = 0;
    std::int64_t missed = 0;
    std::int64_t transferred = 0;
  };
  // What was counted at the last two midnights.
  struct Mornings {
    std::int64_t yesterday = 0;
    std::int64_t today = 0;
  };

  [[nodiscard]] Sample count() const;
  // "10s 60s 600s" a second; empty where the broker has not run that long.
  [[nodiscard]] std::string rates(std::int64_t Sample::* first,
                                  std::int64_t Sample::* second = nullptr) const;
  void add_store(std::map<std::string, std::string>& into);
  void add_disks(std::map<std::string, std::string>& into);
  void add_queues(std::map<std::string, std::string>& into);

  Broker& broker_;
  mutable std::mutex mutex_;
  std::deque<Sample> samples_;  // mutex_, as the rest
  std::int64_t day_ = 0;
  Mornings puts_;
  Mornings gets_;
};

}  // namespace rmq::broker
