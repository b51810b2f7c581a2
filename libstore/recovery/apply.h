// Carries out a plan.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"
#include "libstore/recovery/plan.h"

namespace rmq::recovery {

// The caller holds the store's lock, has left an abort file, and keeps what is overwritten: `files` is an
// UndoJournal, or it is a copy that nobody needs. Every step is durable before the next one begins, and after
// a kill between or within any two a plan is made again that does the rest. Fails with wrong_use where a file
// is not what the plan saw; steps before that one are done.
[[nodiscard]] Status carry_out(io::FileSystem& files, const std::vector<Step>& steps);

// The same, with what is overwritten or taken away kept in lost+found/<UTC time>/ below the root
// (undo_journal.h), beside plan.json, which has the steps, one a line.
[[nodiscard]] Status apply(io::FileSystem& files, const std::string& root,
                           const std::vector<std::string>& other_directories, const Plan& plan,
                           std::int64_t now_ms);

}  // namespace rmq::recovery
