// What --explain prints: the finding table for people and as JSON lines (docs/tools/rmq-verify.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libstore/forensics/dump.h"

namespace rmq::cli {

// The pages of all codes that match one of `globs` (upper case), in the table's order.
[[nodiscard]] std::string explain(const std::vector<std::string>& globs, forensics::OutputFormat format);
// One line a code: how severe it usually is, and its title.
[[nodiscard]] std::string explain_list();

// `text` in lines that fit a screen, broken at spaces, each begun with `indent`.
[[nodiscard]] std::string wrapped(std::string_view text, std::string_view indent);

}  // namespace rmq::cli
