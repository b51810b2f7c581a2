// What a broker counts by topic, group and queue, in windows of a minute, an hour and a day: what the
// consoles show. RocketMQ: BrokerStatsManager, StatsItemSet.
//
// Threads: everything from any thread; counting takes a lock of a part of the table.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rmq::broker {

// RocketMQ's names, as VIEW_BROKER_STATS_DATA asks for them.
enum class StatsName : std::uint8_t {
  topic_put_nums,     // key: topic
  topic_put_size,     // topic; bytes
  group_get_nums,     // topic@group
  group_get_size,     // topic@group; bytes
  sndbck_put_nums,    // topic@group
  broker_put_nums,    // cluster name
  broker_get_nums,    // cluster name
  group_get_latency,  // queue@topic@group; ms of one get
  group_ck_nums,      // topic@group
  group_ack_nums,     // topic@group
  dlq_put_nums,       // topic@group
  broker_ack_nums,    // cluster name
  broker_ck_nums,     // cluster name
  broker_get_nums_without_system_topic,
  broker_put_nums_without_system_topic,
  queue_put_nums,       // topic@queue
  queue_put_size,       // topic@queue
  queue_get_nums,       // topic@queue@group
  queue_get_size,       // topic@queue@group
  topic_put_latency,    // queue@topic; ms of one put
  group_get_fall_size,  // queue@topic@group; bytes behind the log's end
  group_get_fall_time,  // queue@topic@group; ms behind
  count,
};
[[nodiscard]] std::string_view to_string(StatsName name);  // "TOPIC_PUT_NUMS"
[[nodiscard]] std::optional<StatsName> stats_name(std::string_view text);

// RocketMQ: StatsSnapshot.
struct StatsWindow {
  std::int64_t sum = 0;
  double tps = 0;
  double avgpt = 0;  // sum by times
  std::int64_t times = 0;
};

class BrokerStats {
 public:
  // `value` for `times` events. GROUP_GET_FALL_* keep the last value only.
  void add(StatsName name, std::string_view key, std::int64_t value, std::int64_t times = 1);

  // What a console sees; nothing where the key was never counted.
  struct Windows {
    StatsWindow minute;
    StatsWindow hour;
    StatsWindow day;
  };
  [[nodiscard]] std::optional<Windows> view(StatsName name, std::string_view key) const;
  // Since the start, 0 where the key was never counted.
  [[nodiscard]] std::int64_t total(StatsName name, std::string_view key) const;
  // Every key of a name with what was counted since the start: for metrics.
  [[nodiscard]] std::vector<std::pair<std::string, std::int64_t>> totals(StatsName name) const;

  // Every ten seconds, ten minutes and hour, by Broker's scheduler: the points that the windows lie between.
  static constexpr std::int64_t kSecondsPeriodMs = 10'000;
  static constexpr std::int64_t kMinutesPeriodMs = 600'000;
  static constexpr std::int64_t kHoursPeriodMs = 3'600'000;
  void sample_seconds(std::int64_t now_ms);
  void sample_minutes(std::int64_t now_ms);
  void sample_hours(std::int64_t now_ms);

  // Keys of a topic or group that is deleted.
  void forget_topic(std::string_view topic);
  void forget_group(std::string_view group);

 private:
  struct Point {
    std::int64_t at_ms = 0;
    std::int64_t sum = 0;
    std::int64_t times = 0;
  };
  struct Item {
    std::int64_t sum = 0;
    std::int64_t times = 0;
    std::deque<Point> minute;  // every 10 s
    std::deque<Point> hour;    // every 10 min
    std::deque<Point> day;     // every hour
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Set {
    mutable std::mutex mutex;
    std::unordered_map<std::string, Item, Hash, std::equal_to<>> items;
  };
  void sample(std::deque<Point> Item::* points, std::size_t most, std::int64_t interval_ms,
              std::int64_t now_ms);
  void forget(StatsName name, std::string_view part, int which);

  std::array<Set, static_cast<std::size_t>(StatsName::count)> sets_;
};

}  // namespace rmq::broker
