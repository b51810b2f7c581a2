#include "tools/server/namesrv_command.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "libstore/io/file_system.h"
#include "servers/namesrv/name_server.h"
#include "servers/net/client.h"
#include "servers/net/server.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_codes.h"
#include "tools/server/help.h"
#include "tools/server/server_log.h"
#include "tools/server/service_manager.h"
#include "tools/server/stop_signals.h"

namespace rmq::server {
namespace {

using namesrv::NamesrvConfig;
using std::chrono::milliseconds;

constexpr std::string_view kProgram = "rmq-namesrv";
constexpr milliseconds kPatience{5000};  // for what is under way at the end

void complain(std::string_view sentence) { fmt::print(stderr, "{}: {}\n", kProgram, sentence); }

int fail(const Error& error) {
  complain(error.message());
  return error.code == ErrorCode::wrong_use ? cli::kExitWrongUse : cli::kExitFault;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

cli::Grammar grammar() {
  cli::Grammar grammar;
  grammar.program = kProgram;
  grammar.positionals = 0;
  grammar.add({{"configFile,c"},
               {"namesrvAddr,n"},  // mqnamesrv takes it, and makes nothing of it either
               {"printConfigItem,p", cli::FlagKind::given},
               {"log"},
               {"help,h", cli::FlagKind::given},
               {"version", cli::FlagKind::given}});
  return grammar;
}

// The file given with -c, if one is.
Result<std::vector<std::string>> read_config(const cli::Arguments& arguments, NamesrvConfig& config) {
  const auto given = arguments.value("configFile");
  if (!given) return std::vector<std::string>();
  const std::string path = std::filesystem::absolute(*given).string();
  RMQ_TRY(bytes, io::read_all(io::posix_file_system(), path, wire::kMostPropertiesBytes));
  RMQ_TRY(properties, wire::parse_properties(as_text(bytes)));
  return config.take_file(properties, path);
}

void write_log(namesrv::Severity severity, const std::string& text) {
  using enum namesrv::Severity;
  spdlog::log(severity == info      ? spdlog::level::info
              : severity == warning ? spdlog::level::warn
                                    : spdlog::level::err,
              "{}", text);
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

net::ServerOptions server_options(const namesrv::Settings& settings) {
  net::ServerOptions options;
  options.address = settings.bind_address;
  options.ports = {settings.listen_port};
  options.threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 3);
  options.limits.idle = std::chrono::seconds(settings.max_idle_seconds);
  options.log = [](const std::string& text) { spdlog::info("{}", text); };
  return options;
}

int serve(NamesrvConfig& config, StopSignals& stop) {
  const auto settings = config.settings();
  net::Client brokers;
  namesrv::NameServer name_server({.files = io::posix_file_system(),
                                   .config = config,
                                   .now_ms = now_ms,
                                   .log = write_log,
                                   .brokers = &brokers});
  if (const Status loaded = name_server.load(); !loaded) return fail(loaded.error());
  auto server = net::Server::start(name_server, server_options(*settings));
  if (!server) return fail(server.error());
  const std::string tip = fmt::format("The Name Server boot success. serializeType=JSON, address {}:{}",
                                      settings->bind_address, (*server)->ports().front());
  spdlog::info("{}", tip);
  fmt::print("{}\n", tip);
  std::fflush(stdout);
  tell_service_manager(kReady);
  const milliseconds period(settings->scan_interval_ms);
  while (!stop.wait_for(period)) name_server.remove_silent_brokers();
  spdlog::info("asked to stop");
  tell_service_manager(kStopping);
  (*server)->stop(kPatience);
  spdlog::info("stopped");
  return cli::kExitClean;
}

}  // namespace

int run_namesrv_command(const std::vector<std::string>& tokens) {
  const auto arguments = cli::parse_arguments(grammar(), tokens);
  if (!arguments) return fail(arguments.error());
  if (arguments->has("help")) {
    fmt::print("{}", namesrv_help());
    return cli::kExitClean;
  }
  if (arguments->has("version")) {
    fmt::print("{} {}\n", kProgram, RMQ_VERSION);
    return cli::kExitClean;
  }
  NamesrvConfig config({.rocketmq_home = environment("ROCKETMQ_HOME"), .user_home = environment("HOME")});
  const auto warnings = read_config(*arguments, config);
  if (!warnings) return fail(warnings.error());
  for (const std::string& warning : *warnings) complain(warning);
  if (arguments->has("printConfigItem")) {
    fmt::print("{}", config.printed());
    return cli::kExitClean;
  }
  StopSignals stop;
  if (const Status log = open_log(arguments->value("log").value_or(default_log("namesrv"))); !log)
    return fail(log.error());
  for (const std::string& warning : *warnings) spdlog::warn("{}", warning);
  const int code = serve(config, stop);
  close_log();
  return code;
}

}  // namespace rmq::server
