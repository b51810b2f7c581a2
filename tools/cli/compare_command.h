// rmq-verify STORE --compare STORE2.
#pragma once

#include <string>

#include "libstore/scan/store_survey.h"
#include "tools/cli/command_line.h"
#include "tools/cli/store_input.h"

namespace rmq::cli {

// Compares, prints, and returns the exit code. `live`: both may be written to meanwhile.
[[nodiscard]] int run_compare_command(std::string_view program, const CommonOptions& common,
                                      const scan::StoreSurvey& first, const scan::StoreSurvey& second,
                                      bool live);

}  // namespace rmq::cli
