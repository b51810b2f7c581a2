// Tells the members of a group that it has changed, so that they share its queues anew at once and not with
// their next round. RocketMQ: DefaultConsumerIdsChangeListener. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "servers/wire/handler.h"

namespace rmq::broker {

class ConsumerIdsNotifier {
 public:
  using Members = std::vector<std::shared_ptr<wire::Connection>>;

  // `at_once` is realTimeNotifyConsumerChange; without it a change waits for tell_waiting().
  void changed(const std::string& group, const Members& members, bool at_once);
  void tell_waiting();

 private:
  std::mutex mutex_;
  std::map<std::string, Members> waiting_;  // mutex_; the latest of each group
};

}  // namespace rmq::broker
