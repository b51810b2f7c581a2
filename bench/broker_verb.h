// rmq-bench broker.
#pragma once

#include <string>
#include <vector>

namespace rmq::bench {

// Returns the exit code.
[[nodiscard]] int broker_verb(const std::vector<std::string>& tokens);

}  // namespace rmq::bench
