#include "libstore/format/timer_metrics.h"

namespace rmq::format {
namespace {

json::JsonError fault(std::string what) {
  json::JsonError error;
  error.line = 0;
  error.column = 0;
  error.what = std::move(what);
  return error;
}

}  // namespace

json::Parsed<std::vector<TimerMetric>> read_timer_metrics(const json::Value& file) {
  std::vector<TimerMetric> metrics;
  const json::Value* const table = file.find("timingCount");
  if (table == nullptr || table->is_null()) return metrics;
  if (table->if_object() == nullptr) return fault("timingCount is no object");
  for (const json::Member& member : table->if_object()->members()) {
    if (member.value.is_null()) continue;
    if (member.value.if_object() == nullptr) return fault(member.name + " is no object");
    TimerMetric metric;
    metric.topic = member.name;
    const auto take = [&](std::string_view name, std::int64_t& out) {
      const json::Value* value = member.value.find(name);
      if (value == nullptr || value->is_null()) return true;
      const auto number = value->as_int64();
      if (number) out = *number;
      return number.has_value();
    };
    if (!take("count", metric.count)) return fault(member.name + " has no number in count");
    if (!take("timeStamp", metric.timestamp)) return fault(member.name + " has no number in timeStamp");
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

}  // namespace rmq::format
