// The pages of keys and metrics say what the tables say: RMQ_WRITE_DOCS=1 writes them anew.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "libstore/bytes/big_endian.h"
#include "libstore/io/read_file_system.h"
#include "servers/broker/broker_config.h"
#include "servers/broker/metrics.h"
#include "tests/paths/paths.h"

namespace rmq::broker {
namespace {

std::string_view title_of(Owner owner) {
  switch (owner) {
    case Owner::broker_identity: return "BrokerIdentity";
    case Owner::broker: return "BrokerConfig";
    case Owner::netty_server: return "NettyServerConfig";
    case Owner::netty_client: return "NettyClientConfig";
    case Owner::message_store: return "MessageStoreConfig";
    case Owner::auth: return "AuthConfig";
    case Owner::ours: return "Of this broker alone";
  }
  return {};
}

std::string effect_of(const ConfigKey& key) {
  switch (key.state) {
    case KeyState::used: return "yes";
    case KeyState::later: return "later: " + std::string(key.feature);
    case KeyState::no_meaning: return "none";
  }
  return {};
}

std::string values_of(const ConfigKey& key) {
  if (key.type == KeyType::choice) return std::string(choices_of(key.name));
  if (key.minimum == kNoMinimum) return {};
  return key.maximum == kNoMaximum ? fmt::format("{} or more", key.minimum)
                                   : fmt::format("{} to {}", key.minimum, key.maximum);
}

std::string without_bars(std::string_view text) {
  std::string safe;
  for (const char c : text) c == '|' ? safe += "\\|" : safe += c;
  return safe;
}

std::string config_page() {
  std::string page =
      "# Keys of broker.conf\n\n"
      "Java properties, as `mqbroker -c` reads them. Every key of RocketMQ 5.3.3 is taken and shown "
      "(`rmq-broker -p`, `mqadmin "
      "getBrokerConfig`), and can be\nchanged while the broker runs (`mqadmin updateBrokerConfig`), but "
      "those in `configBlackList`. "
      "*none*: a knob of the Java implementation,\nnothing here reads it. *later*: its feature is not there "
      "yet, and setting it is "
      "a warning. Keys about the store's files, their sizes, flushing and\nretention, ports and addresses "
      "count at the next start; "
      "the sizes of the files that an existing store has always win.\nDefaults marked * depend on the "
      "machine. This page is made "
      "from the table in `servers/broker/config_keys.h`.\n";
  const BrokerConfig config({.home = "$ROCKETMQ_HOME",
                             .namesrv = "$NAMESRV_ADDR",
                             .user_home = "$HOME",
                             .host_name = "host name",
                             .address = "address of this machine",
                             .cores = 1});
  const BrokerConfig other(
      {.home = "", .namesrv = "", .user_home = "", .host_name = "", .address = "", .cores = 64});
  const Owner* last = nullptr;
  for (std::size_t index = 0; index < kConfigKeys.size(); ++index) {
    const ConfigKey& key = kConfigKeys[index];
    if (last == nullptr || *last != key.owner)
      page += fmt::format("\n## {}\n\n| key | default | values | effect | meaning |\n|---|---|---|---|---|\n",
                          title_of(key.owner));
    last = &key.owner;
    const std::string value = config.shown(index);
    const bool machine = value != other.shown(index);
    page += fmt::format("| {} | {}{} | {} | {} | {} |\n", key.name, value.empty() ? "" : '`' + value + '`',
                        machine ? "*" : "", values_of(key), effect_of(key), without_bars(key.meaning));
  }
  return page;
}

std::string metrics_page() {
  std::string page =
      "# Metrics of rmq-broker\n\n"
      "With `metricsExporterType=PROM` the broker answers `http://HOST:5557/metrics` "
      "(`metricsPromExporterHost`, "
      "`metricsPromExporterPort`) in the text format of\nPrometheus. Names and labels are RocketMQ 5.x's "
      "where it has them. All "
      "have the labels `cluster`, `node_type` (broker) and `node_id` (the broker's\nname), and what "
      "`metricsLabel` "
      "(`name:value,name:value`) adds. `/healthz` on the same port is 200, or 503 with the reason while "
      "messages are refused.\n"
      "This page is made from the table in `servers/broker/metrics.h`.\n\n"
      "| metric | type | labels | meaning |\n|---|---|---|---|\n";
  for (const Metric& metric : kMetrics)
    page += fmt::format("| {} | {} | {} | {}{} |\n", metric.name, metric.type, metric.labels, metric.meaning,
                        metric.of_rocketmq ? "" : " (RocketMQ has none)");
  return page;
}

void compare(const std::string& name, const std::string& page) {
  const std::string path = tests::source_directory() + "/docs/" + name;
  if (std::getenv("RMQ_WRITE_DOCS") != nullptr) std::ofstream(path) << page;
  const auto bytes = io::read_all(io::posix_read_file_system(), path, 1 << 20);
  ASSERT_TRUE(bytes) << path;
  EXPECT_EQ(std::string(as_text(*bytes)), page) << "RMQ_WRITE_DOCS=1 writes " << path;
}

TEST(Docs, EveryKeyStandsOnItsPage) { compare("broker_config.md", config_page()); }
TEST(Docs, EveryMetricStandsOnItsPage) { compare("metrics.md", metrics_page()); }

}  // namespace
}  // namespace rmq::broker
