#include "libstore/report/facts.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "libstore/forensics/dump_queue_table.h"
#include "libstore/forensics/dump_record.h"
#include "libstore/forensics/group_offsets.h"
#include "libstore/rocks/queue_files.h"

namespace rmq::report {

using forensics::Finding;

void WorstFindings::add(const Finding& finding) {
  kept_.push_back(finding);
  if (kept_.size() == 2 * kMostFindings) keep_the_worst();
}

std::vector<Finding> WorstFindings::take() {
  keep_the_worst();
  return std::move(kept_);
}

void WorstFindings::keep_the_worst() {
  std::ranges::sort(kept_, [](const Finding& a, const Finding& b) {
    return std::tie(b.severity, a.code, a.file, a.offset) < std::tie(a.severity, b.code, b.file, b.offset);
  });
  if (kept_.size() > kMostFindings) kept_.resize(kMostFindings);
}

namespace {

void read_queues(const forensics::DumpInput& input, StoreFacts& facts) {
  forensics::DumpQueueTable table(input.files, input.survey);
  for (std::size_t i = 0; i < table.size(); ++i) {
    const scan::Queue& queue = table.queue(i);
    const forensics::QueueBounds bounds = table.bounds(i);
    QueueFacts row{queue.topic, queue.queue_id, bounds.min_offset, bounds.max_offset};
    for (const scan::MappedFile& file : queue.files.files) row.bytes += file.size;
    facts.queues.push_back(std::move(row));
  }
  std::vector<std::string> faults;  // rmq-verify names files that cannot be read
  for (const forensics::GroupOffset& offset : forensics::read_group_offsets(input, faults)) {
    const auto queue = table.find(offset.topic, offset.queue_id);
    if (!queue) continue;
    const forensics::QueueBounds bounds = table.bounds(*queue);
    const std::int64_t left = bounds.max_offset - std::max(offset.offset, bounds.min_offset);
    if (left > 0) facts.backlog.push_back({offset.group, offset.topic, offset.queue_id, left});
  }
  std::ranges::sort(facts.backlog, [](const Backlog& a, const Backlog& b) {
    return std::tie(b.messages, a.group, a.topic, a.queue_id) <
           std::tie(a.messages, b.group, b.topic, b.queue_id);
  });
}

// Units around a lost message that are tried for a record that is there.
constexpr std::int64_t kNeighbours = 1000;

class LostTimesReader {
 public:
  explicit LostTimesReader(const forensics::DumpInput& input)
      : queues_(input.files, input.survey), records_(input.files, input.survey) {}

  // Messages of one queue: the first and the last that is lost.
  LostTimes read(const std::string& topic, std::int32_t queue_id, std::int64_t first, std::int64_t last) {
    const auto queue = queues_.find(topic, queue_id);
    if (!queue) return {};
    return {time_of_neighbour(*queue, first - 1, -1), time_of_neighbour(*queue, last + 1, 1)};
  }

 private:
  std::int64_t time_of_neighbour(std::size_t queue, std::int64_t from, std::int64_t step) {
    for (std::int64_t i = 0, offset = from; i < kNeighbours && offset >= 0; ++i, offset += step) {
      const auto unit = queues_.unit(queue, offset);
      if (!unit) return 0;
      const auto record = records_.read(unit->commit_log_offset);
      if (record && record->message.topic == queues_.queue(queue).topic)
        return record->message.store_timestamp;
    }
    return 0;
  }

  forensics::DumpQueueTable queues_;
  forensics::RecordReader records_;
};

void read_lost_times(const forensics::DumpInput& input, StoreFacts& facts) {
  std::map<std::pair<std::string, std::int32_t>, std::pair<std::int64_t, std::int64_t>> lost;
  const auto add = [&](const std::string& topic, std::int32_t queue_id, std::int64_t first,
                       std::int64_t last) {
    const auto [row, is_new] = lost.try_emplace({topic, queue_id}, first, last);
    if (is_new) return;
    row->second.first = std::min(row->second.first, first);
    row->second.second = std::max(row->second.second, last);
  };
  const recovery::Plan& plan = facts.plan->recovery;
  for (const recovery::LostMessage& message : plan.placeholders)
    add(message.topic, message.queue_id, message.queue_offset, message.queue_offset);
  for (const recovery::QueueOutcome& queue : plan.queues) {
    if (queue.was_max > queue.max_offset && plan.units_behind > 0)
      add(queue.topic, queue.queue_id, queue.max_offset, queue.was_max - 1);
  }
  LostTimesReader reader(input);
  for (const auto& [queue, offsets] : lost)
    facts.lost_times[queue] = reader.read(queue.first, queue.second, offsets.first, offsets.second);
}

}  // namespace

Result<StoreFacts> gather(const forensics::DumpInput& input, const GatherOptions& options) {
  const auto cancelled = [&input] { return input.observer.cancelled(); };
  StoreFacts facts;
  facts.utc = options.utc;
  preflight::PreflightOptions forecast_options;
  forecast_options.cancelled = cancelled;
  auto forecast = preflight::run_preflight(input.files, input.survey, forecast_options);
  if (forecast) {
    facts.forecast = *std::move(forecast);
    if (facts.forecast->simulated && !facts.forecast->abnormal) {
      forecast_options.assume_abort = true;
      auto after_crash = preflight::run_preflight(input.files, input.survey, forecast_options);
      if (after_crash) facts.forecast_after_crash = *std::move(after_crash);
    }
  } else {
    facts.no_forecast = forecast.error().message();
  }
  repair::RepairRequest request;
  request.jobs = options.jobs;
  request.cancelled = cancelled;
  auto plan = repair::plan_repair(input.files, input.survey, request);
  if (plan) {
    facts.plan = *std::move(plan);
  } else {
    facts.no_plan = plan.error().message();
  }
  facts.volume = forensics::measure_log(input, options.jobs, options.utc, forensics::TimeSpan::hour);
  facts.log_end = forensics::log_end(input.files, input.survey);
  const rocks::QueueFiles queues(input.files, input.survey);
  read_queues({queues, queues.survey(), input.observer}, facts);
  if (facts.plan) read_lost_times(input, facts);
  if (cancelled()) return Error{ErrorCode::cancelled, 0, "cancelled"};
  return facts;
}

}  // namespace rmq::report
