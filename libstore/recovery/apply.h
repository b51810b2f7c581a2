// Carries out a plan. What it overwrites is copied first: lost+found/<stamp>/<file>@<position>, below the
// store's root.
#pragma once

#include <cstdint>
#include <string>

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"
#include "libstore/recovery/plan.h"

namespace rmq::recovery {

inline constexpr std::string_view kLostAndFound = "lost+found";

// The caller holds the store's lock. Every step is durable before the next one begins; after a kill the same
// plan is made again and the rest of it done. `stamp` names the directory of the copies (milliseconds since
// the epoch).
[[nodiscard]] Status apply(io::FileSystem& files, const std::string& root, const Plan& plan,
                           std::int64_t stamp);

}  // namespace rmq::recovery
