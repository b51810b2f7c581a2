// A plan for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "libstore/json/json_writer.h"
#include "libstore/recovery/plan.h"

namespace rmq::recovery {

// One sentence a step: "commitlog/0000...: bytes 40 to 60 become zeros: why".
[[nodiscard]] std::vector<std::string> steps_as_text(const Plan& plan);
// One object a step, a line each.
[[nodiscard]] std::string steps_as_json(const Plan& plan);

// Members of an object that the caller has begun: what was found, and all the steps. `max_phy_offset`: of
// whom the reader asks, this library (Plan::log_end) or stock (Plan::stock_end).
void write_plan(json::JsonLine& out, const Plan& plan, std::int64_t max_phy_offset);

}  // namespace rmq::recovery
