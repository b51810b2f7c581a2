// The flags of rmq-dump's verbs, and what they mean.
#pragma once

#include <string>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/forensics/dump.h"
#include "tools/cli/command_line.h"
#include "tools/cli/store_input.h"

namespace rmq::cli {

// Sorted as help lists them.
[[nodiscard]] const std::vector<std::string>& dump_verbs();
[[nodiscard]] Grammar dump_grammar(const std::string& verb);
[[nodiscard]] Result<forensics::DumpOptions> dump_options(const std::string& verb, const Arguments& arguments,
                                                          const CommonOptions& common);

}  // namespace rmq::cli
