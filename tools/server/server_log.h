// Where a server's log goes, through spdlog's default logger. One thread, before the others.
#pragma once

#include <string>

#include "libstore/base/status.h"

namespace rmq::server {

inline constexpr const char* kStandardError = "-";

// Lines with time, level and thread into `file`, which is rotated as stock does (100 MB, the last five kept),
// or to standard error for kStandardError. Directories above the file are made.
[[nodiscard]] Status open_log(const std::string& file);
// $HOME/logs/rocketmqlogs/NAME.log, where stock writes; standard error where there is no $HOME.
[[nodiscard]] std::string default_log(const std::string& name);
// What was logged is in the file.
void close_log();

}  // namespace rmq::server
