// rmq-dump snapshot: the archive's file, and what is said of it.
#pragma once

#include "libstore/scan/store_survey.h"
#include "tools/cli/command_line.h"
#include "tools/cli/store_input.h"

namespace rmq::cli {

// Returns the process's exit code.
[[nodiscard]] int run_snapshot(const Arguments& arguments, const CommonOptions& common,
                               const scan::StoreSurvey& survey);

}  // namespace rmq::cli
