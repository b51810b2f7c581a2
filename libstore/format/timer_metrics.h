// What config/timermetrics (5.x) says: how many messages of each topic wait in the timer. It is one of the
// state files of config_files.h, which finds and loads it. RocketMQ: TimerMetrics. Page:
// docs/format/timer_metrics.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libstore/json/json_value.h"

namespace rmq::format {

struct TimerMetric {
  std::string topic;  // the real one
  std::int64_t count = 0;
  std::int64_t timestamp = 0;  // ms: when it last moved
  bool operator==(const TimerMetric&) const = default;
};

// In the file's order. Fails where a member has another shape than the one RocketMQ writes.
[[nodiscard]] json::Parsed<std::vector<TimerMetric>> read_timer_metrics(const json::Value& file);

}  // namespace rmq::format
