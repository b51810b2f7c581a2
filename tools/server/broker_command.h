// rmq-broker: the command line, and a broker until somebody asks it to stop.
#pragma once

#include <string>
#include <vector>

namespace rmq::server {

// The exit code (tools/cli/exit_codes.h).
[[nodiscard]] int run_broker_command(const std::vector<std::string>& tokens);

}  // namespace rmq::server
