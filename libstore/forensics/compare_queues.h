// The queues of two stores against each other. Internal to compare*.cc.
#pragma once

#include <cstdint>
#include <functional>

#include "libstore/forensics/compare.h"

namespace rmq::forensics {

// Units that lead into [from, to) of the log. Adds to `summary`.
void compare_queues(const CompareSide& first, const CompareSide& second, std::int64_t from, std::int64_t to,
                    const CompareOptions& options, CompareSummary& summary,
                    const std::function<void(const Difference&)>& sink);

}  // namespace rmq::forensics
