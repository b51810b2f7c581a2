#include "servers/broker/consumer_ids_notifier.h"

#include <utility>

#include "servers/wire/command.h"

namespace rmq::broker {
namespace {

constexpr std::int32_t kNotifyConsumerIdsChanged = 40;

void tell(const std::string& group, const ConsumerIdsNotifier::Members& members) {
  for (const auto& member : members)
    member->send_oneway(
        {.code = kNotifyConsumerIdsChanged, .fields = {{"consumerGroup", group}}, .body = {}});
}

}  // namespace

void ConsumerIdsNotifier::changed(const std::string& group, const Members& members, bool at_once) {
  if (at_once) return tell(group, members);
  const std::lock_guard lock(mutex_);
  waiting_[group] = members;
}

void ConsumerIdsNotifier::tell_waiting() {
  std::map<std::string, Members> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = std::exchange(waiting_, {});
  }
  for (const auto& [group, members] : waiting) tell(group, members);
}

}  // namespace rmq::broker
