// rmq-store: the storage engine on the command line.
#pragma once

#include <string>
#include <vector>

namespace rmq::cli {

// `tokens`: everything behind the program's name. Returns the exit code.
[[nodiscard]] int run_store_command(const std::vector<std::string>& tokens);

}  // namespace rmq::cli
