#include "libstore/forensics/group_offsets.h"

#include <optional>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/config_files.h"
#include "libstore/format/tags_code.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kConfigFileLimit = 64 << 20;

std::optional<json::Value> load(const DumpInput& input, format::ConfigFileKind kind,
                                std::vector<std::string>& faults) {
  const format::ConfigFile& file = format::config_file(kind);
  const auto text_of = [&](const std::string& name) -> std::optional<std::string> {
    for (const scan::StoreFile& one : input.survey.config_files) {
      if (one.name != name) continue;
      const auto bytes = io::read_all(input.files, one.path, kConfigFileLimit);
      if (bytes) return std::string(as_text(*bytes));
      faults.push_back(bytes.error().message());
    }
    return std::nullopt;
  };
  const auto text = text_of(std::string(file.name));
  const auto bak = text_of(std::string(file.name) + ".bak");
  return format::load_config(file, text, bak).value;
}

}  // namespace

std::vector<GroupOffset> read_group_offsets(const DumpInput& input, std::vector<std::string>& faults) {
  std::vector<GroupOffset> all;
  if (const auto value = load(input, format::ConfigFileKind::consumer_offsets, faults)) {
    if (const auto read = format::read_consumer_offsets(*value)) {
      for (const format::ConsumerOffset& one : *read)
        all.push_back({one.group, one.topic, one.queue_id, one.offset});
    }
  }
  if (const auto value = load(input, format::ConfigFileKind::delay_offsets, faults)) {
    if (const auto read = format::read_delay_offsets(*value)) {
      for (const format::DelayOffset& one : *read)
        all.push_back(
            {std::string(kDelayLevels), std::string(format::kScheduleTopic), one.level - 1, one.offset});
    }
  }
  return all;
}

}  // namespace rmq::forensics
