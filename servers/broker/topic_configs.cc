#include "servers/broker/topic_configs.h"

#include <algorithm>
#include <array>
#include <optional>

#include "servers/broker/log.h"
#include "servers/broker/topic_attributes.h"

namespace rmq::broker {
namespace {

// TopicValidator.SYSTEM_TOPIC_SET; a broker adds its own names.
constexpr std::array<std::string_view, 10> kSystemTopics{
    kAutoCreateTopic,       kScheduleTopic,    kBenchmarkTopic,         kHalfTopic,
    "RMQ_SYS_TRACE_TOPIC",  kOpHalfTopic,      kTransCheckMaxTimeTopic, kSelfTestTopic,
    kOffsetMovedEventTopic, "CHECKPOINT_TOPIC"};
constexpr std::string_view kSystemPrefix = "rmq_sys_";
constexpr std::int32_t kScheduleQueues = 18;
constexpr std::int32_t kBenchmarkQueues = 1024;
constexpr std::int32_t kReadWrite = kPermRead | kPermWrite;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '%' || c == '|' ||
         c == '_' || c == '-';
}

}  // namespace

bool has_illegal_character(std::string_view name) { return !std::ranges::all_of(name, is_name_character); }

std::string topic_name_problem(std::string_view topic) {
  constexpr std::size_t kLongest = 127;
  if (topic.find_first_not_of(" \t\n\v\f\r") == std::string_view::npos)
    return "The specified topic is blank.";
  if (has_illegal_character(topic))
    return "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$";
  if (topic.size() > kLongest) return "The specified topic is longer than topic max length.";
  return {};
}

bool is_not_sendable(std::string_view topic) {
  return topic == kScheduleTopic || topic == kHalfTopic || topic == kOpHalfTopic ||
         topic == kTransCheckMaxTimeTopic || topic == kSelfTestTopic || topic == kOffsetMovedEventTopic;
}

TopicConfigs::TopicConfigs(io::FileSystem& files, const std::string& directory, const BrokerConfig& config,
                           const engine::Clock& clock)
    : config_(config),
      clock_(clock),
      file_(files, directory, format::ConfigFileKind::topics),
      system_topics_(kSystemTopics.begin(), kSystemTopics.end()),
      value_(format::new_config(format::config_file(format::ConfigFileKind::topics))) {
  version_.timestamp = clock.now_ms();
  add_system_topics();
}

void TopicConfigs::add_system_topic(std::string_view name, std::int32_t queues, std::int32_t perm) {
  system_topics_.emplace(name);
  format::TopicConfig topic;
  topic.name = name;
  topic.read_queues = topic.write_queues = queues;
  topic.perm = perm;
  put(std::move(topic));
}

void TopicConfigs::add_system_topics() {
  constexpr std::int32_t kDefaultQueues = 16;  // TopicConfig.defaultReadQueueNums
  const std::string cluster = config_.text<"brokerClusterName">();
  const std::string broker = config_.text<"brokerName">();
  const auto perm_if = [](bool used) { return kPermInherit | (used ? kReadWrite : 0); };
  add_system_topic(kSelfTestTopic, 1, kReadWrite);
  if (config_.flag<"autoCreateTopicEnable">())
    add_system_topic(kAutoCreateTopic, static_cast<std::int32_t>(config_.number<"defaultTopicQueueNums">()),
                     kPermInherit | kReadWrite);
  add_system_topic(kBenchmarkTopic, kBenchmarkQueues, kReadWrite);
  add_system_topic(cluster, kDefaultQueues, perm_if(config_.flag<"clusterTopicEnable">()));
  add_system_topic(broker, 1, perm_if(config_.flag<"brokerTopicEnable">()));
  add_system_topic(kOffsetMovedEventTopic, 1, kReadWrite);
  add_system_topic(kScheduleTopic, kScheduleQueues, kReadWrite);
  if (config_.flag<"traceTopicEnable">())
    add_system_topic(config_.text<"msgTraceTopicName">(), 1, kReadWrite);
  add_system_topic(cluster + "_REPLY_TOPIC", 1, kReadWrite);
  add_system_topic("rmq_sys_REVIVE_LOG_" + cluster,
                   static_cast<std::int32_t>(config_.number<"reviveQueueNum">()), kReadWrite);
  add_system_topic("rmq_sys_SYNC_BROKER_MEMBER_" + broker, 1, kPermInherit);
  add_system_topic(kHalfTopic, 1, kReadWrite);
  add_system_topic(kOpHalfTopic, 1, kReadWrite);
  if (config_.flag<"timerWheelEnable">()) add_system_topic(kTimerTopic, 1, kReadWrite);
}

Status TopicConfigs::load() {
  RMQ_TRY(loaded, file_.load());
  if (!file_.problem().empty()) log_warning("{}: {}; its .bak is used", file_.path(), file_.problem());
  auto topics = format::read_topics(loaded);
  if (!topics) return wrong_use(file_.path() + ": " + topics.error().what);
  const std::unique_lock lock(mutex_);
  if (loaded.if_object() != nullptr) value_ = std::move(loaded);
  for (format::TopicConfig& topic : *topics) {
    std::string name = topic.name;
    table_.insert_or_assign(std::move(name), std::make_shared<const format::TopicConfig>(std::move(topic)));
  }
  // System topics that the file does not have, and attributes where 4.9 wrote none.
  for (const auto& [name, topic] : table_) format::set_topic(value_, *topic, true);
  if (const auto version = format::read_data_version(value_)) version_ = *version;
  ++generation_;
  return {};
}

TopicConfigPtr TopicConfigs::find(std::string_view topic) const {
  const std::shared_lock lock(mutex_);
  const auto found = table_.find(topic);
  return found == table_.end() ? nullptr : found->second;
}

bool TopicConfigs::is_system_topic(std::string_view topic) const {
  return system_topics_.contains(topic) || topic.starts_with(kSystemPrefix);
}

TopicConfigPtr TopicConfigs::put(format::TopicConfig topic) {
  format::set_topic(value_, topic, true);
  std::string name = topic.name;
  auto shared = std::make_shared<const format::TopicConfig>(std::move(topic));
  table_.insert_or_assign(std::move(name), shared);
  return shared;
}

void TopicConfigs::next_version() {
  ++version_.counter;
  version_.timestamp = clock_.now_ms();
  version_.state_version = 0;
  ++generation_;
}

void TopicConfigs::changed(const std::vector<TopicConfigPtr>& topics) {
  if (const Status saved = persist(); !saved)
    log_error("topics.json cannot be written: {}", saved.error().message());
  if (changed_) changed_(topics);
}

TopicConfigPtr TopicConfigs::create_in_send(std::string_view topic, std::string_view default_topic,
                                            std::string_view client, std::int32_t client_queues,
                                            std::int32_t sys_flag) {
  TopicConfigPtr made;
  {
    const std::unique_lock lock(mutex_);
    if (const auto found = table_.find(topic); found != table_.end()) return found->second;
    const auto model = table_.find(default_topic);
    if (model == table_.end()) {
      log_warning("topic {} is not made: there is no default topic {}; producer {}", topic, default_topic,
                  client);
      return nullptr;
    }
    const bool may = (model->second->perm & kPermInherit) != 0 &&
                     (default_topic != kAutoCreateTopic || config_.flag<"autoCreateTopicEnable">());
    if (!may) {
      log_warning("topic {} is not made: nothing is inherited from {}, perm {}; producer {}", topic,
                  default_topic, model->second->perm, client);
      return nullptr;
    }
    format::TopicConfig created;
    created.name = topic;
    created.read_queues = created.write_queues =
        std::max(0, std::min(client_queues, model->second->write_queues));
    created.perm = model->second->perm & ~kPermInherit;
    created.sys_flag = sys_flag;
    created.filter_type = model->second->filter_type;
    made = put(std::move(created));
    next_version();
  }
  log_info("topic {} is made like {}, {} queues; producer {}", topic, default_topic, made->write_queues,
           client);
  changed({made});
  return made;
}

TopicConfigPtr TopicConfigs::create_in_send_back(std::string_view topic, std::int32_t queues,
                                                 std::int32_t perm, bool order, std::int32_t sys_flag) {
  TopicConfigPtr made;
  {
    const std::unique_lock lock(mutex_);
    format::TopicConfig wanted;
    if (const auto found = table_.find(topic); found != table_.end()) {
      if (found->second->order == order) return found->second;
      wanted = *found->second;
    } else {
      wanted.name = topic;
      wanted.read_queues = wanted.write_queues = queues;
      wanted.perm = perm;
      wanted.sys_flag = sys_flag;
    }
    wanted.order = order;
    made = put(std::move(wanted));
    next_version();
  }
  log_info("topic {} has {} queues, order {}", topic, made->write_queues, order);
  changed({made});
  return made;
}

TopicConfigPtr TopicConfigs::create_if_absent(const format::TopicConfig& topic) {
  TopicConfigPtr made;
  {
    const std::unique_lock lock(mutex_);
    if (const auto found = table_.find(topic.name); found != table_.end()) return found->second;
    made = put(topic);
    next_version();
  }
  log_info("topic {} is made, {} queues", made->name, made->write_queues);
  changed({made});
  return made;
}

Result<TopicConfigPtr> TopicConfigs::update(const format::TopicConfig& topic) {
  RMQ_TRY(all, update(std::vector{topic}));
  return std::move(all.front());
}

Result<std::vector<TopicConfigPtr>> TopicConfigs::update(const std::vector<format::TopicConfig>& topics) {
  std::vector<TopicConfigPtr> made;
  std::optional<Error> failure;
  {
    const std::unique_lock lock(mutex_);
    for (format::TopicConfig topic : topics) {
      const auto old = table_.find(topic.name);
      const bool is_new = old == table_.end();
      auto attributes =
          change_attributes(is_new, is_new ? Attributes() : old->second->attributes, topic.attributes);
      if (!attributes) {
        failure = std::move(attributes).error();
        break;
      }
      topic.attributes = std::move(*attributes);
      made.push_back(put(std::move(topic)));
      next_version();
    }
  }
  for (const TopicConfigPtr& topic : made)
    log_info("topic {}: {} read queues, {} write queues, perm {}", topic->name, topic->read_queues,
             topic->write_queues, topic->perm);
  if (!made.empty())
    if (const Status saved = persist(); !saved) return saved.error();
  if (failure) return std::move(*failure);
  return made;
}

bool TopicConfigs::remove(std::string_view topic) {
  {
    const std::unique_lock lock(mutex_);
    const auto found = table_.find(topic);
    if (found == table_.end()) return false;
    table_.erase(found);
    (void)format::remove_topic(value_, topic);
    next_version();
  }
  log_info("topic {} is deleted", topic);
  if (const Status saved = persist(); !saved)
    log_error("topics.json cannot be written: {}", saved.error().message());
  return true;
}

void TopicConfigs::set_ordered(const std::vector<std::string>& topics) {
  bool any = false;
  {
    const std::unique_lock lock(mutex_);
    for (const std::string& name : topics) {
      const auto found = table_.find(name);
      if (found == table_.end() || found->second->order) continue;
      format::TopicConfig topic = *found->second;
      topic.order = true;
      put(std::move(topic));
      any = true;
    }
    if (any) next_version();
  }
  if (!any) return;
  if (const Status saved = persist(); !saved)
    log_error("topics.json cannot be written: {}", saved.error().message());
}

std::vector<TopicConfigPtr> TopicConfigs::all() const {
  std::vector<TopicConfigPtr> topics;
  {
    const std::shared_lock lock(mutex_);
    topics.reserve(table_.size());
    for (const auto& [name, topic] : table_) topics.push_back(topic);
  }
  std::ranges::sort(topics, {}, [](const TopicConfigPtr& topic) -> std::string_view { return topic->name; });
  return topics;
}

format::DataVersion TopicConfigs::data_version() const {
  const std::shared_lock lock(mutex_);
  return version_;
}

void TopicConfigs::bump_data_version() {
  const std::unique_lock lock(mutex_);
  next_version();
}

json::Value TopicConfigs::snapshot() const {
  const std::shared_lock lock(mutex_);
  json::Value value = value_;
  format::set_data_version(value, version_);
  return value;
}

Status TopicConfigs::persist() {
  const std::lock_guard one(save_mutex_);
  return file_.save(snapshot());
}

}  // namespace rmq::broker
