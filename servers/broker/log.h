// What an operator should know, in lines of broker.log. The main program decides where they go (spdlog's
// default logger) and which levels count.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace rmq::broker {

enum class LogLevel { debug, info, warning, error };

[[nodiscard]] bool is_logged(LogLevel level);
void write_log(LogLevel level, std::string_view text);

template <class... Args>
void log_info(fmt::format_string<Args...> text, Args&&... args) {
  if (is_logged(LogLevel::info)) write_log(LogLevel::info, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> text, Args&&... args) {
  if (is_logged(LogLevel::warning))
    write_log(LogLevel::warning, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> text, Args&&... args) {
  write_log(LogLevel::error, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace rmq::broker
