#include "libstore/repair/repair_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "libstore/codec/sha256.h"
#include "libstore/recovery/plan_text.h"
#include "libstore/recovery/store_listing.h"
#include "libstore/repair/cut.h"
#include "libstore/repair/heal.h"

namespace rmq::repair {
namespace {

using recovery::Step;

// Every range that a step touches gets a hash, and every file that moves. Paths are those at the time of a
// step.
class StepHashes {
 public:
  explicit StepHashes(const io::ReadFileSystem& files) : files_(files) {}

  void add(Step& step) {
    if (step.kind == Step::Kind::make) made_.insert(step.path);
    const bool moves = step.kind == Step::Kind::rename || step.kind == Step::Kind::set_aside;
    const auto moved = lies_at_.find(step.path);
    const std::string now = moved == lies_at_.end() ? step.path : moved->second;
    if (moves && moved != lies_at_.end()) lies_at_.erase(moved);
    if (step.kind == Step::Kind::rename) lies_at_[step.target] = now;
    if (step.crc_before || made_.contains(now)) return;
    const auto entry = files_.stat(now);
    if (!entry || entry->kind != io::EntryKind::file) return;
    const bool whole = moves || step.kind == Step::Kind::replace;
    const auto crc =
        recovery::crc_of_range(files_, now, whole ? 0 : step.from, whole ? entry->size : step.to);
    if (crc) step.crc_before = *crc;
  }

 private:
  const io::ReadFileSystem& files_;
  std::map<std::string, std::string> lies_at_;
  std::set<std::string> made_;
};

// A step after which every message that there is can be read, and is where it was.
bool is_safe(const Step& step) {
  if (step.kind != Step::Kind::bridge) return true;
  return std::ranges::all_of(step.records, [](const recovery::BridgeRecord& record) {
    return record.kind == recovery::BridgeRecord::Kind::blank;
  });
}

bool loses_nothing(const recovery::Plan& plan) {
  return plan.placeholders.empty() && plan.lost.empty() && plan.units_behind == 0 &&
         std::ranges::all_of(plan.steps, is_safe);
}

std::int64_t bytes_needed(const RepairPlan& plan, const scan::StoreSurvey& survey) {
  constexpr std::int64_t kUnit = 20;              // of a consume queue, and of an index entry
  constexpr std::int64_t kKeys = 2;               // of a message
  constexpr std::int64_t kIndexTable = 20 << 20;  // of an index file with stock's number of slots
  constexpr std::int64_t kManifest = 256 << 10;
  std::int64_t bytes = kManifest;
  for (const Step& step : plan.recovery.steps) {
    switch (step.kind) {
      case Step::Kind::make: bytes += step.to; break;
      case Step::Kind::replace: bytes += 2 * std::ssize(step.bytes); break;
      case Step::Kind::rename:
      case Step::Kind::set_aside: break;
      default: bytes += step.to - step.from; break;
    }
  }
  if (!plan.finishes) return bytes;
  const std::int64_t log = std::max<std::int64_t>(plan.recovery.log_end - plan.recovery.log_begin, 1);
  const double again =
      static_cast<double>(plan.recovery.log_end - plan.recovery.dispatch_from) / static_cast<double>(log);
  const auto records = static_cast<std::int64_t>(again * static_cast<double>(plan.recovery.records));
  bytes += records * kUnit * (1 + kKeys);
  if (!survey.index_files.empty()) bytes += 2 * std::min(survey.index_file_size, kIndexTable);
  return bytes;
}

std::string hash_of(const RepairPlan& plan) {
  json::JsonLine out;
  out.begin_object();
  recovery::write_plan(out, plan.recovery, plan.recovery.stock_end);
  out.field("finishes", plan.finishes);
  out.field("store", plan.store_hash);
  out.end_object();
  return codec::sha256_hex(std::as_bytes(std::span(out.text())));
}

}  // namespace

Result<RepairPlan> plan_repair(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                               const RepairRequest& request) {
  const auto began = std::chrono::steady_clock::now();
  RepairPlan plan;
  RMQ_TRY(listing, recovery::list_store(files, survey.root, survey.config.commit_log_directories));
  plan.store_hash = listing.hash();
  recovery::PlanOptions options;
  options.depth = recovery::Depth::full;
  options.jobs = request.jobs;
  options.cancelled = request.cancelled;
  options.progress = request.progress;
  if (request.cut_at || request.cut_time_ms) {
    RMQ_TRY(cut, resolve_cut(files, survey, request.cut_at, request.cut_time_ms));
    options.cut_at = cut.log_offset;
    plan.dropped = cut.dropped;
  }
  if (request.replica != nullptr) {
    RMQ_TRY(healed, plan_heal(files, survey, *request.replica, options));
    plan.recovery = std::move(healed.plan);
    plan.healed = std::move(healed.ranges);
  } else {
    RMQ_TRY(made, recovery::make_plan(files, survey, options));
    plan.recovery = std::move(made);
  }
  if (plan.recovery.possible()) {
    RMQ_TRY(config, mend_config(files, survey, plan.recovery));
    plan.config = std::move(config);
    plan.impact = consumer_impact(plan.recovery, plan.config);
    plan.finishes = !plan.recovery.was_closed_cleanly || !plan.recovery.steps.empty() ||
                    plan.recovery.dispatch_from < plan.recovery.log_end ||
                    (!survey.checkpoint && plan.recovery.records > 0);
    if (request.safe_only && !loses_nothing(plan.recovery)) {
      plan.left_out = std::ssize(plan.recovery.steps);
      plan.recovery.steps.clear();
      plan.finishes = false;
    }
    std::ranges::copy(plan.config.steps, std::back_inserter(plan.recovery.steps));
    StepHashes hashes(files);
    for (Step& step : plan.recovery.steps) hashes.add(step);
  } else {
    plan.recovery.steps.clear();
  }
  plan.bytes_needed = plan.changes_nothing() ? 0 : bytes_needed(plan, survey);
  plan.hash = hash_of(plan);
  // It is looked at once more, and what is needed is written at a pace that any disk has.
  constexpr double kBytesPerSecond = 100e6;
  const std::chrono::duration<double> looked = std::chrono::steady_clock::now() - began;
  if (!plan.changes_nothing())
    plan.seconds_expected = looked.count() + static_cast<double>(plan.bytes_needed) / kBytesPerSecond;
  return plan;
}

void write_repair_plan(json::JsonLine& out, const RepairPlan& plan) {
  recovery::write_plan(out, plan.recovery, plan.recovery.stock_end);
  out.key("readablePerQueue");
  out.begin_object();
  for (const recovery::QueueOutcome& queue : plan.recovery.queues) {
    if (queue.readable == 0) continue;
    out.any_key(fmt::format("{}/{}", queue.topic, queue.queue_id));
    out.value(queue.readable);
  }
  out.end_object();
  out.field("finishes", plan.finishes);
  out.field("leftOut", plan.left_out);
  out.field("dropped", plan.dropped);
  out.key("healed");
  out.begin_array();
  for (const std::int64_t offset : plan.healed) out.value(offset);
  out.end_array();
  out.key("config");
  out.begin_array();
  for (const ConfigDecision& decision : plan.config.decisions) {
    out.begin_object();
    out.field("file", decision.file);
    out.field("source", to_string(decision.source));
    out.field("text", decision.text);
    out.end_object();
  }
  out.end_array();
  out.key("notes");
  out.begin_array();
  for (const std::string& note : plan.config.notes) out.value(note);
  out.end_array();
  out.key("consumerImpact");
  write_consumer_impact(out, plan.impact);
  out.field("bytesNeeded", plan.bytes_needed);
  out.field("secondsExpected", plan.seconds_expected);
  out.field("storeHash", plan.store_hash);
  out.field("planHash", plan.hash);
}

std::vector<std::string> repair_plan_as_text(const RepairPlan& plan) {
  std::vector<std::string> text;
  for (const std::string& why : plan.recovery.refusals) text.push_back("cannot be mended: " + why);
  std::ranges::move(recovery::steps_as_text(plan.recovery), std::back_inserter(text));
  for (const ConfigDecision& decision : plan.config.decisions)
    text.push_back(decision.file + ": " + decision.text);
  if (plan.finishes) {
    text.push_back(plan.recovery.dispatch_from < plan.recovery.log_end
                       ? fmt::format("queues and index are made again from {} on, up to the log's end at {}",
                                     plan.recovery.dispatch_from, plan.recovery.log_end)
                       : fmt::format("the checkpoint is set to the log's end at {}", plan.recovery.log_end));
    if (!plan.recovery.was_closed_cleanly) text.emplace_back("the abort file goes");
  }
  if (plan.left_out > 0)
    text.push_back(fmt::format("{} steps are left out: with them messages are given up", plan.left_out));
  for (const ConsumerImpact& row : plan.impact) text.push_back("consumers: " + row.text);
  for (const std::string& note : plan.config.notes) text.push_back("note: " + note);
  return text;
}

}  // namespace rmq::repair
