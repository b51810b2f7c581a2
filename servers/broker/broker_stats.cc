#include "servers/broker/broker_stats.h"

#include <algorithm>
#include <utility>

namespace rmq::broker {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(StatsName::count)> kNames{
    "TOPIC_PUT_NUMS",
    "TOPIC_PUT_SIZE",
    "GROUP_GET_NUMS",
    "GROUP_GET_SIZE",
    "SNDBCK_PUT_NUMS",
    "BROKER_PUT_NUMS",
    "BROKER_GET_NUMS",
    "GROUP_GET_LATENCY",
    "GROUP_CK_NUMS",
    "GROUP_ACK_NUMS",
    "DLQ_PUT_NUMS",
    "BROKER_ACK_NUMS",
    "BROKER_CK_NUMS",
    "BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC",
    "BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC",
    "QUEUE_PUT_NUMS",
    "QUEUE_PUT_SIZE",
    "QUEUE_GET_NUMS",
    "QUEUE_GET_SIZE",
    "TOPIC_PUT_LATENCY",
    "GROUP_GET_FALL_SIZE",
    "GROUP_GET_FALL_TIME",
};

// Points that a window lies between (StatsItem): a minute of ten seconds each, an hour, a day.
constexpr std::size_t kMinutePoints = 7;
constexpr std::size_t kHourPoints = 7;
constexpr std::size_t kDayPoints = 25;

bool keeps_last(StatsName name) {
  return name == StatsName::group_get_fall_size || name == StatsName::group_get_fall_time;
}

// The part of "a@b@c" that is asked for.
std::string_view part_of(std::string_view key, int which) {
  for (; which > 0; --which) {
    const std::size_t at = key.find('@');
    if (at == std::string_view::npos) return {};
    key.remove_prefix(at + 1);
  }
  return key.substr(0, key.find('@'));
}

template <class Points>
StatsWindow window_of(const Points& points) {
  StatsWindow window;
  if (points.empty()) return window;
  const auto& first = points.front();
  const auto& last = points.back();
  window.sum = last.sum - first.sum;
  window.times = last.times - first.times;
  if (last.at_ms > first.at_ms)
    window.tps = static_cast<double>(window.sum) * 1000.0 / static_cast<double>(last.at_ms - first.at_ms);
  if (window.times > 0) window.avgpt = static_cast<double>(window.sum) / static_cast<double>(window.times);
  return window;
}

}  // namespace

std::string_view to_string(StatsName name) { return kNames[static_cast<std::size_t>(name)]; }

std::optional<StatsName> stats_name(std::string_view text) {
  const auto found = std::ranges::find(kNames, text);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<StatsName>(found - kNames.begin());
}

void BrokerStats::add(StatsName name, std::string_view key, std::int64_t value, std::int64_t times) {
  Set& set = sets_[static_cast<std::size_t>(name)];
  const std::lock_guard lock(set.mutex);
  auto found = set.items.find(key);
  if (found == set.items.end()) found = set.items.emplace(std::string(key), Item()).first;
  Item& item = found->second;
  item.sum = keeps_last(name) ? value : item.sum + value;
  item.times += times;
}

std::optional<BrokerStats::Windows> BrokerStats::view(StatsName name, std::string_view key) const {
  const Set& set = sets_[static_cast<std::size_t>(name)];
  const std::lock_guard lock(set.mutex);
  const auto found = set.items.find(key);
  if (found == set.items.end() || keeps_last(name)) return std::nullopt;
  const Item& item = found->second;
  return Windows{window_of(item.minute), window_of(item.hour), window_of(item.day)};
}

std::int64_t BrokerStats::total(StatsName name, std::string_view key) const {
  const Set& set = sets_[static_cast<std::size_t>(name)];
  const std::lock_guard lock(set.mutex);
  const auto found = set.items.find(key);
  return found == set.items.end() ? 0 : found->second.sum;
}

std::vector<std::pair<std::string, std::int64_t>> BrokerStats::totals(StatsName name) const {
  const Set& set = sets_[static_cast<std::size_t>(name)];
  std::vector<std::pair<std::string, std::int64_t>> all;
  {
    const std::lock_guard lock(set.mutex);
    all.reserve(set.items.size());
    for (const auto& [key, item] : set.items) all.emplace_back(key, item.sum);
  }
  std::ranges::sort(all);
  return all;
}

void BrokerStats::sample(std::deque<Point> Item::* points, std::size_t most, std::int64_t interval_ms,
                         std::int64_t now_ms) {
  for (Set& set : sets_) {
    const std::lock_guard lock(set.mutex);
    for (auto& [key, item] : set.items) {
      std::deque<Point>& into = item.*points;
      // The window of a new item begins with nothing.
      if (into.empty()) into.push_back({now_ms - interval_ms, 0, 0});
      into.push_back({now_ms, item.sum, item.times});
      if (into.size() > most) into.pop_front();
    }
  }
}

void BrokerStats::sample_seconds(std::int64_t now_ms) {
  sample(&Item::minute, kMinutePoints, kSecondsPeriodMs, now_ms);
}
void BrokerStats::sample_minutes(std::int64_t now_ms) {
  sample(&Item::hour, kHourPoints, kMinutesPeriodMs, now_ms);
}
void BrokerStats::sample_hours(std::int64_t now_ms) {
  sample(&Item::day, kDayPoints, kHoursPeriodMs, now_ms);
}

void BrokerStats::forget(StatsName name, std::string_view part, int which) {
  Set& set = sets_[static_cast<std::size_t>(name)];
  const std::lock_guard lock(set.mutex);
  std::erase_if(set.items, [&](const auto& item) { return part_of(item.first, which) == part; });
}

void BrokerStats::forget_topic(std::string_view topic) {
  using enum StatsName;
  for (const StatsName name : {topic_put_nums, topic_put_size, queue_put_nums, queue_put_size, group_get_nums,
                               group_get_size, queue_get_nums, queue_get_size, sndbck_put_nums, dlq_put_nums})
    forget(name, topic, 0);
  for (const StatsName name :
       {group_get_latency, topic_put_latency, group_get_fall_size, group_get_fall_time})
    forget(name, topic, 1);
}

void BrokerStats::forget_group(std::string_view group) {
  using enum StatsName;
  for (const StatsName name : {group_get_nums, group_get_size, sndbck_put_nums, dlq_put_nums})
    forget(name, group, 1);
  for (const StatsName name :
       {queue_get_nums, queue_get_size, group_get_latency, group_get_fall_size, group_get_fall_time})
    forget(name, group, 2);
}

}  // namespace rmq::broker
