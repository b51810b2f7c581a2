// The JSON state files of a broker in config/: which there are, which of FILE and FILE.bak RocketMQ loads,
// and the contents of the four that matter for messages. RocketMQ: ConfigManager and the managers named
// below. Page: docs/format/config_files.md. A file is kept as its json::Value: readers take values out of it
// and the set_* functions change it in place, so that members this library does not know survive a read and a
// write.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libstore/json/json_value.h"

namespace rmq::format {

enum class ConfigFileKind : std::uint8_t {
  topics,
  subscription_groups,
  consumer_offsets,
  lmq_consumer_offsets,
  delay_offsets,
  consumer_filters,
  consumer_order_info,
  topic_queue_mapping,
  message_request_mode,
  timer_metrics,
  transaction_metrics,
};

struct ConfigFile {
  ConfigFileKind kind;
  std::string_view name;     // in config/
  std::string_view manager;  // RocketMQ's class
  bool since_5;              // 4.9 does not know it
  bool stops_broker;         // a broker that can load neither the file nor its .bak does not start
  bool compact;  // written compact and BrowserCompatible, through a .tmp; the others pretty and in place
};
// All of them; each has a .bak beside it once it has been written twice.
[[nodiscard]] std::span<const ConfigFile> config_files();
[[nodiscard]] const ConfigFile& config_file(ConfigFileKind kind);
// By name, "topics.json"; null for other names, those ending in .bak too.
[[nodiscard]] const ConfigFile* find_config_file(std::string_view name);

// What RocketMQ has after ConfigManager.load.
enum class LoadedFrom : std::uint8_t {
  json,  // the file itself
  bak,   // the file is missing, empty or refused, and its .bak is good
  none,  // neither: nothing is loaded
};
[[nodiscard]] std::string_view to_string(LoadedFrom from);

struct LoadedConfig {
  LoadedFrom from = LoadedFrom::none;
  // False when load() fails: the file is missing, empty or refused and its .bak is refused. With both missing
  // or empty load() succeeds with nothing.
  bool succeeds = true;
  std::optional<json::Value> value;  // null value: a text of white space only loads as nothing
  std::string json_problem;          // why the file was not taken: "missing", "empty" or what is wrong where
  std::string bak_problem;           // the same for the .bak; empty where RocketMQ did not look
};
// `file` and `bak` are the whole contents, nothing where there is no such file.
[[nodiscard]] LoadedConfig load_config(const ConfigFile& file, std::optional<std::string_view> text,
                                       std::optional<std::string_view> bak);
// The text RocketMQ would write for this value.
[[nodiscard]] std::string write_config(const ConfigFile& file, const json::Value& value);
// A file without entries.
[[nodiscard]] json::Value new_config(const ConfigFile& file);

struct DataVersion {
  std::int64_t state_version = 0;  // 4.9 has none
  std::int64_t timestamp = 0;      // ms
  std::int64_t counter = 0;
  bool operator==(const DataVersion&) const = default;
};
[[nodiscard]] std::optional<DataVersion> read_data_version(const json::Value& file);
void set_data_version(json::Value& file, const DataVersion& version);

// topics.json. Values left out in the file have RocketMQ's defaults.
struct TopicConfig {
  std::string name;  // the key in the table, which RocketMQ goes by; `topicName` inside says it again
  std::int32_t read_queues = 16;
  std::int32_t write_queues = 16;
  std::int32_t perm = 6;  // 4 read, 2 write, 1 inherit
  std::string filter_type = "SINGLE_TAG";
  std::int32_t sys_flag = 0;
  bool order = false;
  std::vector<std::pair<std::string, std::string>> attributes;  // 5.x
  bool operator==(const TopicConfig&) const = default;
};
[[nodiscard]] json::Parsed<std::vector<TopicConfig>> read_topics(const json::Value& file);
// Adds the topic or changes it. Attributes are written if there are any, or if the file's other topics have
// the member, or, as 5.x does it, `always_attributes`.
void set_topic(json::Value& file, const TopicConfig& topic, bool always_attributes = false);
// One topic as the file's table has it, and one given without its name as the key (RPC bodies).
[[nodiscard]] json::Parsed<TopicConfig> read_topic(const json::Value& bean);
[[nodiscard]] bool remove_topic(json::Value& file, std::string_view topic);

// subscriptionGroup.json.
struct SubscriptionGroup {
  std::string name;
  bool consume_enable = true;
  bool consume_from_min_enable = true;
  bool consume_broadcast_enable = true;
  std::int32_t retry_queues = 1;
  std::int32_t retry_max_times = 16;
  std::int64_t broker_id = 0;
  std::int64_t broker_when_consume_slowly = 1;
  bool notify_consumer_ids_changed = true;
  bool consume_message_orderly = false;  // 5.x, like the rest
  std::int32_t sys_flag = 0;
  std::int32_t consume_timeout_minutes = 15;
  bool operator==(const SubscriptionGroup&) const = default;
};
[[nodiscard]] json::Parsed<std::vector<SubscriptionGroup>> read_subscription_groups(const json::Value& file);
// What 4.9 knows too; the other members stay as they are.
void set_subscription_group(json::Value& file, const SubscriptionGroup& group);
// One group as the file's table has it, under the name that it says itself.
[[nodiscard]] json::Parsed<SubscriptionGroup> read_subscription_group(const json::Value& bean);

// consumerOffset.json: the next queue offset a group will read.
struct ConsumerOffset {
  std::string topic;
  std::string group;  // empty where the key has no '@'
  std::int32_t queue_id = 0;
  std::int64_t offset = 0;
  bool operator==(const ConsumerOffset&) const = default;
};
[[nodiscard]] json::Parsed<std::vector<ConsumerOffset>> read_consumer_offsets(const json::Value& file);
// `groupTopicMap`, which RocketMQ writes and never reads, is kept in step where the file has it.
void set_consumer_offset(json::Value& file, const ConsumerOffset& offset);

// delayOffset.json: the next queue offset of SCHEDULE_TOPIC_XXXX that each delay level will deliver.
struct DelayOffset {
  std::int32_t level = 0;
  std::int64_t offset = 0;
  bool operator==(const DelayOffset&) const = default;
};
[[nodiscard]] json::Parsed<std::vector<DelayOffset>> read_delay_offsets(const json::Value& file);
void set_delay_offset(json::Value& file, const DelayOffset& offset);

}  // namespace rmq::format
