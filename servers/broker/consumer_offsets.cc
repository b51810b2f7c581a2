#include "servers/broker/consumer_offsets.h"

#include <algorithm>
#include <set>

#include "servers/broker/log.h"

namespace rmq::broker {
namespace {

// topic@group, in memory of the thread's own: it is needed for each commit.
std::string_view key_of(std::string_view topic, std::string_view group) {
  thread_local std::string key;
  key.assign(topic);
  key += '@';
  key += group;
  return key;
}

std::optional<std::int64_t> find(const ConsumerOffsets::Queues& queues, std::int32_t queue) {
  const auto found = queues.find(queue);
  return found == queues.end() ? std::nullopt : std::optional(found->second);
}

constexpr std::string_view kTable = "offsetTable";
constexpr std::string_view kGroups = "groupTopicMap";

}  // namespace

ConsumerOffsets::ConsumerOffsets(io::FileSystem& files, const std::string& directory,
                                 const BrokerConfig& config, const engine::Clock& clock)
    : config_(config), clock_(clock), file_(files, directory, format::ConfigFileKind::consumer_offsets) {
  version_.timestamp = clock.now_ms();
  json::Object members;
  members.set("dataVersion", json::Object());
  members.set(kGroups, json::Object());
  members.set(kTable, json::Object());
  others_ = std::move(members);
}

Result<std::vector<std::string>> ConsumerOffsets::load(const MaxOffset& max_offset) {
  RMQ_TRY(loaded, file_.load());
  if (!file_.problem().empty()) log_warning("{}: {}; its .bak is used", file_.path(), file_.problem());
  const auto offsets = format::read_consumer_offsets(loaded);
  if (!offsets) return wrong_use(file_.path() + ": " + offsets.error().what);
  std::vector<std::string> clamped;
  for (const format::ConsumerOffset& offset : *offsets) {
    std::int64_t value = offset.offset;
    if (const auto end = max_offset(offset.topic, offset.queue_id); end && value > *end) {
      clamped.push_back(
          fmt::format("group {} had read topic {} queue {} up to {}, which ends at {}: it goes on there",
                      offset.group, offset.topic, offset.queue_id, value, *end));
      value = *end;
    }
    const std::string key =
        offset.group.empty() ? offset.topic : std::string(key_of(offset.topic, offset.group));
    Entry& entry = entry_of(shard_of(key), key, offset.topic, offset.group);
    entry.committed[offset.queue_id] = value;
    entry.listed = true;
  }
  // Keys without queues are entries too.
  if (const json::Value* table = loaded.find(kTable); table != nullptr && table->if_object() != nullptr) {
    for (const json::Member& member : table->if_object()->members()) {
      const std::size_t at = std::min(member.name.find('@'), member.name.size());
      entry_of(shard_of(member.name), member.name, member.name.substr(0, at),
               member.name.substr(std::min(at + 1, member.name.size())))
          .listed = true;
    }
  }
  if (loaded.if_object() != nullptr) {
    if (const auto version = format::read_data_version(loaded)) version_ = *version;
    others_ = std::move(loaded);
    for (const std::string_view name : {kGroups, kTable}) others_.if_object()->set(name, json::Object());
  }
  if (!clamped.empty()) ++changes_;
  return clamped;
}

ConsumerOffsets::Shard& ConsumerOffsets::shard_of(std::string_view key) {
  return shards_[Hash()(key) % kShards];
}
const ConsumerOffsets::Shard& ConsumerOffsets::shard_of(std::string_view key) const {
  return shards_[Hash()(key) % kShards];
}

ConsumerOffsets::Entry& ConsumerOffsets::entry_of(Shard& shard, std::string_view key, std::string_view topic,
                                                  std::string_view group) {
  const auto found = shard.entries.find(key);
  if (found != shard.entries.end()) return found->second;
  Entry& entry = shard.entries[std::string(key)];
  entry.topic = topic;
  entry.group = group;
  return entry;
}

void ConsumerOffsets::count_commit() {
  changes_.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t commits = commits_.fetch_add(1, std::memory_order_relaxed) + 1;
  const auto step = static_cast<std::uint64_t>(
      std::max<std::int64_t>(1, config_.number<"consumerOffsetUpdateVersionStep">()));
  if (commits % step != 0) return;
  const std::lock_guard lock(version_mutex_);
  ++version_.counter;
  version_.timestamp = clock_.now_ms();
  version_.state_version = 0;
}

bool ConsumerOffsets::commit(std::string_view group, std::string_view topic, std::int32_t queue,
                             std::int64_t offset) {
  const std::string_view key = key_of(topic, group);
  Shard& shard = shard_of(key);
  bool forward = true;
  {
    const std::lock_guard lock(shard.mutex);
    Entry& entry = entry_of(shard, key, topic, group);
    const auto [place, is_new] = entry.committed.try_emplace(queue, offset);
    forward = is_new || offset >= place->second;
    place->second = offset;
    entry.listed = true;
  }
  count_commit();
  return forward;
}

std::optional<std::int64_t> ConsumerOffsets::query(std::string_view group, std::string_view topic,
                                                   std::int32_t queue) const {
  const std::string_view key = key_of(topic, group);
  const Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto entry = shard.entries.find(key);
  if (entry == shard.entries.end()) return std::nullopt;
  if (config_.flag<"useServerSideResetOffset">())
    if (const auto reset = find(entry->second.resets, queue)) return reset;
  return find(entry->second.committed, queue);
}

ConsumerOffsets::Queues ConsumerOffsets::query(std::string_view group, std::string_view topic) const {
  const std::string_view key = key_of(topic, group);
  const Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto entry = shard.entries.find(key);
  return entry == shard.entries.end() ? Queues() : entry->second.committed;
}

void ConsumerOffsets::commit_pull(std::string_view group, std::string_view topic, std::int32_t queue,
                                  std::int64_t offset) {
  const std::string_view key = key_of(topic, group);
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  entry_of(shard, key, topic, group).pulled[queue] = offset;
}

std::optional<std::int64_t> ConsumerOffsets::query_pull(std::string_view group, std::string_view topic,
                                                        std::int32_t queue) const {
  {
    const std::string_view key = key_of(topic, group);
    const Shard& shard = shard_of(key);
    const std::lock_guard lock(shard.mutex);
    const auto entry = shard.entries.find(key);
    if (entry != shard.entries.end())
      if (const auto pulled = find(entry->second.pulled, queue)) return pulled;
  }
  return query(group, topic, queue);
}

void ConsumerOffsets::clear_pull(std::string_view group, std::string_view topic) {
  const std::string_view key = key_of(topic, group);
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  if (const auto entry = shard.entries.find(key); entry != shard.entries.end()) entry->second.pulled.clear();
}

void ConsumerOffsets::assign_reset(std::string_view group, std::string_view topic, std::int32_t queue,
                                   std::int64_t offset) {
  if (topic.empty() || group.empty() || queue < 0 || offset < 0) return;
  const std::string_view key = key_of(topic, group);
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  Entry& entry = entry_of(shard, key, topic, group);
  entry.resets[queue] = offset;
  entry.committed[queue] = offset;
  entry.listed = true;
  ++changes_;
}

bool ConsumerOffsets::has_reset(std::string_view group, std::string_view topic, std::int32_t queue) const {
  const std::string_view key = key_of(topic, group);
  const Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto entry = shard.entries.find(key);
  return entry != shard.entries.end() && entry->second.resets.contains(queue);
}

std::optional<std::int64_t> ConsumerOffsets::take_reset(std::string_view group, std::string_view topic,
                                                        std::int32_t queue) {
  const std::string_view key = key_of(topic, group);
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto entry = shard.entries.find(key);
  if (entry == shard.entries.end()) return std::nullopt;
  const auto reset = find(entry->second.resets, queue);
  if (reset) entry->second.resets.erase(queue);
  return reset;
}

void ConsumerOffsets::clone(std::string_view from_group, std::string_view to_group, std::string_view topic) {
  {
    const std::string_view from = key_of(topic, from_group);
    const Shard& shard = shard_of(from);
    const std::lock_guard lock(shard.mutex);
    const auto entry = shard.entries.find(from);
    if (entry == shard.entries.end() || !entry->second.listed) return;
  }
  const Queues queues = query(from_group, topic);
  const std::string_view key = key_of(topic, to_group);
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  Entry& entry = entry_of(shard, key, topic, to_group);
  entry.committed = queues;
  entry.listed = true;
  ++changes_;
}

void ConsumerOffsets::remove_group(std::string_view group) {
  if (group.empty()) return;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    if (std::erase_if(shard.entries, [&](const auto& entry) { return entry.second.group == group; }) > 0)
      ++changes_;
  }
}

void ConsumerOffsets::remove_topic(std::string_view topic) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    if (std::erase_if(shard.entries, [&](const auto& entry) {
          return entry.second.topic == topic && !entry.second.group.empty();
        }) > 0)
      ++changes_;
  }
}

std::vector<std::string> ConsumerOffsets::topics_of(std::string_view group) const {
  std::set<std::string> topics;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [key, entry] : shard.entries)
      if (entry.listed && !entry.group.empty() && entry.group == group) topics.insert(entry.topic);
  }
  return {topics.begin(), topics.end()};
}

std::vector<std::string> ConsumerOffsets::groups_of(std::string_view topic) const {
  std::set<std::string> groups;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [key, entry] : shard.entries)
      if (entry.listed && !entry.group.empty() && entry.topic == topic) groups.insert(entry.group);
  }
  return {groups.begin(), groups.end()};
}

ConsumerOffsets::Queues ConsumerOffsets::smallest(
    std::string_view topic, const std::vector<std::string>& without,
    const std::function<std::int64_t(std::int32_t queue)>& min_offset) const {
  Queues smallest;
  for (const std::string& group : groups_of(topic)) {
    if (std::ranges::find(without, group) != without.end()) continue;
    for (const auto& [queue, offset] : query(group, topic)) {
      if (offset < min_offset(queue)) continue;
      const auto [place, is_new] = smallest.try_emplace(queue, offset);
      if (!is_new) place->second = std::min(place->second, offset);
    }
  }
  return smallest;
}

void ConsumerOffsets::visit(
    const std::function<void(std::string_view group, std::string_view topic, const Queues&)>& see) const {
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [key, entry] : shard.entries)
      if (entry.listed && !entry.group.empty()) see(entry.group, entry.topic, entry.committed);
  }
}

void ConsumerOffsets::remove_if(
    const std::function<bool(std::string_view group, std::string_view topic, const Queues&)>& gone) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    const std::size_t removed = std::erase_if(shard.entries, [&](const auto& entry) {
      const Entry& e = entry.second;
      return e.listed && !e.group.empty() && gone(e.group, e.topic, e.committed);
    });
    if (removed > 0) ++changes_;
  }
}

format::DataVersion ConsumerOffsets::data_version() const {
  const std::lock_guard lock(version_mutex_);
  return version_;
}

json::Value ConsumerOffsets::snapshot() const {
  std::map<std::string, Queues> table;
  std::map<std::string, std::set<std::string>> groups;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [key, entry] : shard.entries) {
      if (!entry.listed) continue;
      table.emplace(key, entry.committed);
      if (!entry.group.empty()) groups[entry.group].insert(entry.topic);
    }
  }
  std::vector<json::Member> offsets;
  for (const auto& [key, queues] : table) {
    json::Object bean;
    for (const auto& [queue, offset] : queues)
      bean.set(std::to_string(queue), offset, json::KeyForm::integer);
    offsets.push_back({key, json::KeyForm::text, std::move(bean)});
  }
  std::vector<json::Member> topics;
  for (const auto& [group, names] : groups) {
    json::Array set{{}, true};
    for (const std::string& name : names) set.items.emplace_back(name);
    topics.push_back({group, json::KeyForm::text, std::move(set)});
  }
  json::Value value = others_;
  value.if_object()->set(kGroups, json::Object::from_members(std::move(topics)));
  value.if_object()->set(kTable, json::Object::from_members(std::move(offsets)));
  format::set_data_version(value, data_version());
  return value;
}

Status ConsumerOffsets::persist() {
  const std::lock_guard one(save_mutex_);
  const std::uint64_t changes = changes_.load(std::memory_order_relaxed);
  if (changes == saved_changes_) return {};
  RMQ_CHECK(file_.save(snapshot()));
  saved_changes_ = changes;
  return {};
}

}  // namespace rmq::broker
