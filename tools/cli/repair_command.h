// rmq-repair: its verbs, flags and exit codes.
#pragma once

#include <string>
#include <vector>

namespace rmq::cli {

// `tokens` without the program's name. Returns the exit code.
[[nodiscard]] int run_repair_command(const std::vector<std::string>& tokens);

}  // namespace rmq::cli
