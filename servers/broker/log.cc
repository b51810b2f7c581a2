#include "servers/broker/log.h"

#include <spdlog/spdlog.h>

namespace rmq::broker {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

bool is_logged(LogLevel level) { return spdlog::should_log(to_spdlog(level)); }

void write_log(LogLevel level, std::string_view text) {
  spdlog::log(to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace rmq::broker
