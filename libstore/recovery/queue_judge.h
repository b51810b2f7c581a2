// What the queues need, once the log has been walked: which records are history, which slots of lost messages
// must be held by placeholders, and from which unit on each queue is to be made again.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libstore/derive/deleted_topics.h"
#include "libstore/recovery/bridge.h"
#include "libstore/recovery/log_scan.h"
#include "libstore/recovery/plan.h"

namespace rmq::recovery {

// What else is known of the store when the queues are judged.
struct QueueEvidence {
  std::int64_t log_begin = 0;
  std::int64_t log_end = 0;
  std::int64_t walked_from = 0;
  std::vector<Wound> wounds;  // with records behind them, by place
  bool topics_known = false;  // topics.json, or its .bak, could be read
  std::set<std::string, std::less<>> topics;
  derive::DeletedTopics deleted;  // by the engine, which keeps a list
  // Messages stored until then have been dispatched for certain: where nothing of them is left, somebody
  // removed it.
  std::int64_t derived_until = 0;
  bool was_closed_cleanly = false;
};

// A record whose header says another queue or queue offset than the unit that leads to it.
struct FieldMend {
  std::int64_t log_offset = 0;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
};

struct QueueVerdicts {
  std::map<std::size_t, std::vector<Slot>> slots;  // of lost messages, by index of the wound
  std::vector<FieldMend> mends;
  std::vector<Step> steps;
  std::vector<QueueFloor> floors;
  std::int64_t missing_from = kEverything;  // log offset of the first record that needs a new unit
  std::vector<std::int64_t> lost;           // see Plan
  std::vector<QueueOutcome> queues;
  std::int64_t units_behind = 0;
  // Depth::tail: a queue must begin anew, with records from before what was walked.
  bool needs_whole_log = false;
  std::vector<std::string> refusals;
};

[[nodiscard]] QueueVerdicts judge_queues(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                         QueueRuns runs, const QueueEvidence& evidence,
                                         const PlanOptions& options);

}  // namespace rmq::recovery
