#include "tools/server/server_log.h"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdlib>
#include <memory>

namespace rmq::server {
namespace {

constexpr std::size_t kFileBytes = std::size_t{100} << 20;
constexpr std::size_t kFilesKept = 5;

}  // namespace

Status open_log(const std::string& file) {
  try {
    std::shared_ptr<spdlog::logger> logger;
    if (file == kStandardError)
      logger = spdlog::stderr_logger_mt("server");
    else
      logger = spdlog::rotating_logger_mt("server", file, kFileBytes, kFilesKept);
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e%z %l [%t] %v");
    logger->flush_on(spdlog::level::warn);
    spdlog::set_default_logger(std::move(logger));
    spdlog::flush_every(std::chrono::seconds(1));
  } catch (const spdlog::spdlog_ex& fault) {
    return Error{ErrorCode::io_error, 0, std::string("the log cannot be opened: ") + fault.what()};
  }
  return {};
}

std::string default_log(const std::string& name) {
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? kStandardError
                                          : std::string(home) + "/logs/rocketmqlogs/" + name + ".log";
}

void close_log() { spdlog::shutdown(); }

}  // namespace rmq::server
