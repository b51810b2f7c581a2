#include "tools/server/broker_command.h"

#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "libstore/io/file_system.h"
#include "servers/broker/broker.h"
#include "servers/broker/metrics.h"
#include "servers/broker/registration.h"
#include "servers/net/client.h"
#include "servers/net/server.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_codes.h"
#include "tools/server/broker_help.h"
#include "tools/server/http_server.h"
#include "tools/server/server_log.h"
#include "tools/server/service_manager.h"
#include "tools/server/stop_signals.h"

namespace rmq::server {
namespace {

using broker::Broker;
using broker::BrokerConfig;
using std::chrono::milliseconds;

constexpr std::string_view kProgram = "rmq-broker";
constexpr milliseconds kPatience{5000};  // for what is under way at the end

void complain(std::string_view sentence) { fmt::print(stderr, "{}: {}\n", kProgram, sentence); }

int fail(const Error& error) {
  complain(error.message());
  spdlog::error("{}", error.message());
  return error.code == ErrorCode::wrong_use ? cli::kExitWrongUse : cli::kExitFault;
}

cli::Grammar grammar() {
  cli::Grammar grammar;
  grammar.program = kProgram;
  grammar.positionals = 0;
  grammar.add({{"configFile,c"},
               {"namesrvAddr,n"},
               {"printConfigItem,p", cli::FlagKind::given},
               {"printImportantConfig,m", cli::FlagKind::given},
               {"log"},
               {"help,h", cli::FlagKind::given},
               {"version", cli::FlagKind::given}});
  return grammar;
}

// File, command line, and what follows from both; the warnings that there are.
Result<std::vector<std::string>> configure(BrokerConfig& config, const cli::Arguments& arguments) {
  std::vector<std::string> warnings;
  if (const auto given = arguments.value("configFile")) {
    const std::string path = std::filesystem::absolute(*given).string();
    RMQ_TRY(bytes, io::read_all(io::posix_file_system(), path, wire::kMostPropertiesBytes));
    RMQ_TRY(properties, wire::parse_properties(as_text(bytes)));
    warnings = config.apply(properties);
    config.set_path(path);
  }
  if (const auto given = arguments.value("namesrvAddr")) config.apply({{"namesrvAddr", *given}});
  const std::string servers = config.text<"namesrvAddr">();
  for (const std::string& address : broker::name_servers(servers)) {
    if (const std::string problem = broker::address_problem(address); !problem.empty())
      return wrong_use(
          fmt::format("The Name Server Address[{}] illegal, please set it as follows, "
                      "\"127.0.0.1:9876;192.168.0.1:9876\": {} {}",
                      servers, address, problem));
  }
  RMQ_CHECK(config.settle());
  return warnings;
}

void set_log_level(const BrokerConfig& config) {
  spdlog::set_level(spdlog::level::from_str(config.text<"logLevel">()));
}

net::ServerOptions server_options(const BrokerConfig& config) {
  net::ServerOptions options;
  const auto port = static_cast<std::uint16_t>(config.number<"listenPort">());
  options.address = config.text<"bindAddress">();
  options.ports = {port};
  constexpr std::uint16_t kVipDistance = 2;
  if (port > kVipDistance) options.ports.push_back(static_cast<std::uint16_t>(port - kVipDistance));
  options.threads = std::clamp<std::size_t>(
      std::thread::hardware_concurrency(), 1,
      static_cast<std::size_t>(std::max<std::int64_t>(1, config.number<"serverSelectorThreads">())));
  options.limits.idle = std::chrono::seconds(config.number<"serverChannelMaxIdleTimeSeconds">());
  options.log = [](const std::string& text) { spdlog::info("{}", text); };
  return options;
}

net::ClientOptions client_options(const BrokerConfig& config) {
  net::ClientOptions options;
  options.connect_timeout = milliseconds(config.number<"connectTimeoutMillis">());
  options.log = [](const std::string& text) { spdlog::info("{}", text); };
  return options;
}

// What clients are told, first of all: a wrong brokerIP1 looks like a broker that does not answer.
void greet(Broker& broker) {
  BrokerConfig& config = broker.config();
  const std::string servers = config.text<"namesrvAddr">();
  const std::string tip =
      fmt::format("The broker[{}, {}] boot success. serializeType=JSON{}", config.text<"brokerName">(),
                  broker.address(), servers.empty() ? std::string() : " and name server is " + servers);
  spdlog::info("{}", tip);
  fmt::print("{}\n", tip);
  const auto say = [](const std::string& line) {
    spdlog::warn("{}", line);
    fmt::print("  {}\n", line);
  };
  say(fmt::format("clients are told to connect to {}; if they cannot reach that, set brokerIP1",
                  broker.address()));
  say("there is no access control yet: whoever reaches the port may do everything");
  if (servers.empty())
    say("no name server is known (-n, namesrvAddr, NAMESRV_ADDR): clients cannot find this broker");
  std::fflush(stdout);
}

Result<std::unique_ptr<HttpServer>> serve_metrics(Broker& broker, const net::Server& server) {
  BrokerConfig& config = broker.config();
  if (config.text<"metricsExporterType">() != "PROM") return std::unique_ptr<HttpServer>();
  std::string host = config.text<"metricsPromExporterHost">();
  if (host.empty()) host = "0.0.0.0";
  const auto port = static_cast<std::uint16_t>(config.number<"metricsPromExporterPort">());
  return HttpServer::start(host, port, [&broker, &server](std::string_view path) -> HttpAnswer {
    if (path == "/healthz") {
      const std::string why = broker.store().why_not_writable();
      if (why.empty()) return {.status = 200, .type = "text/plain", .body = "ok\n"};
      return {.status = 503, .type = "text/plain", .body = why + '\n'};
    }
    if (path == "/metrics" || path == "/")
      return {.status = 200,
              .type = "text/plain; version=0.0.4; charset=utf-8",
              .body = broker::metrics_text(
                  broker, {{"rmq_connections", static_cast<std::int64_t>(server.connections())},
                           {"rmq_connection_memory_bytes", static_cast<std::int64_t>(server.memory())}})};
    return {.status = 404, .type = "text/plain", .body = "/metrics and /healthz are here\n"};
  });
}

// Answers are made and sent many times a second: what is freed is kept for the next one. glibc would give
// larger pieces back to the kernel each time, and the pages' return costs more than what is done with them.
void keep_freed_memory() {
  constexpr int kKept = 8 << 20;
  (void)::mallopt(M_MMAP_THRESHOLD, kKept);
  (void)::mallopt(M_TRIM_THRESHOLD, kKept);
}

// Ends a client before whom it calls for.
struct LastCall {
  std::unique_ptr<net::Client>& client;
  ~LastCall() { client.reset(); }
};

int serve(BrokerConfig& config) {
  keep_freed_memory();
  StopSignals stop;
  auto others = std::make_unique<net::Client>(client_options(config));
  Broker broker(config, {.caller = others.get()});
  // What is still under way then is answered while the broker can hear it.
  const LastCall last_call{others};
  broker::assemble(broker);
  if (const Status started = broker.start(); !started) return fail(started.error());
  auto server = net::Server::start(broker, server_options(config));
  if (!server) {
    (void)broker.stop();
    return fail(server.error());
  }
  auto metrics = serve_metrics(broker, **server);
  if (!metrics) {
    (*server)->stop(milliseconds(0));
    (void)broker.stop();
    return fail(metrics.error());
  }
  broker.serve();
  greet(broker);
  tell_service_manager(kReady);
  constexpr milliseconds kGlance{500};
  while (!stop.wait_for(kGlance)) set_log_level(config);

  spdlog::info("asked to stop");
  tell_service_manager(kStopping);
  broker.unregister();
  (*server)->drain();
  broker.drain();
  (*server)->stop(kPatience);
  metrics->reset();
  const Status stopped = broker.stop();
  spdlog::info("stopped");
  return stopped ? cli::kExitClean : cli::kExitFault;
}

}  // namespace

int run_broker_command(const std::vector<std::string>& tokens) {
  const auto arguments = cli::parse_arguments(grammar(), tokens);
  if (!arguments) return fail(arguments.error());
  if (arguments->has("help")) {
    fmt::print("{}", broker_help());
    return cli::kExitClean;
  }
  if (arguments->has("version")) {
    fmt::print("{} {}\n", kProgram, RMQ_VERSION);
    return cli::kExitClean;
  }
  BrokerConfig config(broker::surroundings_of_this_machine());
  const auto warnings = configure(config, *arguments);
  if (!warnings) return fail(warnings.error());
  for (const std::string& warning : *warnings) complain(warning);
  if (arguments->has("printConfigItem") || arguments->has("printImportantConfig")) {
    fmt::print("{}", config.printed(!arguments->has("printConfigItem")));
    return cli::kExitClean;
  }
  if (const Status log = open_log(arguments->value("log").value_or(default_log("broker"))); !log)
    return fail(log.error());
  set_log_level(config);
  for (const std::string& warning : *warnings) spdlog::warn("{}", warning);
  const int code = serve(config);
  close_log();
  return code;
}

}  // namespace rmq::server
