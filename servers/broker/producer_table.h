// The producers that are connected, by group. RocketMQ: ProducerManager. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/engine/clock.h"
#include "servers/broker/client_groups.h"

namespace rmq::broker {

class ProducerTable {
 public:
  explicit ProducerTable(const engine::Clock& clock) : clock_(clock) {}

  void put(std::string_view group, Client client);
  void remove(std::string_view group, const wire::Connection* connection);
  void connection_closed(const wire::Connection* connection);
  // Closes the connections of those who were silent for longer than `milliseconds`.
  void expire(std::int64_t milliseconds);

  // Nothing where the group has no producer.
  [[nodiscard]] std::optional<std::vector<Client>> clients(std::string_view group) const;
  [[nodiscard]] std::map<std::string, std::vector<Client>> all() const;

 private:
  const engine::Clock& clock_;
  mutable std::mutex mutex_;
  ClientGroups groups_;  // mutex_
};

}  // namespace rmq::broker
