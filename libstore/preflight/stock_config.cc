#include "libstore/preflight/stock_config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "libstore/bytes/big_endian.h"
#include "libstore/json/json_value.h"

namespace rmq::preflight {
namespace {

struct StateFile {
  std::string_view name;
  // Members that must be objects where they are there: a null or anything else makes the manager's decode
  // throw.
  std::array<std::string_view, 2> tables;
  bool only_in_5 = false;
  bool after_store = false;
};

// In the order of loading; the first that fails ends it.
constexpr std::array<StateFile, 7> kStateFiles{{
    {"topics.json", {"topicConfigTable", "dataVersion"}},
    {"topicQueueMapping.json", {"topicQueueMappingInfoMap", "dataVersion"}, true},
    {"consumerOffset.json", {"offsetTable", ""}},
    {"subscriptionGroup.json", {"subscriptionGroupTable", "dataVersion"}},
    {"consumerFilter.json", {"filterDataByTopic", ""}},
    {"consumerOrderInfo.json", {"table", ""}, true},
    {"delayOffset.json", {"offsetTable", ""}, false, true},
}};
constexpr std::int64_t kMaxStateFile = std::int64_t{512} << 20;

// The decoded file, or nothing where ConfigManager.decode throws.
std::optional<json::Value> decode(const StateFile& state, std::string_view text) {
  json::ReadLimits limits;
  limits.bytes = std::max(limits.bytes, text.size());
  auto value = json::parse(text, limits);
  if (!value || !(value->is_null() || value->if_object() != nullptr)) return std::nullopt;
  for (const std::string_view table : state.tables) {
    const json::Value* member = table.empty() ? nullptr : value->find(table);
    if (member != nullptr && member->if_object() == nullptr) return std::nullopt;
  }
  return *std::move(value);
}

struct Loaded {
  std::string from = "none";
  bool failed = false;
  std::optional<json::Value> value;
};

// ConfigManager.load: a good NAME; else a good NAME.bak; a .bak that is missing or empty is good enough.
Loaded load(const io::ReadFileSystem& files, const std::string& directory, const StateFile& state,
            std::optional<Error>& fault) {
  const std::string path = io::join_path(directory, state.name);
  const auto text_of = [&](const std::string& of) -> std::string {
    auto bytes = io::read_all(files, of, kMaxStateFile);
    if (bytes) return std::string(as_text(*bytes));
    const bool refused =
        bytes.error().code == ErrorCode::io_error || bytes.error().code == ErrorCode::permission_denied;
    if (refused && !fault) fault = std::move(bytes).error();
    return {};
  };
  Loaded loaded;
  if (const std::string text = text_of(path); !text.empty()) {
    loaded.value = decode(state, text);
    if (loaded.value) {
      loaded.from = "json";
      return loaded;
    }
  }
  const std::string text = text_of(path + ".bak");
  if (text.empty()) return loaded;
  loaded.value = decode(state, text);
  loaded.from = loaded.value ? "bak" : "none";
  loaded.failed = !loaded.value;
  return loaded;
}

void add_topics(const json::Value& value, TopicTable& topics) {
  topics.set_present();
  const json::Value* table = value.find("topicConfigTable");
  if (table == nullptr || table->if_object() == nullptr) return;
  for (const json::Member& topic : table->if_object()->members()) {
    const json::Value* attributes = topic.value.find("attributes");
    const json::Value* type = attributes == nullptr ? nullptr : attributes->find("queue.type");
    topics.add(topic.name,
               type != nullptr && type->if_string() != nullptr && *type->if_string() == "BatchCQ");
  }
}

}  // namespace

bool TopicTable::is_deleted(std::string_view topic) const {
  static constexpr std::array<std::string_view, 5> kSystemPrefixes{"rmq_sys_", "RMQ_SYS_", "%RETRY%", "%DLQ%",
                                                                   "%LMQ%"};
  static constexpr std::array<std::string_view, 2> kSystemTopics{"SCHEDULE_TOPIC_XXXX",
                                                                 "TRANS_CHECK_MAX_TIME_TOPIC"};
  if (batch_.contains(std::string(topic))) return false;
  return std::ranges::find(kSystemTopics, topic) == kSystemTopics.end() &&
         std::ranges::none_of(kSystemPrefixes,
                              [&](std::string_view prefix) { return topic.starts_with(prefix); });
}

ConfigForecast forecast_config(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                               const RecoveryRules& rules) {
  const std::string directory = survey.config_directory();
  ConfigForecast forecast;
  for (const StateFile& state : kStateFiles) {
    if (state.only_in_5 && !rules.has_broker_5_state) continue;
    std::string& from = forecast.loaded[std::string(state.name)];
    from = "none";
    if (!forecast.failed.empty()) continue;
    const Loaded loaded = load(files, directory, state, forecast.fault);
    from = loaded.from;
    if (loaded.failed) {
      forecast.failed = state.name;
      forecast.failed_after_store = state.after_store;
    }
    if (loaded.value && state.name == "topics.json") add_topics(*loaded.value, forecast.topics);
  }
  return forecast;
}

}  // namespace rmq::preflight
