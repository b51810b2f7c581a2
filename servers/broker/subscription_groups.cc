#include "servers/broker/subscription_groups.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "servers/broker/log.h"
#include "servers/broker/topic_configs.h"

namespace rmq::broker {
namespace {

constexpr std::string_view kTable = "subscriptionGroupTable";
constexpr std::string_view kForbidden = "forbiddenTable";

// SubscriptionGroupManager.init.
constexpr std::array<std::string_view, 8> kGroupsOfEveryBroker{
    "TOOLS_CONSUMER",  "FILTERSRV_CONSUMER",    "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL", "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER",  "CID_RMQ_SYS_TRANS"};

// A new SubscriptionGroupConfig, its members as fastjson writes them.
json::Object new_bean(std::string_view name) {
  json::Object policy;
  policy.set("type", "CUSTOMIZED");
  json::Object bean;
  bean.set("attributes", json::Object());
  bean.set("brokerId", std::int64_t{0});
  bean.set("consumeBroadcastEnable", true);
  bean.set("consumeEnable", true);
  bean.set("consumeFromMinEnable", true);
  bean.set("consumeMessageOrderly", false);
  bean.set("consumeTimeoutMinute", std::int64_t{15});
  bean.set("groupName", name);
  bean.set("groupRetryPolicy", std::move(policy));
  bean.set("groupSysFlag", std::int64_t{0});
  bean.set("notifyConsumerIdsChangedEnable", true);
  bean.set("retryMaxTimes", std::int64_t{16});
  bean.set("retryQueueNums", std::int64_t{1});
  bean.set("whichBrokerWhenConsumeSlowly", std::int64_t{1});
  return bean;
}

json::Object& member_object(json::Value& file, std::string_view name) {
  json::Object& members = *file.if_object();
  json::Value* value = members.find(name);
  if (value == nullptr || value->if_object() == nullptr) {
    members.set(name, json::Object());
    value = members.find(name);
  }
  return *value->if_object();
}

}  // namespace

bool is_system_group(std::string_view group) { return group.starts_with("CID_RMQ_SYS_"); }

SubscriptionGroups::SubscriptionGroups(io::FileSystem& files, const std::string& directory,
                                       const BrokerConfig& config, const engine::Clock& clock)
    : config_(config), clock_(clock), file_(files, directory, format::ConfigFileKind::subscription_groups) {
  version_.timestamp = clock.now_ms();
  json::Object members;
  members.set("dataVersion", json::Object());
  members.set(kForbidden, json::Object());
  members.set(kTable, json::Object());
  value_ = std::move(members);
  for (const std::string_view group : kGroupsOfEveryBroker) put(new_bean(group));
}

Status SubscriptionGroups::load() {
  RMQ_TRY(loaded, file_.load());
  if (!file_.problem().empty()) log_warning("{}: {}; its .bak is used", file_.path(), file_.problem());
  const auto groups = format::read_subscription_groups(loaded);
  if (!groups) return wrong_use(file_.path() + ": " + groups.error().what);
  const std::unique_lock lock(mutex_);
  if (loaded.if_object() != nullptr) {
    const json::Value before = std::exchange(value_, std::move(loaded));
    (void)member_object(value_, kForbidden);
    for (const json::Member& member : member_object(value_, kTable).members())
      table_.insert_or_assign(member.name, nullptr);
    // Those of every broker that the file does not have.
    for (const json::Member& member : before.find(kTable)->if_object()->members())
      if (member_object(value_, kTable).find(member.name) == nullptr) put(member.value);
  }
  for (const format::SubscriptionGroup& group : *groups)
    table_.insert_or_assign(group.name, std::make_shared<const format::SubscriptionGroup>(group));
  std::erase_if(table_, [](const auto& entry) { return entry.second == nullptr; });
  if (const auto version = format::read_data_version(value_)) version_ = *version;
  ++generation_;
  return {};
}

SubscriptionGroupPtr SubscriptionGroups::find(std::string_view group) const {
  const std::shared_lock lock(mutex_);
  const auto found = table_.find(group);
  return found == table_.end() ? nullptr : found->second;
}

SubscriptionGroupPtr SubscriptionGroups::find_or_create(std::string_view group) {
  if (SubscriptionGroupPtr found = find(group)) return found;
  constexpr std::size_t kLongest = 255;  // Validators.CHARACTER_MAX_LENGTH
  const bool may = config_.flag<"autoCreateSubscriptionGroup">() ||
                   (config_.flag<"enableCreateSysGroup">() && is_system_group(group));
  if (!may || group.size() > kLongest || has_illegal_character(group)) return nullptr;
  SubscriptionGroupPtr made;
  {
    const std::unique_lock lock(mutex_);
    if (const auto found = table_.find(group); found != table_.end()) return found->second;
    made = put(new_bean(group));
    next_version();
  }
  log_info("group {} is made", group);
  if (const Status saved = persist(); !saved)
    log_error("subscriptionGroup.json cannot be written: {}", saved.error().message());
  return made;
}

SubscriptionGroupPtr SubscriptionGroups::put(json::Value bean) {
  auto group = format::read_subscription_group(bean);
  if (!group) return nullptr;
  auto shared = std::make_shared<const format::SubscriptionGroup>(std::move(*group));
  table_.insert_or_assign(shared->name, shared);
  member_object(value_, kTable).set(shared->name, std::move(bean));
  return shared;
}

void SubscriptionGroups::next_version() {
  ++version_.counter;
  version_.timestamp = clock_.now_ms();
  version_.state_version = 0;
  ++generation_;
}

Result<SubscriptionGroupPtr> SubscriptionGroups::update(const json::Value& group) {
  RMQ_CHECK(update_all({group}));
  return find(format::read_subscription_group(group)->name);
}

Status SubscriptionGroups::update_all(const std::vector<json::Value>& groups) {
  std::vector<json::Value> beans;
  for (const json::Value& group : groups) {
    const auto read = format::read_subscription_group(group);
    if (!read) return wrong_use(read.error().what);
    if (read->name.empty()) return wrong_use("groupName is missing");
    // There are no attributes that a group could have (SubscriptionGroupAttributes).
    const json::Value* attributes = group.find("attributes");
    if (attributes != nullptr && attributes->if_object() != nullptr && !attributes->if_object()->empty())
      return wrong_use("unsupported key: " + attributes->if_object()->members().front().name.substr(1));
    json::Object bean = new_bean(read->name);
    for (const json::Member& member : group.if_object()->members())
      if (!member.value.is_null()) bean.set(member.name, member.value);
    beans.emplace_back(std::move(bean));
  }
  {
    const std::unique_lock lock(mutex_);
    for (json::Value& bean : beans) {
      const SubscriptionGroupPtr made = put(std::move(bean));
      log_info("group {}: consume {}, broadcast {}, {} retry queues, {} retries", made->name,
               made->consume_enable, made->consume_broadcast_enable, made->retry_queues,
               made->retry_max_times);
      next_version();
    }
  }
  return persist();
}

bool SubscriptionGroups::remove(std::string_view group) {
  {
    const std::unique_lock lock(mutex_);
    member_object(value_, kForbidden).erase(group);
    const auto found = table_.find(group);
    if (found == table_.end()) return false;
    table_.erase(found);
    member_object(value_, kTable).erase(group);
    next_version();
  }
  log_info("group {} is deleted", group);
  if (const Status saved = persist(); !saved)
    log_error("subscriptionGroup.json cannot be written: {}", saved.error().message());
  return true;
}

void SubscriptionGroups::disable_consume(std::string_view group) {
  const std::unique_lock lock(mutex_);
  json::Value* bean = member_object(value_, kTable).find(group);
  if (bean == nullptr || bean->if_object() == nullptr) return;
  bean->if_object()->set("consumeEnable", false);
  put(json::Value(*bean));
  next_version();
}

std::int32_t SubscriptionGroups::forbidden(std::string_view group, std::string_view topic) const {
  const std::shared_lock lock(mutex_);
  const json::Value* table = value_.find(kForbidden);
  const json::Value* topics = table == nullptr ? nullptr : table->find(group);
  const json::Value* bits = topics == nullptr ? nullptr : topics->find(topic);
  return bits == nullptr ? 0
                         : static_cast<std::int32_t>(std::max<std::int64_t>(0, bits->as_int64().value_or(0)));
}

void SubscriptionGroups::set_forbidden(std::string_view group, std::string_view topic, int index,
                                       bool forbidden) {
  const std::int32_t before = this->forbidden(group, topic);
  const std::int32_t after = forbidden ? before | (1 << index) : before & ~(1 << index);
  {
    const std::unique_lock lock(mutex_);
    json::Object& table = member_object(value_, kForbidden);
    if (after <= 0) {
      // All of the group's topics, and no new version: so does updateForbiddenValue.
      table.erase(group);
      ++generation_;
      return;
    }
    json::Value* topics = table.find(group);
    if (topics == nullptr || topics->if_object() == nullptr) {
      table.set(group, json::Object());
      topics = table.find(group);
    }
    topics->if_object()->set(topic, after);
    next_version();
  }
  if (const Status saved = persist(); !saved)
    log_error("subscriptionGroup.json cannot be written: {}", saved.error().message());
}

std::vector<SubscriptionGroupPtr> SubscriptionGroups::all() const {
  std::vector<SubscriptionGroupPtr> groups;
  {
    const std::shared_lock lock(mutex_);
    groups.reserve(table_.size());
    for (const auto& [name, group] : table_) groups.push_back(group);
  }
  std::ranges::sort(groups, {},
                    [](const SubscriptionGroupPtr& group) -> std::string_view { return group->name; });
  return groups;
}

format::DataVersion SubscriptionGroups::data_version() const {
  const std::shared_lock lock(mutex_);
  return version_;
}

json::Value SubscriptionGroups::snapshot() const {
  const std::shared_lock lock(mutex_);
  json::Value value = value_;
  format::set_data_version(value, version_);
  return value;
}

json::Value SubscriptionGroups::bean(std::string_view group) const {
  const std::shared_lock lock(mutex_);
  const json::Value* table = value_.find(kTable);
  const json::Value* bean = table == nullptr ? nullptr : table->find(group);
  return bean == nullptr ? json::Value() : *bean;
}

Status SubscriptionGroups::persist() {
  const std::lock_guard one(save_mutex_);
  return file_.save(snapshot());
}

}  // namespace rmq::broker
