// Carries out a plan. What it overwrites or takes away is kept: lost+found/<stamp>/, below the store's root.
#pragma once

#include <cstdint>
#include <string>

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"
#include "libstore/recovery/plan.h"

namespace rmq::recovery {

inline constexpr std::string_view kLostAndFound = "lost+found";

// The caller holds the store's lock, and has left an abort file. Every step is durable before the next one
// begins, and after a kill between or within any two a plan is made again that does the rest. `stamp` names
// the directory of the copies (milliseconds since the epoch; the next number where that is taken).
//
// lost+found/<stamp>/plan.json says what was done, a step a line (plan_text.h); a file that was set aside
// lies there under its name with '_' for '/', and bytes that were overwritten as <file>@<position>. Fails
// with wrong_use where a file is not what the plan saw; steps before that one are done.
[[nodiscard]] Status apply(io::FileSystem& files, const std::string& root, const Plan& plan,
                           std::int64_t stamp);

}  // namespace rmq::recovery
