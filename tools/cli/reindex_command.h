// rmq-reindex from its arguments to its exit code.
#pragma once

#include <string>
#include <vector>

namespace rmq::cli {

// `tokens` without the program's name. Returns the exit code.
[[nodiscard]] int run_reindex_command(const std::vector<std::string>& tokens);

}  // namespace rmq::cli
