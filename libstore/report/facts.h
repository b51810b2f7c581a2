// What a report tells, gathered from those who know: rmq-verify's findings, the preflight, the plan of
// repair, and a walk over the log for who wrote what when. One call runs over the store three times and once
// more for the volume; memory grows with the number of queues, topics and hours, and with findings up to a
// limit.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/forensics/dump.h"
#include "libstore/forensics/finding.h"
#include "libstore/forensics/log_volume.h"
#include "libstore/forensics/verify.h"
#include "libstore/preflight/preflight.h"
#include "libstore/repair/repair_plan.h"
#include "libstore/scan/store_survey.h"

namespace rmq::report {

// A group's place in a queue, and what it has still to read there.
struct Backlog {
  std::string group;
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t messages = 0;
};

struct QueueFacts {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t min_offset = 0;
  std::int64_t max_offset = 0;
  std::int64_t bytes = 0;  // of its files
};

// Between which messages of their queue the lost ones lie; 0 where there is none on that side.
struct LostTimes {
  std::int64_t after_ms = 0;
  std::int64_t before_ms = 0;
};

struct StoreFacts {
  std::string store;  // its path, from the root
  std::string level;
  std::string program;  // name and version
  std::int64_t made_ms = 0;
  bool utc = false;
  forensics::VerifySummary summary;
  std::vector<forensics::Finding> findings;  // the worst of them, at most kMostFindings
  // Nothing where it could not be made; then the sentence why.
  std::optional<preflight::Preflight> forecast;
  std::string no_forecast;
  // The same if it stopped uncleanly first; nothing where it has.
  std::optional<preflight::Preflight> forecast_after_crash;
  std::optional<repair::RepairPlan> plan;
  std::string no_plan;
  std::map<std::pair<std::string, std::int32_t>, LostTimes> lost_times;  // by topic and queue id
  std::int64_t log_end = 0;                                              // behind the last record
  forensics::LogVolume volume;                                           // by hour
  std::vector<QueueFacts> queues;
  std::vector<Backlog> backlog;  // the largest first
};

// Takes findings as they come and keeps the worst.
class WorstFindings {
 public:
  static constexpr std::size_t kMostFindings = 2000;
  void add(const forensics::Finding& finding);
  [[nodiscard]] std::vector<forensics::Finding> take();

 private:
  void keep_the_worst();

  std::vector<forensics::Finding> kept_;
};

struct GatherOptions {
  std::size_t jobs = 1;
  bool utc = false;
};

// Everything but what rmq-verify has found, which the caller has. Fails only when cancelled: a store that
// cannot be planned for, or is no file store, has its reason in the facts.
[[nodiscard]] Result<StoreFacts> gather(const forensics::DumpInput& input, const GatherOptions& options);

}  // namespace rmq::report
