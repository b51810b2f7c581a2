#include "servers/broker/queue_locks.h"

#include <algorithm>
#include <iterator>

namespace rmq::broker {

std::vector<MessageQueue> QueueLocks::lock(std::string_view group, std::string_view client_id,
                                           std::span<const MessageQueue> queues) {
  std::vector<MessageQueue> locked;
  if (queues.empty()) return locked;
  const std::lock_guard lock(mutex_);
  auto found = groups_.find(group);
  if (found == groups_.end())
    found = groups_.emplace(std::string(group), std::map<MessageQueue, Lock>{}).first;
  for (const MessageQueue& queue : queues) {
    const auto at = found->second.find(queue);
    if (at == found->second.end()) {
      if (found->second.size() >= kMaxQueuesOfGroup) break;
      found->second.emplace(queue, Lock{std::string(client_id), clock_.now_ms()});
    } else {
      if (at->second.client_id != client_id && !expired(at->second)) continue;
      at->second = {std::string(client_id), clock_.now_ms()};
    }
    locked.push_back(queue);
  }
  return locked;
}

void QueueLocks::unlock(std::string_view group, std::string_view client_id,
                        std::span<const MessageQueue> queues) {
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(group);
  if (found == groups_.end()) return;
  for (const MessageQueue& queue : queues) {
    const auto at = found->second.find(queue);
    if (at != found->second.end() && at->second.client_id == client_id) found->second.erase(at);
  }
  if (found->second.empty()) groups_.erase(found);
}

bool QueueLocks::any(std::string_view group) const {
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(group);
  return found != groups_.end() && std::any_of(found->second.begin(), found->second.end(),
                                               [&](const auto& entry) { return !expired(entry.second); });
}

void QueueLocks::expire() {
  const std::lock_guard lock(mutex_);
  for (auto group = groups_.begin(); group != groups_.end();) {
    std::erase_if(group->second, [&](const auto& entry) { return expired(entry.second); });
    group = group->second.empty() ? groups_.erase(group) : std::next(group);
  }
}

}  // namespace rmq::broker
