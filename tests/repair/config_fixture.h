// A broker's store in memory whose state files a test damages, mends and judges.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/forensics/verify.h"
#include "libstore/format/config_files.h"
#include "libstore/json/json_writer.h"
#include "libstore/preflight/stock_config.h"
#include "libstore/recovery/plan.h"
#include "libstore/repair/config_mend.h"
#include "libstore/scan/store_survey.h"
#include "libstore/testing/memory_file_system.h"
#include "tests/scan/oracle_store.h"

namespace rmq::repair {

class BrokerStore {
 public:
  explicit BrokerStore(const std::string& name) {
    const testing::OracleStore oracle(testing::oracle_stores() / name, testing::unpacked_oracle_stores());
    root = oracle.root().string();
    files.load(root);
  }

  [[nodiscard]] std::string path(const std::string& name) const { return root + "/config/" + name; }
  [[nodiscard]] std::optional<std::string> text(const std::string& name) const {
    const auto found = files.files.find(path(name));
    if (found == files.files.end()) return std::nullopt;
    return std::string(as_text(found->second.bytes));
  }
  void set(const std::string& name, std::string_view content) {
    const auto bytes = as_bytes(content);
    files.files[path(name)].bytes.assign(bytes.begin(), bytes.end());
  }
  void remove(const std::string& name) { files.files.erase(path(name)); }

  [[nodiscard]] scan::StoreSurvey survey() const {
    scan::StoreConfig config;
    config.root = root;
    const auto found = scan::survey_store(files, config);
    EXPECT_TRUE(found);
    return *found;
  }
  [[nodiscard]] recovery::Plan plan() const {
    recovery::PlanOptions options;
    auto plan = recovery::make_plan(files, survey(), options);
    EXPECT_TRUE(plan);
    return std::move(*plan);
  }
  [[nodiscard]] ConfigMend mend(const recovery::Plan& plan) const {
    auto mend = mend_config(files, survey(), plan);
    EXPECT_TRUE(mend);
    return std::move(*mend);
  }

  // Steps of both kinds, as recovery::apply does them.
  void apply(const ConfigMend& mend) {
    for (const recovery::Step& step : mend.steps) {
      const auto old = files.files.find(step.path);
      if (step.kind == recovery::Step::Kind::set_aside) {
        ASSERT_NE(old, files.files.end()) << step.shown;
        files.files.erase(old);
        continue;
      }
      ASSERT_EQ(step.kind, recovery::Step::Kind::replace);
      EXPECT_EQ(step.crc_before.has_value(), old != files.files.end()) << step.shown;
      if (step.crc_before) {
        EXPECT_EQ(*step.crc_before, crc32(old->second.bytes)) << step.shown;
      }
      files.files[step.path].bytes = step.bytes;
    }
  }

  // What must hold after every mend: stock of both versions loads every file that is there, from the file
  // itself, and there is nothing left to do.
  void expect_mended(const recovery::Plan& plan) const {
    const scan::StoreSurvey now = survey();
    for (const preflight::RecoveryRules& rules : {preflight::kRules49, preflight::kRules53}) {
      const auto forecast = preflight::forecast_config(files, now, rules);
      EXPECT_EQ(forecast.failed, "");
      for (const auto& [name, from] : forecast.loaded) EXPECT_EQ(from, text(name) ? "json" : "none") << name;
    }
    for (const format::ConfigFile& file : format::config_files()) {
      const std::string name(file.name);
      const auto main = text(name);
      const auto backup = text(name + ".bak");
      if (!main && !backup) continue;
      EXPECT_EQ(format::load_config(file, main, backup).from, format::LoadedFrom::json) << name;
      if (backup && !backup->empty()) {
        EXPECT_EQ(format::load_config(file, backup, std::nullopt).from, format::LoadedFrom::json) << name;
      }
    }
    const ConfigMend again = mend(plan);
    EXPECT_TRUE(again.steps.empty());
    for (const auto& step : again.steps) ADD_FAILURE() << step.shown << ": " << step.why;
  }

  [[nodiscard]] std::vector<std::string> config_findings() const {
    std::vector<std::string> found;
    forensics::VerifyOptions options;
    options.level = forensics::VerifyLevel::paranoid;
    (void)forensics::run_verify(files, survey(), options, [&](const forensics::Finding& finding) {
      if (std::string_view(finding.code).starts_with("CF-"))
        found.push_back(std::string(finding.code) + " " + finding.file + " " + finding.message);
    });
    return found;
  }

  [[nodiscard]] std::map<std::string, format::TopicConfig> topics() const {
    std::map<std::string, format::TopicConfig> all;
    const auto value = load(format::ConfigFileKind::topics);
    if (!value) return all;
    for (const auto& topic : *format::read_topics(*value)) all[topic.name] = topic;
    return all;
  }
  [[nodiscard]] std::vector<std::string> groups() const {
    std::vector<std::string> all;
    const auto value = load(format::ConfigFileKind::subscription_groups);
    if (!value) return all;
    for (const auto& group : *format::read_subscription_groups(*value)) all.push_back(group.name);
    return all;
  }
  // topic@group/queue
  [[nodiscard]] std::map<std::string, std::int64_t> offsets() const {
    std::map<std::string, std::int64_t> all;
    const auto value = load(format::ConfigFileKind::consumer_offsets);
    if (!value) return all;
    for (const auto& one : *format::read_consumer_offsets(*value))
      all[one.topic + (one.group.empty() ? "" : "@") + one.group + "/" + std::to_string(one.queue_id)] =
          one.offset;
    return all;
  }

  // For tests/repair/stock_loads.py, which has a real broker load it: config/, and what should be loaded from
  // it, below the directory RMQ_EXPORT; every RMQ_EXPORT_EVERY-th call.
  void export_config(const std::string& name) const {
    const char* const directory = std::getenv("RMQ_EXPORT");
    const char* const every = std::getenv("RMQ_EXPORT_EVERY");
    static int calls = 0;
    if (directory == nullptr || calls++ % (every == nullptr ? 1 : std::atoi(every)) != 0) return;
    const auto target = std::filesystem::path(directory) / name;
    std::filesystem::create_directories(target / "config");
    for (const auto& [path, file] : files.files) {
      if (!path.starts_with(root + "/config/")) continue;
      std::ofstream(target / "config" / path.substr(root.size() + 8), std::ios::binary)
          << as_text(file.bytes);
    }
    json::JsonLine line;
    line.begin_object();
    line.key("topics");
    line.begin_object();
    for (const auto& [topic, config] : topics()) {
      line.any_key(topic);
      line.value(std::to_string(config.read_queues) + "/" + std::to_string(config.write_queues));
    }
    line.end_object();
    line.key("groups");
    line.begin_array();
    for (const std::string& group : groups()) line.value(group);
    line.end_array();
    line.key("offsets");
    line.begin_object();
    for (const auto& [key, offset] : offsets()) {
      line.any_key(key);
      line.value(offset);
    }
    line.end_object();
    line.end_object();
    line.end_line();
    std::ofstream(target / "expected.json", std::ios::binary) << line.text();
  }

  testing::MemoryFileSystem files;
  std::string root;

 private:
  [[nodiscard]] std::optional<json::Value> load(format::ConfigFileKind kind) const {
    const format::ConfigFile& file = format::config_file(kind);
    const auto main = text(std::string(file.name));
    return format::load_config(file, main, text(std::string(file.name) + ".bak")).value;
  }
};

}  // namespace rmq::repair
