#include "libstore/rocks/config_tables.h"

#include <map>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/config_v2_key.h"
#include "libstore/rocks/database.h"

namespace rmq::rocks {
namespace {

using format::ConfigFileKind;

constexpr std::int64_t kMostBytes = 256 << 20;
constexpr std::string_view kVersionFamily = "kvDataVersion";

// The member of the JSON file that holds the entries.
std::string_view table_name(ConfigFileKind kind) {
  switch (kind) {
    case ConfigFileKind::topics: return "topicConfigTable";
    case ConfigFileKind::subscription_groups: return "subscriptionGroupTable";
    default: return "offsetTable";
  }
}

// Collects the entries of one table.
class Table {
 public:
  explicit Table(ConfigFileKind kind) : kind_(kind) {}

  // False: too much.
  bool add(std::string name, Bytes text) {
    bytes_ += std::ssize(text) + std::ssize(name);
    if (bytes_ > kMostBytes) return false;
    auto value = json::parse(as_text(text));
    if (!value || value->if_object() == nullptr) {
      ++strange_;
      return true;
    }
    if (kind_ == ConfigFileKind::consumer_offsets) {
      // The value is an object around what the JSON file has.
      const json::Value* offsets = value->find("offsetTable");
      if (offsets == nullptr || offsets->if_object() == nullptr) {
        ++strange_;
        return true;
      }
      json::Value inner = *offsets;
      value = std::move(inner);
    }
    members_.push_back({std::move(name), json::KeyForm::text, *std::move(value)});
    return true;
  }
  bool add_offset(const std::string& name, std::int32_t queue_id, std::int64_t offset) {
    bytes_ += std::ssize(name) + 64;
    offsets_[name].push_back({std::to_string(queue_id), json::KeyForm::integer, offset});
    return bytes_ <= kMostBytes;
  }
  void strange() { ++strange_; }

  void finish(ConfigTable& into) {
    for (auto& [name, queues] : offsets_)
      members_.push_back({name, json::KeyForm::text, json::Object::from_members(std::move(queues))});
    json::Object file;
    file.set(table_name(kind_), json::Object::from_members(std::move(members_)));
    into.value = json::Value(std::move(file));
    into.strange_entries = strange_;
  }

 private:
  ConfigFileKind kind_;
  std::int64_t bytes_ = 0;
  std::int64_t strange_ = 0;
  std::vector<json::Member> members_;
  std::map<std::string, std::vector<json::Member>> offsets_;
};

constexpr std::string_view kTooMuch = "more entries than are read";

void read_first(const Database& database, ConfigTable& found) {
  Table table(found.kind);
  const auto cursor = database.cursor(kDefaultFamily);
  for (cursor->seek_first(); const auto entry = cursor->entry(); cursor->next()) {
    if (!table.add(std::string(as_text(entry->key)), entry->value)) {
      found.fault = kTooMuch;
      break;
    }
  }
  if (found.fault.empty()) found.fault = cursor->fault();
  table.finish(found);
  const auto versions = database.cursor(kVersionFamily);
  if (versions == nullptr) return;
  versions->seek_first();
  const auto entry = versions->entry();
  const auto version =
      entry ? json::parse(as_text(entry->value)) : json::Parsed<json::Value>(json::JsonError{});
  if (!version) return;
  json::Object file;
  file.set("dataVersion", *version);
  found.version = format::read_data_version(json::Value(std::move(file)));
}

// All three tables lie in one database, one behind the other.
void read_second(const Database& database, std::vector<ConfigTable>& found) {
  using Key = format::ConfigV2Key;
  std::vector<Table> tables;
  for (const ConfigTable& table : found) tables.emplace_back(table.kind);
  const auto index_of = [](Key::Table table) -> std::size_t {
    return table == Key::Table::topic ? 0 : table == Key::Table::subscription_group ? 1 : 2;
  };
  const auto cursor = database.cursor(kDefaultFamily);
  for (cursor->seek_first(); const auto entry = cursor->entry(); cursor->next()) {
    const auto key = Key::parse(entry->key);
    if (!key) {
      tables.front().strange();
      continue;
    }
    if (key->table == Key::Table::pull_offset)
      continue;  // those of LITE_PULL consumers that ask the broker to keep them
    const std::size_t index = index_of(key->table);
    bool fits = true;
    if (key->is_data_version) {
      if (const auto version = format::parse_config_v2_data_version(entry->value))
        found[index].version = *version;
    } else if (key->is_offset()) {
      if (entry->value.size() == sizeof(std::int64_t)) {
        fits = tables[index].add_offset(std::string(key->name) + '@' + std::string(key->group), key->queue_id,
                                        load_be<std::int64_t>(entry->value.data()));
      } else {
        tables[index].strange();
      }
    } else if (entry->value.empty() || entry->value.front() != format::kConfigV2Json) {
      tables[index].strange();
    } else {
      fits = tables[index].add(std::string(key->name), entry->value.subspan(1));
    }
    if (!fits) {
      found[index].fault = kTooMuch;
      break;
    }
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i].fault.empty()) found[i].fault = cursor->fault();
    tables[i].finish(found[i]);
  }
}

std::int64_t bytes_of(const io::ReadFileSystem& files, const std::string& directory) {
  std::int64_t bytes = 0;
  for (const DatabaseFile& file : database_files(files, directory)) bytes += file.size;
  return bytes;
}

}  // namespace

std::vector<ConfigTable> read_config_tables(const io::ReadFileSystem& files,
                                            const scan::StoreSurvey& survey) {
  constexpr std::pair<ConfigFileKind, std::string_view> kDatabases[] = {
      {ConfigFileKind::topics, "topics"},
      {ConfigFileKind::subscription_groups, "subscriptionGroups"},
      {ConfigFileKind::consumer_offsets, "consumerOffsets"}};
  const std::string root = survey.config_directory();
  std::vector<ConfigTable> found;
  const std::string second = io::join_path(root, "rdb");
  if (is_database(files, second)) {
    for (const auto& [kind, name] : kDatabases) found.push_back({kind, "config/rdb", 0, {}, {}, 0, {}});
    found.front().bytes = bytes_of(files, second);  // the three share it
    const auto database = Database::open(files, second);
    if (database) {
      read_second(**database, found);
    } else {
      for (ConfigTable& table : found) table.fault = database.error().message();
    }
    return found;
  }
  for (const auto& [kind, name] : kDatabases) {
    const std::string directory = io::join_path(root, name);
    if (!is_database(files, directory)) continue;
    ConfigTable& table = found.emplace_back(
        ConfigTable{kind, "config/" + std::string(name), bytes_of(files, directory), {}, {}, 0, {}});
    const auto database = Database::open(files, directory);
    if (database) {
      read_first(**database, table);
    } else {
      table.fault = database.error().message();
    }
  }
  return found;
}

}  // namespace rmq::rocks
