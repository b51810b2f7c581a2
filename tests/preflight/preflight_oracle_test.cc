// Every store whose start a real RocketMQ has been watched at: the forecast must say what happened. Runs over
// testdata/stores, and over further directories of the same form named in RMQ_ORACLE_DIR (separated by
// colons): NAME/{store.json,java-recovery.json,java-recovery-4.9.json,damage.json} with NAME/store or
// NAME/NAME.tar.zst.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "libstore/io/read_file_system.h"
#include "libstore/json/json_value.h"
#include "libstore/preflight/preflight.h"
#include "libstore/scan/store_survey.h"
#include "tests/paths/paths.h"

namespace rmq::preflight {
namespace {

namespace fs = std::filesystem;

json::Value read_json(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  auto value = json::parse(text.str());
  return value ? *std::move(value) : json::Value();
}

std::string text_of(const json::Value* value) {
  return value != nullptr && value->if_string() != nullptr ? *value->if_string() : std::string();
}

std::int64_t number_of(const json::Value* value) {
  return value == nullptr ? -1 : value->as_int64().value_or(-1);
}

std::set<std::int64_t> numbers_of(const json::Value* value) {
  std::set<std::int64_t> numbers;
  if (value == nullptr || value->if_array() == nullptr) return numbers;
  for (const json::Value& item : value->if_array()->items) numbers.insert(item.as_int64().value_or(-1));
  return numbers;
}

std::vector<fs::path> store_directories() {
  std::vector<fs::path> roots{fs::path(tests::source_directory()) / "testdata/stores"};
  if (const char* more = std::getenv("RMQ_ORACLE_DIR")) {
    std::stringstream list(more);
    for (std::string part; std::getline(list, part, ':');) roots.emplace_back(part);
  }
  std::vector<fs::path> directories;
  for (const fs::path& root : roots) {
    if (!fs::is_directory(root)) continue;
    for (const auto& entry : fs::directory_iterator(root)) {
      if (fs::exists(entry.path() / "java-recovery.json")) directories.push_back(entry.path());
    }
  }
  std::ranges::sort(directories);
  return directories;
}

// The store of a directory: as it lies there, or unpacked for as long as this lives.
class OracleStore {
 public:
  explicit OracleStore(const fs::path& directory) : root_(directory / "store") {
    if (fs::is_directory(root_)) return;
    std::string pattern = (fs::temp_directory_path() / "rmq-preflight-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return;
    temporary_ = pattern;
    const fs::path archive = directory / (directory.filename().string() + ".tar.zst");
    const std::string command = "tar --zstd -xf '" + archive.string() + "' -C '" + pattern + "'";
    if (std::system(command.c_str()) == 0) root_ = temporary_ / "store";
  }
  ~OracleStore() {
    if (!temporary_.empty()) fs::remove_all(temporary_);
  }
  OracleStore(const OracleStore&) = delete;
  OracleStore& operator=(const OracleStore&) = delete;

  [[nodiscard]] std::string root() const { return root_.string(); }

 private:
  fs::path root_;
  fs::path temporary_;
};

std::string broker_conf(const json::Value& store_json) {
  std::string text;
  for (const char* part : {"storeConfig", "brokerConfig"}) {
    const json::Value* keys = store_json.find(part);
    if (keys == nullptr || keys->if_object() == nullptr) continue;
    for (const json::Member& key : keys->if_object()->members()) {
      text += key.name + "=" + text_of(&key.value) + "\n";
    }
  }
  return text;
}

struct QueueFacts {
  std::int64_t min_offset = 0;
  std::int64_t max_offset = 0;
  std::int64_t readable = 0;
  bool operator==(const QueueFacts&) const = default;
};
std::ostream& operator<<(std::ostream& out, const QueueFacts& facts) {
  return out << facts.readable << " of [" << facts.min_offset << "," << facts.max_offset << ")";
}

// Empty queues are left out: some of them exist only because somebody asked for them.
std::map<std::string, QueueFacts> queues_of(const json::Value& mode, bool with_min) {
  std::map<std::string, QueueFacts> queues;
  const json::Value* list = mode.find("consumeQueues");
  if (list == nullptr || list->if_array() == nullptr) return queues;
  for (const json::Value& queue : list->if_array()->items) {
    QueueFacts facts{number_of(queue.find("minOffset")), number_of(queue.find("maxOffset")),
                     number_of(queue.find("readable"))};
    if (facts.min_offset == facts.max_offset || facts.max_offset == 0) continue;
    if (!with_min) facts.min_offset = 0;
    queues[text_of(queue.find("topic")) + "/" + std::to_string(number_of(queue.find("queueId")))] = facts;
  }
  return queues;
}

std::map<std::string, QueueFacts> queues_of(const Preflight& forecast, bool with_min) {
  std::map<std::string, QueueFacts> queues;
  for (const QueueForecast& queue : forecast.queues) {
    if (queue.min_offset == queue.max_offset || queue.max_offset == 0) continue;
    const std::int64_t min_offset = with_min ? queue.min_offset : 0;
    queues[queue.topic + "/" + std::to_string(queue.queue_id)] = {min_offset, queue.max_offset,
                                                                  queue.readable};
  }
  return queues;
}

// Lost in RocketMQ's run although the damage left the record whole and in its place; nullopt where the
// directory does not list the messages.
std::optional<std::int64_t> lost_although_intact(const json::Value& mode, const json::Value& damage) {
  const json::Value* lost = mode.find("lostPhyOffsets");
  if (lost == nullptr) return std::nullopt;
  const auto destroyed = numbers_of(damage.find("destroyedPhyOffsets"));
  const auto elsewhere = numbers_of(damage.find("intactButInAnotherFilePhyOffsets"));
  std::int64_t count = 0;
  for (const std::int64_t offset : numbers_of(lost)) {
    if (!destroyed.contains(offset) && !elsewhere.contains(offset)) ++count;
  }
  return count;
}

std::set<std::string> index_files_after(const json::Value& mode) {
  std::set<std::string> names;
  const json::Value* list = mode.find("indexAfter");
  if (list == nullptr || list->if_array() == nullptr) return names;
  for (const json::Value& file : list->if_array()->items) {
    names.insert(file.if_string() != nullptr ? *file.if_string() : text_of(file.find("file")));
  }
  return names;
}

// Whether the store was written with keys that decide about its start and that no file tells.
bool needs_broker_conf(const scan::StoreConfig& config) {
  static constexpr std::array kKeys{"checkCRCOnRecover",  "forceVerifyPropCRC", "duplicationEnable",
                                    "flushDiskType",      "enableLmq",          "recheckReputOffsetFromCq",
                                    "enableMultiDispatch"};
  return std::ranges::any_of(kKeys, [&](const char* key) { return config.keys.contains(key); });
}

class PreflightOracle : public testing::TestWithParam<fs::path> {
 protected:
  void check(const scan::StoreSurvey& survey, const json::Value& mode, const json::Value& damage,
             PreflightOptions options, bool is_config_case) {
    const auto forecast = run_preflight(io::posix_read_file_system(), survey, options);
    ASSERT_TRUE(forecast) << forecast.error().message();
    const bool started = mode.find("started") != nullptr && mode.find("started")->as_bool().value_or(false);
    EXPECT_EQ(forecast->starts, started) << forecast->reason;
    // A reader that ran out of memory over a damaged record saw nothing.
    const bool reader_failed = mode.find("crashed") != nullptr && !mode.find("crashed")->is_null();
    if (!started || is_config_case || reader_failed) return;
    EXPECT_EQ(forecast->min_phy_offset, number_of(mode.find("minPhyOffset")));
    EXPECT_EQ(forecast->max_phy_offset, number_of(mode.find("maxPhyOffset")));
    // Without any queue file nothing says how large a new one is, and the first queue offset depends on that.
    const bool queue_size_known = survey.config.from_broker_conf || !survey.queues.empty();
    EXPECT_EQ(queues_of(*forecast, queue_size_known), queues_of(mode, queue_size_known));
    // Nor which topics had been deleted.
    const auto lost = lost_although_intact(mode, damage);
    if (lost && !survey.queues.empty()) {
      EXPECT_EQ(forecast->messages_lost, *lost);
    }
    if (mode.find("indexAfter") != nullptr) {
      const auto after = index_files_after(mode);
      for (const scan::IndexFileInfo& file : survey.index_files) {
        const bool deleted = std::ranges::count(forecast->index_files_deleted, file.shown) != 0;
        EXPECT_EQ(deleted, !after.contains(file.name)) << file.name;
      }
    }
  }
};

TEST_P(PreflightOracle, SaysWhatRocketMqDid) {
  const OracleStore store(GetParam());
  const json::Value store_json = read_json(GetParam() / "store.json");
  const json::Value damage = read_json(GetParam() / "damage.json");
  const bool is_config_case = GetParam().filename().string().starts_with("dmg-config-");
  scan::StoreConfig inferred;
  inferred.root = store.root();
  const auto configured = scan::apply_broker_conf(inferred, broker_conf(store_json));
  ASSERT_TRUE(configured) << configured.error().message();
  for (const char* file : {"java-recovery.json", "java-recovery-4.9.json"}) {
    const json::Value recovery = read_json(GetParam() / file);
    if (recovery.if_object() == nullptr) continue;
    for (const json::Member& mode : recovery.if_object()->members()) {
      if (mode.value.if_object() == nullptr) continue;
      PreflightOptions options;
      const bool is_4 = text_of(recovery.find("rocketmq")).starts_with("4.") ||
                        std::string(file).find("4.9") != std::string::npos;
      options.version = is_4 ? StockVersion::v4_9 : StockVersion::v5_3;
      options.assume_abort = mode.name == "as_is_clean_exit" ? std::optional(false) : std::optional(true);
      for (const auto& config : {*configured, inferred}) {
        if (!config.from_broker_conf && needs_broker_conf(*configured)) continue;
        SCOPED_TRACE(std::string(file) + " " + mode.name +
                     (config.from_broker_conf ? " broker.conf" : " inferred"));
        const auto survey = scan::survey_store(io::posix_read_file_system(), config);
        ASSERT_TRUE(survey) << survey.error().message();
        check(*survey, mode.value, damage, options, is_config_case);
      }
    }
  }
}

// Which file a broker read each piece of state from; RocketMQ does not say so itself, but what it had loaded
// does.
TEST(PreflightConfig, NamesTheFileThatIsLoaded) {
  struct Case {
    const char* store;
    const char* file;
    const char* from;
    bool starts;
  };
  static constexpr std::array kCases{
      Case{"dmg-config-none", "topics.json", "json", true},
      Case{"dmg-config-none", "consumerOffset.json", "json", true},
      Case{"dmg-config-none", "topicQueueMapping.json", "none", true},
      Case{"dmg-config-topics-garbage", "topics.json", "bak", true},
      Case{"dmg-config-topics-empty", "topics.json", "bak", true},
      Case{"dmg-config-offset-cut", "consumerOffset.json", "bak", true},
      Case{"dmg-config-offset-zeros", "consumerOffset.json", "bak", true},
      Case{"dmg-config-missing", "consumerOffset.json", "bak", true},
      Case{"dmg-config-group-garbage", "subscriptionGroup.json", "bak", true},
      Case{"dmg-config-group-garbage", "topics.json", "json", true},
      Case{"dmg-config-both-bad", "topics.json", "none", false},
      Case{"dmg-config-both-bad", "consumerOffset.json", "none", false},
  };
  for (const Case& expected : kCases) {
    SCOPED_TRACE(std::string(expected.store) + " " + expected.file);
    const OracleStore store(fs::path(tests::source_directory()) / "testdata/stores" / expected.store);
    scan::StoreConfig config;
    config.root = store.root();
    const auto survey = scan::survey_store(io::posix_read_file_system(), config);
    ASSERT_TRUE(survey) << survey.error().message();
    const auto forecast = run_preflight(io::posix_read_file_system(), *survey, {});
    ASSERT_TRUE(forecast) << forecast.error().message();
    EXPECT_EQ(forecast->starts, expected.starts);
    ASSERT_TRUE(forecast->config_loaded.contains(expected.file));
    EXPECT_EQ(forecast->config_loaded.at(expected.file), expected.from);
  }
}

TEST(Preflight, EndsWhenItIsCancelled) {
  const OracleStore store(fs::path(tests::source_directory()) / "testdata/stores/base");
  scan::StoreConfig config;
  config.root = store.root();
  const auto survey = scan::survey_store(io::posix_read_file_system(), config);
  ASSERT_TRUE(survey) << survey.error().message();
  PreflightOptions options;
  std::int64_t read = 0;
  options.progress = [&](std::int64_t bytes) { read += bytes; };
  options.cancelled = [] { return true; };
  const auto forecast = run_preflight(io::posix_read_file_system(), *survey, options);
  ASSERT_FALSE(forecast);
  EXPECT_EQ(forecast.error().code, ErrorCode::cancelled);
  EXPECT_GT(read, 0);
}

std::string name_of(const testing::TestParamInfo<fs::path>& info) {
  std::string name = std::to_string(info.index) + "_" + info.param.filename().string();
  std::ranges::replace_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Stores, PreflightOracle, testing::ValuesIn(store_directories()), name_of);

}  // namespace
}  // namespace rmq::preflight
