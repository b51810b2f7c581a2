// rmq-namesrv: the command line, and a name server until somebody asks it to stop.
#pragma once

#include <string>
#include <vector>

namespace rmq::server {

// The exit code (tools/cli/exit_codes.h).
[[nodiscard]] int run_namesrv_command(const std::vector<std::string>& tokens);

}  // namespace rmq::server
