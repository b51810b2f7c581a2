// The plan as a file that people look at and `rmq-repair apply` takes: what was asked, what will be done, and
// the hashes by which apply knows that it is still the same. Steps are not read back: apply makes the plan
// again and carries it out only where the hash is the same, so that a file can never make it write anything
// else.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/json/json_writer.h"
#include "libstore/repair/repair_plan.h"

namespace rmq::cli {

// What was asked for, in words of the command line: enough to make the plan again.
struct RepairAsked {
  std::string verb;   // "repair", "cut", "heal"
  std::string store;  // absolute
  bool preen = false;
  std::optional<std::int64_t> to_offset;
  std::optional<std::int64_t> to_time_ms;
  std::string replica;              // absolute; heal only
  std::vector<std::string> places;  // --broker-conf and the like, each with its value, absolute
};

struct PlanFile {
  RepairAsked asked;
  std::string plan_hash;
};

// One object, a line.
void write_plan_object(json::JsonLine& out, const RepairAsked& asked, const repair::RepairPlan& plan);
[[nodiscard]] Result<PlanFile> read_plan_file(const std::string& path);

}  // namespace rmq::cli
