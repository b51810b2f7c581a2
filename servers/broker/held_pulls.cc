#include "servers/broker/held_pulls.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace rmq::broker {
namespace {

std::int64_t size_of(const HeldPull& pull) {
  constexpr std::size_t kBookKeeping = 128;
  const OwnedPullHeader& header = pull.header;
  return static_cast<std::int64_t>(sizeof(HeldPull) + kBookKeeping + header.group.size() +
                                   header.topic.size() + header.subscription.size() +
                                   header.expression_type.size() +
                                   (pull.subscription ? pull.subscription->sub_string.size() * 2 : 0));
}

}  // namespace

bool HeldPulls::add(HeldPull& pull) {
  const std::int64_t size = size_of(pull);
  if (bytes_.fetch_add(size, std::memory_order_relaxed) + size > kMostBytes) {
    bytes_.fetch_sub(size, std::memory_order_relaxed);
    return false;
  }
  count_.fetch_add(1, std::memory_order_seq_cst);
  const Queue queue{pull.header.topic, pull.header.queue_id};
  Shard& shard = shard_of(queue);
  const std::lock_guard lock(shard.mutex);
  auto known = shard.queues.find(queue);
  if (known == shard.queues.end()) {
    auto waiting = std::make_unique<Waiting>();
    waiting->topic = pull.header.topic;
    const Queue key{waiting->topic, queue.queue_id};
    known = shard.queues.emplace(key, std::move(waiting)).first;
  }
  known->second->pulls.push_back(std::move(pull));
  return true;
}

std::size_t HeldPulls::extract(Waiting& waiting, const std::function<bool(const HeldPull&)>& wanted,
                               std::vector<HeldPull>& into) {
  auto& pulls = waiting.pulls;
  const std::size_t before = pulls.size();
  std::vector<HeldPull> rest;
  rest.reserve(before);
  for (HeldPull& pull : pulls) {
    const bool take = wanted(pull);
    if (take) bytes_.fetch_sub(size_of(pull), std::memory_order_relaxed);
    (take ? into : rest).push_back(std::move(pull));
  }
  pulls = std::move(rest);
  const std::size_t taken = before - pulls.size();
  count_.fetch_sub(static_cast<std::int64_t>(taken), std::memory_order_relaxed);
  return taken;
}

void HeldPulls::take_from(Shard& shard, const Queue& queue,
                          const std::function<bool(const HeldPull&)>& wanted, std::vector<HeldPull>& into) {
  const auto known = shard.queues.find(queue);
  if (known == shard.queues.end()) return;
  extract(*known->second, wanted, into);
  if (known->second->pulls.empty()) shard.queues.erase(known);
}

std::vector<HeldPull> HeldPulls::take(std::string_view topic, std::int32_t queue_id,
                                      std::int64_t next_offset) {
  std::vector<HeldPull> taken;
  const Queue queue{topic, queue_id};
  Shard& shard = shard_of(queue);
  const std::lock_guard lock(shard.mutex);
  take_from(
      shard, queue, [&](const HeldPull& pull) { return next_offset > pull.header.queue_offset; }, taken);
  return taken;
}

std::vector<HeldPull> HeldPulls::take(std::span<const engine::Arrival> arrivals) {
  std::vector<HeldPull> taken;
  for (const engine::Arrival& arrival : arrivals) {
    if (count_.load(std::memory_order_seq_cst) == 0) break;
    const Queue queue{arrival.topic, arrival.queue_id};
    Shard& shard = shard_of(queue);
    const std::lock_guard lock(shard.mutex);
    take_from(
        shard, queue,
        [&](const HeldPull& pull) {
          return arrival.next_offset > pull.header.queue_offset &&
                 pull.subscription->wants(arrival.tags_code);
        },
        taken);
  }
  return taken;
}

void HeldPulls::take_each(const std::function<bool(const HeldPull&)>& wanted, std::vector<HeldPull>& into) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (auto at = shard.queues.begin(); at != shard.queues.end();) {
      extract(*at->second, wanted, into);
      at = at->second->pulls.empty() ? shard.queues.erase(at) : std::next(at);
    }
  }
}

std::vector<HeldPull> HeldPulls::take_due(std::int64_t now_ms) {
  std::vector<HeldPull> taken;
  take_each(
      [&](const HeldPull& pull) { return now_ms >= pull.until_ms || !pull.responder.connection()->open(); },
      taken);
  std::erase_if(taken, [](const HeldPull& pull) { return !pull.responder.connection()->open(); });
  return taken;
}

std::vector<HeldPull> HeldPulls::take_all() {
  std::vector<HeldPull> taken;
  take_each([](const HeldPull&) { return true; }, taken);
  return taken;
}

}  // namespace rmq::broker
