// Damaged ranges of a commit log from a replica's, for `rmq-repair heal`. Master and slaves have the same
// bytes at the same offsets (HAService), so a range that is whole over there can take the place of one that
// is damaged here; also of the placeholders and fillers that an earlier repair left.
#pragma once

#include <cstdint>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/io/read_file_system.h"
#include "libstore/recovery/plan.h"
#include "libstore/scan/store_survey.h"

namespace rmq::repair {

struct Healing {
  recovery::Plan plan;               // begins with the steps that copy
  std::vector<std::int64_t> ranges;  // log offsets of their beginnings
};

// Fails with wrong_use where the replica is no copy of this log: the whole record before a damaged range must
// be the same in both, and the range must hold whole records over there, from its beginning to its end.
// Ranges that the replica does not have whole stay damaged.
[[nodiscard]] Result<Healing> plan_heal(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                        const scan::StoreSurvey& replica,
                                        const recovery::PlanOptions& options);

}  // namespace rmq::repair
