// What rmq-repair does to a store: recovery's plan at full depth, the configuration files, and what that
// means for consumers. Made without changing anything; repair_apply.h carries it out.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/json/json_writer.h"
#include "libstore/recovery/plan.h"
#include "libstore/repair/config_mend.h"
#include "libstore/repair/consumer_impact.h"
#include "libstore/scan/store_survey.h"

namespace rmq::repair {

struct RepairRequest {
  // `cut`: the log ends at the last record boundary that is not behind this, or before the first record that
  // was stored later than that.
  std::optional<std::int64_t> cut_at;
  std::optional<std::int64_t> cut_time_ms;
  // `heal`: another copy of the same log, whose bytes take the place of damaged ones. Must outlive the call.
  const scan::StoreSurvey* replica = nullptr;
  // `--preen`: only what cannot lose a message.
  bool safe_only = false;
  std::size_t jobs = 1;
  std::function<bool()> cancelled;
  std::atomic<std::int64_t>* progress = nullptr;  // as recovery::PlanOptions has it
};

struct RepairPlan {
  recovery::Plan recovery;  // its steps are all steps, those for configuration files last
  ConfigMend config;
  std::vector<ConsumerImpact> impact;
  // Queues, index and checkpoint are brought to the log's end, and the abort file goes.
  bool finishes = false;
  std::int64_t left_out = 0;         // steps that safe_only left out
  std::int64_t dropped = 0;          // records behind the cut
  std::vector<std::int64_t> healed;  // log offsets of ranges that come from the replica
  std::int64_t bytes_needed = 0;     // on the store's file system, while it is carried out
  double seconds_expected = 0;
  std::string store_hash;  // names, sizes and times of all files: what was looked at
  std::string hash;        // of all of the above

  [[nodiscard]] bool changes_nothing() const { return recovery.steps.empty() && !finishes; }
};

// Fails where the store cannot be read, where the cut or the replica makes no sense, or when cancelled.
[[nodiscard]] Result<RepairPlan> plan_repair(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                             const RepairRequest& request);

// Members of an object that the caller has begun.
void write_repair_plan(json::JsonLine& out, const RepairPlan& plan);
[[nodiscard]] std::vector<std::string> repair_plan_as_text(const RepairPlan& plan);

}  // namespace rmq::repair
