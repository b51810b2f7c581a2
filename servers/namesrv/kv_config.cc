#include "servers/namesrv/kv_config.h"

#include <utility>
#include <vector>

#include "libstore/json/json_value.h"
#include "libstore/json/json_writer.h"
#include "servers/namesrv/kept_file.h"

namespace rmq::namesrv {
namespace {

template <class Values>
json::Value values_json(const Values& values) {
  std::vector<json::Member> members;
  for (const auto& [key, value] : values) members.push_back({key, json::KeyForm::text, value});
  return json::Object::from_members(std::move(members));
}

constexpr std::size_t kEntryBytes = 64;  // of a map's node, roughly
std::size_t cost(std::string_view name, std::string_view value = {}) {
  return kEntryBytes + name.size() + value.size();
}

}  // namespace

std::string KvConfig::to_text() const {
  std::vector<json::Member> table;
  for (const auto& [name, values] : table_) table.push_back({name, json::KeyForm::text, values_json(values)});
  json::Object object;
  object.set("configTable", json::Object::from_members(std::move(table)));
  return json::write_fastjson(object, {.pretty = false});
}

bool KvConfig::take(std::string_view text) {
  const auto value = json::parse(text);
  if (!value || value->if_object() == nullptr) return false;
  const json::Value* member = value->find("configTable");
  const json::Object* table = member == nullptr ? nullptr : member->if_object();
  if (table == nullptr) return true;
  for (const json::Member& name_space : table->members()) {
    Values& values = table_[name_space.name];
    const json::Object* entries = name_space.value.if_object();
    if (entries == nullptr) continue;
    for (const json::Member& entry : entries->members()) {
      const std::string* text_value = entry.value.if_string();
      if (text_value == nullptr) continue;
      values.insert_or_assign(entry.name, *text_value);
      bytes_ += cost(entry.name, *text_value);
    }
  }
  return true;
}

Status KvConfig::load(std::string& warning) {
  const std::unique_lock lock(mutex_);
  RMQ_TRY(text, kept_text(files_, path_));
  if (!text || take(*text)) return {};
  RMQ_TRY(backup, kept_text(files_, path_ + ".bak"));
  if (!backup || !take(*backup)) return wrong_use(path_ + " is no KV configuration, and neither is its .bak");
  warning = path_ + " is damaged: its .bak was loaded";
  return {};
}

Status KvConfig::put(std::string_view name_space, std::string_view key,
                     std::optional<std::string_view> value) {
  const std::lock_guard changing(changing_);
  std::string text;
  {
    const std::unique_lock lock(mutex_);
    const auto space = table_.find(name_space);
    std::size_t bytes = bytes_;
    if (space == table_.end()) bytes += cost(name_space);
    if (space != table_.end())
      if (const auto old = space->second.find(key); old != space->second.end())
        bytes -= cost(key, old->second);
    if (value) bytes += cost(key, *value);
    if (bytes > kMostBytes) return wrong_use("more than 16 MiB of KV configuration");
    bytes_ = bytes;
    Values& values = table_[std::string(name_space)];
    if (value) {
      values.insert_or_assign(std::string(key), std::string(*value));
    } else if (const auto old = values.find(key); old != values.end()) {
      values.erase(old);
    }
    text = to_text();
  }
  return keep_text(files_, path_, text);
}

Status KvConfig::remove(std::string_view name_space, std::string_view key) {
  const std::lock_guard changing(changing_);
  std::string text;
  {
    const std::unique_lock lock(mutex_);
    if (const auto space = table_.find(name_space); space != table_.end()) {
      if (const auto old = space->second.find(key); old != space->second.end()) {
        bytes_ -= cost(key, old->second);
        space->second.erase(old);
      }
    }
    text = to_text();
  }
  return keep_text(files_, path_, text);
}

std::optional<std::string> KvConfig::get(std::string_view name_space, std::string_view key) const {
  const std::shared_lock lock(mutex_);
  const auto space = table_.find(name_space);
  if (space == table_.end()) return std::nullopt;
  const auto value = space->second.find(key);
  return value == space->second.end() ? std::nullopt : std::optional(value->second);
}

std::optional<std::string> KvConfig::list(std::string_view name_space) const {
  const std::shared_lock lock(mutex_);
  const auto space = table_.find(name_space);
  if (space == table_.end()) return std::nullopt;
  json::Object object;
  object.set("table", values_json(space->second));
  return json::write_fastjson(object, {.pretty = false});
}

}  // namespace rmq::namesrv
