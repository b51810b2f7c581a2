// rmq-repair carve: finds messages in any bytes and writes a store from them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rmq::cli {

// `tokens`: everything behind the verb. Returns the exit code.
[[nodiscard]] int run_carve(const std::vector<std::string>& tokens);
[[nodiscard]] std::string_view carve_help();

}  // namespace rmq::cli
