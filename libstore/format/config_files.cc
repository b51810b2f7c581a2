#include "libstore/format/config_files.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "libstore/json/json_writer.h"

namespace rmq::format {
namespace {

using json::JsonError;
using json::KeyForm;
using json::Member;
using json::Object;
using json::Parsed;
using json::Value;

using Kind = ConfigFileKind;

constexpr std::array<ConfigFile, 11> kConfigFiles{{
    {Kind::topics, "topics.json", "TopicConfigManager", false, true, false},
    {Kind::subscription_groups, "subscriptionGroup.json", "SubscriptionGroupManager", false, true, false},
    {Kind::consumer_offsets, "consumerOffset.json", "ConsumerOffsetManager", false, true, false},
    {Kind::lmq_consumer_offsets, "lmqConsumerOffset.json", "LmqConsumerOffsetManager", false, true, false},
    {Kind::delay_offsets, "delayOffset.json", "ScheduleMessageService", false, true, false},
    {Kind::consumer_filters, "consumerFilter.json", "ConsumerFilterManager", false, true, false},
    {Kind::consumer_order_info, "consumerOrderInfo.json", "ConsumerOrderInfoManager", true, true, false},
    {Kind::topic_queue_mapping, "topicQueueMapping.json", "TopicQueueMappingManager", true, true, false},
    {Kind::message_request_mode, "messageRequestMode.json", "MessageRequestModeManager", true, false, false},
    {Kind::timer_metrics, "timermetrics", "TimerMetrics", true, true, true},
    {Kind::transaction_metrics, "transactionMetrics", "TransactionMetrics", true, false, true},
}};

// The member that holds the entries of each kind.
std::string_view table_name(Kind kind) {
  switch (kind) {
    case Kind::topics: return "topicConfigTable";
    case Kind::subscription_groups: return "subscriptionGroupTable";
    case Kind::consumer_offsets:
    case Kind::lmq_consumer_offsets:
    case Kind::delay_offsets: return "offsetTable";
    case Kind::consumer_filters: return "filterDataByTopic";
    case Kind::consumer_order_info: return "table";
    case Kind::topic_queue_mapping: return "topicQueueMappingInfoMap";
    case Kind::message_request_mode: return "messageRequestModeMap";
    case Kind::timer_metrics: return "timingCount";
    case Kind::transaction_metrics: return "transactionCount";
  }
  return {};
}

JsonError fault(std::string what) {
  JsonError error;
  error.line = 0;
  error.column = 0;
  error.what = std::move(what);
  return error;
}

template <class T>
std::optional<T> to_int(std::string_view text) {
  T number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Takes members of one bean; the first that Java's setter would throw at is kept as the fault.
class BeanReader {
 public:
  BeanReader(const Value& bean, std::string where) : bean_(bean), where_(std::move(where)) {
    if (bean.if_object() == nullptr) note("is no object");
  }

  void take(std::string_view name, std::int64_t& out) {
    const Value* value = present(name);
    if (value == nullptr) return;
    if (const auto number = value->as_int64()) {
      out = *number;
    } else {
      note("has no number in " + std::string(name));
    }
  }
  void take(std::string_view name, std::int32_t& out) {
    std::int64_t wide = out;
    take(name, wide);
    if (wide < std::numeric_limits<std::int32_t>::min() || wide > std::numeric_limits<std::int32_t>::max()) {
      note("has too large a number in " + std::string(name));
      return;
    }
    out = static_cast<std::int32_t>(wide);
  }
  void take(std::string_view name, bool& out) {
    const Value* value = present(name);
    if (value == nullptr) return;
    if (const auto truth = value->as_bool()) {
      out = *truth;
    } else {
      note("has no boolean in " + std::string(name));
    }
  }
  void take(std::string_view name, std::string& out) {
    const Value* value = present(name);
    if (value == nullptr) return;
    const std::string* text = value->if_string();
    out = text != nullptr ? *text : json::write_fastjson(*value, {.pretty = false});
  }
  void take(std::string_view name, std::vector<std::pair<std::string, std::string>>& out) {
    const Value* value = present(name);
    if (value == nullptr) return;
    const Object* object = value->if_object();
    if (object == nullptr) return note("has no object in " + std::string(name));
    for (const Member& member : object->members()) {
      const std::string* text = member.value.if_string();
      out.emplace_back(member.name,
                       text != nullptr ? *text : json::write_fastjson(member.value, {.pretty = false}));
    }
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  // Null members leave the default, as absent ones do.
  [[nodiscard]] const Value* present(std::string_view name) const {
    const Value* value = bean_.find(name);
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  void note(const std::string& what) {
    if (problem_.empty()) problem_ = where_ + ' ' + what;
  }

  const Value& bean_;
  std::string where_;
  std::string problem_;
};

// The entries of a file: an empty object where the member is absent, as in a Java field's initial value.
Parsed<const Object*> entries(const Value& file, std::string_view table) {
  static const Object kNone;
  if (file.is_null()) return &kNone;
  if (file.if_object() == nullptr) return fault("the file is no object");
  const Value* value = file.find(table);
  if (value == nullptr) return &kNone;
  if (value->if_object() == nullptr) return fault(std::string(table) + " is no object");
  return value->if_object();
}

template <class Entry, class Read>
Parsed<std::vector<Entry>> read_beans(const Value& file, std::string_view table, Read&& read) {
  const auto found = entries(file, table);
  if (!found) return found.error();
  std::vector<Entry> all;
  all.reserve((*found)->size());
  for (const Member& member : (*found)->members()) {
    if (member.value.is_null()) continue;
    Entry entry;
    entry.name = member.name;
    BeanReader bean(member.value, member.name);
    read(bean, entry);
    if (!bean.problem().empty()) return fault(bean.problem());
    all.push_back(std::move(entry));
  }
  return all;
}

template <class Entry, class Read>
Parsed<Entry> read_named_bean(const Value& value, std::string_view name_member, Read&& read) {
  Entry entry;
  BeanReader bean(value, std::string(name_member));
  bean.take(name_member, entry.name);
  read(bean, entry);
  if (!bean.problem().empty()) return fault(bean.problem());
  return entry;
}

void take_topic(BeanReader& bean, TopicConfig& topic) {
  bean.take("readQueueNums", topic.read_queues);
  bean.take("writeQueueNums", topic.write_queues);
  bean.take("perm", topic.perm);
  bean.take("topicFilterType", topic.filter_type);
  bean.take("topicSysFlag", topic.sys_flag);
  bean.take("order", topic.order);
  bean.take("attributes", topic.attributes);
}

void take_group(BeanReader& bean, SubscriptionGroup& group) {
  bean.take("consumeEnable", group.consume_enable);
  bean.take("consumeFromMinEnable", group.consume_from_min_enable);
  bean.take("consumeBroadcastEnable", group.consume_broadcast_enable);
  bean.take("retryQueueNums", group.retry_queues);
  bean.take("retryMaxTimes", group.retry_max_times);
  bean.take("brokerId", group.broker_id);
  bean.take("whichBrokerWhenConsumeSlowly", group.broker_when_consume_slowly);
  bean.take("notifyConsumerIdsChangedEnable", group.notify_consumer_ids_changed);
  bean.take("consumeMessageOrderly", group.consume_message_orderly);
  bean.take("groupSysFlag", group.sys_flag);
  bean.take("consumeTimeoutMinute", group.consume_timeout_minutes);
}

// A Map<Integer, Long>.
template <class Visit>
std::string read_numbers(const Value& map, std::string_view where, Visit&& visit) {
  if (map.if_object() == nullptr) return std::string(where) + " is no object";
  for (const Member& member : map.if_object()->members()) {
    const auto key = to_int<std::int32_t>(member.name);
    if (!key) return std::string(where) + " has a key that is no int: " + member.name;
    if (member.value.is_null()) continue;
    const auto number = member.value.as_int64();
    if (!number) return std::string(where) + " has no number at " + member.name;
    visit(*key, *number);
  }
  return {};
}

// What the manager's decode() would throw at; empty when it loads.
std::string decode_problem(Kind kind, const Value& file) {
  const auto what = [](const auto& read) { return read ? std::string() : read.error().what; };
  if (file.is_null()) return {};
  if (const auto table = entries(file, table_name(kind)); !table) return table.error().what;
  const Value* version = file.find("dataVersion");
  if (version != nullptr && version->if_object() == nullptr) return "dataVersion is no object";
  if (version != nullptr && !read_data_version(file))
    return "dataVersion has no number in one of its members";
  switch (kind) {
    case Kind::topics: return what(read_topics(file));
    case Kind::subscription_groups: return what(read_subscription_groups(file));
    case Kind::consumer_offsets:
    case Kind::lmq_consumer_offsets: return what(read_consumer_offsets(file));
    case Kind::delay_offsets: return what(read_delay_offsets(file));
    default: return {};
  }
}

// One of the two files, as ConfigManager sees it.
struct Attempt {
  std::optional<Value> value;
  std::string problem;
  bool absent = false;
};

Attempt attempt(Kind kind, std::optional<std::string_view> text) {
  if (!text) return {std::nullopt, "missing", true};
  if (text->empty()) return {std::nullopt, "empty", true};
  auto value = json::parse(*text);
  if (!value) return {std::nullopt, value.error().message(), false};
  // fastjson gives null for an empty array where it wants an object.
  if (const json::Array* array = value->if_array(); array != nullptr && array->items.empty()) {
    return {Value(), {}, false};
  }
  if (std::string problem = decode_problem(kind, *value); !problem.empty()) {
    return {std::nullopt, std::move(problem), false};
  }
  return {std::move(*value), {}, false};
}

// Members of a bean lie sorted by name.
void set_sorted(Object& bean, std::string_view name, Value value) {
  if (Value* old = bean.find(name)) {
    *old = std::move(value);
    return;
  }
  std::vector<Member> members = bean.members();
  const auto place =
      std::ranges::lower_bound(members, name, {}, [](const Member& m) -> std::string_view { return m.name; });
  members.insert(place, Member{std::string(name), KeyForm::text, std::move(value)});
  bean = Object::from_members(std::move(members));
}

Object& object_at(Value& value) {
  if (value.if_object() == nullptr) value = Value(Object());
  return *value.if_object();
}

Object& table_of(Value& file, std::string_view table) {
  Object& members = object_at(file);
  if (members.find(table) == nullptr) set_sorted(members, table, Value(Object()));
  return object_at(*members.find(table));
}

// The entry of a map, made when there is none: maps keep their order, new keys come last.
Object& entry_of(Object& table, std::string_view name) {
  if (table.find(name) == nullptr) table.set(name, Value(Object()));
  return object_at(*table.find(name));
}

Value string_map(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Object object;
  for (const auto& [name, text] : pairs) object.set(name, Value(text));
  return Value(std::move(object));
}

}  // namespace

std::span<const ConfigFile> config_files() { return kConfigFiles; }

const ConfigFile& config_file(ConfigFileKind kind) { return kConfigFiles[static_cast<std::size_t>(kind)]; }

const ConfigFile* find_config_file(std::string_view name) {
  const auto found = std::ranges::find(kConfigFiles, name, &ConfigFile::name);
  return found == kConfigFiles.end() ? nullptr : &*found;
}

std::string_view to_string(LoadedFrom from) {
  switch (from) {
    case LoadedFrom::json: return "json";
    case LoadedFrom::bak: return "bak";
    case LoadedFrom::none: return "none";
  }
  return "?";
}

LoadedConfig load_config(const ConfigFile& file, std::optional<std::string_view> text,
                         std::optional<std::string_view> bak) {
  LoadedConfig loaded;
  Attempt first = attempt(file.kind, text);
  loaded.json_problem = std::move(first.problem);
  if (first.value) {
    loaded.from = LoadedFrom::json;
    loaded.value = std::move(first.value);
    return loaded;
  }
  Attempt second = attempt(file.kind, bak);
  loaded.bak_problem = std::move(second.problem);
  if (second.value) {
    loaded.from = LoadedFrom::bak;
    loaded.value = std::move(second.value);
  } else {
    loaded.succeeds = second.absent;
  }
  return loaded;
}

std::string write_config(const ConfigFile& file, const json::Value& value) {
  return json::write_fastjson(value, {.pretty = !file.compact, .browser_compatible = file.compact});
}

json::Value new_config(const ConfigFile& file) {
  Value value;
  table_of(value, table_name(file.kind));
  return value;
}

std::optional<DataVersion> read_data_version(const json::Value& file) {
  const Value* value = file.find("dataVersion");
  if (value == nullptr || value->if_object() == nullptr) return std::nullopt;
  DataVersion version;
  BeanReader bean(*value, "dataVersion");
  bean.take("stateVersion", version.state_version);
  bean.take("timestamp", version.timestamp);
  bean.take("counter", version.counter);
  if (!bean.problem().empty()) return std::nullopt;
  return version;
}

void set_data_version(json::Value& file, const DataVersion& version) {
  Object& bean = table_of(file, "dataVersion");
  const bool has_state = bean.empty() || bean.find("stateVersion") != nullptr || version.state_version != 0;
  set_sorted(bean, "counter", Value(version.counter));
  if (has_state) set_sorted(bean, "stateVersion", Value(version.state_version));
  set_sorted(bean, "timestamp", Value(version.timestamp));
}

json::Parsed<std::vector<TopicConfig>> read_topics(const json::Value& file) {
  return read_beans<TopicConfig>(file, "topicConfigTable", take_topic);
}

json::Parsed<TopicConfig> read_topic(const json::Value& bean) {
  return read_named_bean<TopicConfig>(bean, "topicName", take_topic);
}

bool remove_topic(json::Value& file, std::string_view topic) {
  return table_of(file, "topicConfigTable").erase(topic);
}

void set_topic(json::Value& file, const TopicConfig& topic, bool always_attributes) {
  Object& table = table_of(file, "topicConfigTable");
  const bool attributes =
      always_attributes || !topic.attributes.empty() || std::ranges::any_of(table.members(), [](const Member& member) {
        return member.value.find("attributes") != nullptr;
      });
  Object& bean = entry_of(table, topic.name);
  if (attributes) set_sorted(bean, "attributes", string_map(topic.attributes));
  set_sorted(bean, "order", Value(topic.order));
  set_sorted(bean, "perm", Value(topic.perm));
  set_sorted(bean, "readQueueNums", Value(topic.read_queues));
  set_sorted(bean, "topicFilterType", Value(topic.filter_type));
  set_sorted(bean, "topicName", Value(topic.name));
  set_sorted(bean, "topicSysFlag", Value(topic.sys_flag));
  set_sorted(bean, "writeQueueNums", Value(topic.write_queues));
}

json::Parsed<std::vector<SubscriptionGroup>> read_subscription_groups(const json::Value& file) {
  return read_beans<SubscriptionGroup>(file, "subscriptionGroupTable", take_group);
}

json::Parsed<SubscriptionGroup> read_subscription_group(const json::Value& bean) {
  return read_named_bean<SubscriptionGroup>(bean, "groupName", take_group);
}

void set_subscription_group(json::Value& file, const SubscriptionGroup& group) {
  Object& bean = entry_of(table_of(file, "subscriptionGroupTable"), group.name);
  set_sorted(bean, "brokerId", Value(group.broker_id));
  set_sorted(bean, "consumeBroadcastEnable", Value(group.consume_broadcast_enable));
  set_sorted(bean, "consumeEnable", Value(group.consume_enable));
  set_sorted(bean, "consumeFromMinEnable", Value(group.consume_from_min_enable));
  set_sorted(bean, "groupName", Value(group.name));
  set_sorted(bean, "notifyConsumerIdsChangedEnable", Value(group.notify_consumer_ids_changed));
  set_sorted(bean, "retryMaxTimes", Value(group.retry_max_times));
  set_sorted(bean, "retryQueueNums", Value(group.retry_queues));
  set_sorted(bean, "whichBrokerWhenConsumeSlowly", Value(group.broker_when_consume_slowly));
}

json::Parsed<std::vector<ConsumerOffset>> read_consumer_offsets(const json::Value& file) {
  const auto found = entries(file, "offsetTable");
  if (!found) return found.error();
  std::vector<ConsumerOffset> all;
  for (const Member& member : (*found)->members()) {
    if (member.value.is_null()) continue;
    // A topic has no '@'; a group may have one (ConsumerOffsetManager splits and takes exactly two parts).
    const std::size_t at = std::min(member.name.find('@'), member.name.size());
    const std::string topic = member.name.substr(0, at);
    const std::string group = member.name.substr(std::min(at + 1, member.name.size()));
    const std::string problem = read_numbers(
        member.value, member.name,
        [&](std::int32_t queue, std::int64_t offset) { all.push_back({topic, group, queue, offset}); });
    if (!problem.empty()) return fault(problem);
  }
  return all;
}

void set_consumer_offset(json::Value& file, const ConsumerOffset& offset) {
  Object& table = table_of(file, "offsetTable");
  const std::string key = offset.group.empty() ? offset.topic : offset.topic + '@' + offset.group;
  entry_of(table, key).set(std::to_string(offset.queue_id), Value(offset.offset), KeyForm::integer);
  Object& members = *file.if_object();
  Value* groups = members.find("groupTopicMap");
  if (groups == nullptr || groups->if_object() == nullptr || offset.group.empty()) return;
  Object& by_group = *groups->if_object();
  if (by_group.find(offset.group) == nullptr) by_group.set(offset.group, Value(json::Array{{}, true}));
  json::Array* topics = by_group.find(offset.group)->if_array();
  if (topics == nullptr) return;
  const Value topic(offset.topic);
  if (std::ranges::find(topics->items, topic) == topics->items.end()) topics->items.push_back(topic);
}

json::Parsed<std::vector<DelayOffset>> read_delay_offsets(const json::Value& file) {
  const auto found = entries(file, "offsetTable");
  if (!found) return found.error();
  std::vector<DelayOffset> all;
  const std::string problem =
      read_numbers(Value(**found), "offsetTable",
                   [&](std::int32_t level, std::int64_t offset) { all.push_back({level, offset}); });
  if (!problem.empty()) return fault(problem);
  return all;
}

void set_delay_offset(json::Value& file, const DelayOffset& offset) {
  table_of(file, "offsetTable").set(std::to_string(offset.level), Value(offset.offset), KeyForm::integer);
}

}  // namespace rmq::format
