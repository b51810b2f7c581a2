#include "libstore/scan/store_config.h"

#include <algorithm>
#include <charconv>

namespace rmq::scan {
namespace {

struct Line {
  std::size_t number = 0;
  std::string key;
  std::string value;
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f'; }

// java.util.Properties.load: comments, continuation lines, `=`, `:` or blanks as separator, backslash escapes.
std::vector<Line> properties_lines(std::string_view text) {
  std::vector<Line> lines;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    Line line;
    line.number = number + 1;
    std::string logical;
    for (bool more = true; more && at < text.size();) {
      const std::size_t end = std::min(text.find_first_of("\r\n", at), text.size());
      std::string_view part = text.substr(at, end - at);
      at = end + (text.substr(end).starts_with("\r\n") ? 2 : 1);
      ++number;
      while (!part.empty() && is_blank(part.front())) part.remove_prefix(1);
      if (logical.empty() && (part.empty() || part.front() == '#' || part.front() == '!')) break;
      std::size_t backslashes = 0;
      while (backslashes < part.size() && part[part.size() - 1 - backslashes] == '\\') ++backslashes;
      more = backslashes % 2 == 1;
      logical += part.substr(0, part.size() - (more ? 1 : 0));
    }
    std::string* into = &line.key;
    bool separated = false;
    for (std::size_t i = 0; i < logical.size(); ++i) {
      const char c = logical[i];
      if (c == '\\' && i + 1 < logical.size()) {
        const char escaped = logical[++i];
        *into += escaped == 't' ? '\t' : escaped == 'n' ? '\n' : escaped == 'r' ? '\r' : escaped;
      } else if (into == &line.key && (c == '=' || c == ':' || is_blank(c))) {
        separated = c != ' ' && c != '\t' && c != '\f';
        into = &line.value;
        while (i + 1 < logical.size() &&
               (is_blank(logical[i + 1]) || (!separated && (logical[i + 1] == '=' || logical[i + 1] == ':')))) {
          separated = separated || !is_blank(logical[i + 1]);
          ++i;
        }
      } else {
        *into += c;
      }
    }
    if (!line.key.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> split_paths(std::string_view text) {
  std::vector<std::string> paths;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    while (!part.empty() && is_blank(part.front())) part.remove_prefix(1);
    while (!part.empty() && is_blank(part.back())) part.remove_suffix(1);
    if (!part.empty()) paths.emplace_back(part);
  }
  return paths;
}

Error bad_value(const Line& line, std::string_view wanted) {
  return wrong_use("broker.conf line " + std::to_string(line.number) + ": " + line.key + "=" + line.value +
                   " is not " + std::string(wanted));
}

}  // namespace

Result<StoreConfig> apply_broker_conf(StoreConfig config, std::string_view text) {
  std::vector<std::string> read_only_paths;
  config.from_broker_conf = true;
  for (const Line& line : properties_lines(text)) {
    config.keys[line.key] = line.value;
    const auto size = [&](std::optional<std::int64_t>& into, std::int64_t unit) -> std::optional<Error> {
      std::int64_t value = 0;
      const auto [end, fault] = std::from_chars(line.value.data(), line.value.data() + line.value.size(), value);
      if (fault != std::errc{} || end != line.value.data() + line.value.size() || value <= 0 ||
          value > (std::int64_t{1} << 40)) {
        return bad_value(line, "a positive number of bytes");
      }
      into = (value + unit - 1) / unit * unit;  // stock rounds up to whole units
      return std::nullopt;
    };
    const auto count = [&](std::optional<std::int32_t>& into) -> std::optional<Error> {
      std::optional<std::int64_t> value;
      if (auto fault = size(value, 1)) return fault;
      if (*value > 1'000'000'000) return bad_value(line, "a count below 1,000,000,000");
      into = static_cast<std::int32_t>(*value);
      return std::nullopt;
    };
    const auto flag = [&](bool& into) -> std::optional<Error> {
      if (line.value != "true" && line.value != "false") return bad_value(line, "true or false");
      into = line.value == "true";
      return std::nullopt;
    };
    std::optional<Error> fault;
    if (line.key == "mappedFileSizeCommitLog") fault = size(config.commit_log_file_size, 1);
    if (line.key == "mappedFileSizeConsumeQueue") fault = size(config.consume_queue_file_size, 20);
    if (line.key == "mappedFileSizeConsumeQueueExt") fault = size(config.consume_queue_ext_file_size, 1);
    if (line.key == "mapperFileSizeBatchConsumeQueue") fault = size(config.batch_consume_queue_file_size, 46);
    if (line.key == "maxHashSlotNum") fault = count(config.index_slots);
    if (line.key == "maxIndexNum") fault = count(config.index_entries);
    if (line.key == "checkCRCOnRecover") fault = flag(config.check_crc_on_recover);
    if (line.key == "forceVerifyPropCRC") fault = flag(config.force_verify_prop_crc);
    if (line.key == "duplicationEnable") fault = flag(config.duplication_enable);
    if (line.key == "enableControllerMode") fault = flag(config.enable_controller_mode);
    if (line.key == "messageIndexEnable") fault = flag(config.message_index_enable);
    if (line.key == "messageIndexSafe") fault = flag(config.message_index_safe);
    if (line.key == "recheckReputOffsetFromCq") fault = flag(config.recheck_reput_offset_from_cq);
    if (line.key == "enableDLegerCommitLog") fault = flag(config.dledger);
    if (line.key == "flushDiskType") config.sync_flush = line.value == "SYNC_FLUSH";
    if (line.key == "storeType") config.rocksdb_store = line.value == "defaultRocksDB";
    if (line.key == "messageDelayLevel") config.message_delay_level = line.value;
    if (line.key == "storePathCommitLog" && config.commit_log_directories.empty()) {
      config.commit_log_directories = split_paths(line.value);
    }
    if (line.key == "readOnlyCommitLogStorePaths") read_only_paths = split_paths(line.value);
    if (line.key == "storePathConsumeQueue" && config.consume_queue_directory.empty()) {
      config.consume_queue_directory = line.value;
    }
    if (line.key == "storePathIndex" && config.index_directory.empty()) config.index_directory = line.value;
    if (fault) return *std::move(fault);
  }
  for (std::string& path : read_only_paths) {
    const auto& known = config.commit_log_directories;
    if (!known.empty() && std::find(known.begin(), known.end(), path) == known.end()) {
      config.commit_log_directories.push_back(std::move(path));
    }
  }
  const auto resolve = [&](std::string& path) {
    constexpr std::string_view kRoot = "{ROOT}";
    if (const auto at = path.find(kRoot); at != std::string::npos) path.replace(at, kRoot.size(), config.root);
  };
  for (std::string& path : config.commit_log_directories) resolve(path);
  resolve(config.consume_queue_directory);
  resolve(config.index_directory);
  return config;
}

}  // namespace rmq::scan
