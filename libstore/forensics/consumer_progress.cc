#include "libstore/forensics/consumer_progress.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "libstore/rocks/config_tables.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kMostBytes = 256 << 20;

// What RocksDB has goes before what the file has: brokers that use one write no files, and old ones may lie
// beside it.
std::optional<json::Value> load(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                std::vector<rocks::ConfigTable>& tables, format::ConfigFileKind kind,
                                std::vector<std::string>& faults) {
  for (rocks::ConfigTable& table : tables) {
    if (table.kind == kind && table.value) return std::move(table.value);
  }
  const format::ConfigFile& file = format::config_file(kind);
  const auto text_of = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = std::ranges::find(survey.config_files, name, &scan::StoreFile::name);
    if (found == survey.config_files.end()) return std::nullopt;
    const auto bytes = io::read_all(files, found->path, kMostBytes);
    if (bytes) return std::string(as_text(*bytes));
    faults.push_back(bytes.error().message());
    return std::nullopt;
  };
  const std::string name(file.name);
  format::LoadedConfig loaded = format::load_config(file, text_of(name), text_of(name + ".bak"));
  return loaded.from == format::LoadedFrom::none ? std::nullopt : std::move(loaded.value);
}

auto order_of(const format::ConsumerOffset& offset) {
  return std::tuple<std::string_view, std::int32_t, std::string_view>(offset.topic, offset.queue_id,
                                                                      offset.group);
}

template <class Items>
std::vector<std::string> sorted_names(const Items& items) {
  std::vector<std::string> names;
  for (const auto& item : items) names.push_back(item.name);
  std::ranges::sort(names);
  return names;
}

}  // namespace

std::optional<std::int64_t> ConsumerProgress::offset_of(std::string_view group, std::string_view topic,
                                                        std::int32_t queue_id) const {
  if (!offsets) return std::nullopt;
  const auto found = std::ranges::lower_bound(*offsets, std::tuple(topic, queue_id, group), {}, order_of);
  if (found == offsets->end() || order_of(*found) != std::tuple(topic, queue_id, group)) return std::nullopt;
  return found->offset;
}

ConsumerProgress read_consumer_progress(const io::ReadFileSystem& files, const scan::StoreSurvey& survey) {
  using Kind = format::ConfigFileKind;
  ConsumerProgress progress;
  std::vector<rocks::ConfigTable> tables = rocks::read_config_tables(files, survey);
  for (const rocks::ConfigTable& table : tables) {
    if (!table.fault.empty()) progress.faults.push_back(table.database + ": " + table.fault);
  }
  if (const auto value = load(files, survey, tables, Kind::consumer_offsets, progress.faults)) {
    if (auto read = format::read_consumer_offsets(*value)) progress.offsets = *std::move(read);
  }
  if (const auto value = load(files, survey, tables, Kind::delay_offsets, progress.faults)) {
    if (auto read = format::read_delay_offsets(*value)) progress.delays = *std::move(read);
  }
  if (const auto value = load(files, survey, tables, Kind::subscription_groups, progress.faults)) {
    if (const auto read = format::read_subscription_groups(*value)) progress.groups = sorted_names(*read);
  }
  if (const auto value = load(files, survey, tables, Kind::topics, progress.faults)) {
    if (const auto read = format::read_topics(*value)) progress.topics = sorted_names(*read);
  }
  if (progress.offsets) std::ranges::sort(*progress.offsets, {}, order_of);
  return progress;
}

}  // namespace rmq::forensics
