#include "libstore/scan/store_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/tags_code.h"

namespace rmq::scan {
namespace {

struct Line {
  std::size_t number = 0;
  std::string text;
  std::string key;
  std::string value;
};

// Keys that nearly every broker.conf has, besides those that are read here.
constexpr std::array<std::string_view, 8> kUsualKeys{"brokerClusterName", "brokerName",      "brokerId",
                                                     "brokerRole",        "namesrvAddr",     "listenPort",
                                                     "deleteWhen",        "fileReservedTime"};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f'; }

// java.util.Properties.load: comments, continuation lines, `=`, `:` or blanks as separator, backslash
// escapes.
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
        while (i + 1 < logical.size() && (is_blank(logical[i + 1]) ||
                                          (!separated && (logical[i + 1] == '=' || logical[i + 1] == ':')))) {
          separated = separated || !is_blank(logical[i + 1]);
          ++i;
        }
      } else {
        *into += c;
      }
    }
    line.text = std::move(logical);
    if (!line.text.empty()) lines.push_back(std::move(line));
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
  return wrong_use("line " + std::to_string(line.number) + ": " + line.key + "='" + line.value + "' is not " +
                   std::string(wanted));
}

// Properties.load takes any text; a line that names no key, or gives it no value, was not written for a
// broker.
std::optional<Error> check_form(const Line& line) {
  const bool word = !line.key.empty() && std::ranges::all_of(line.key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
  const bool separated = line.text.size() > line.key.size();
  if (word && separated) return std::nullopt;
  constexpr std::size_t kShown = 40;
  return wrong_use("line " + std::to_string(line.number) + ": '" + line.text.substr(0, kShown) +
                   "' is not key=value");
}

bool equals_ignore_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, {}, [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; },
      [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
}

// Reads the keys that matter here, one line at a time.
class ConfReader {
 public:
  explicit ConfReader(StoreConfig& config) : config_(config) {}

  std::optional<Error> take(const Line& line) {
    line_ = &line;
    const std::string& key = line.key;
    StoreConfig& c = config_;
    if (key == "mappedFileSizeCommitLog") return size(c.commit_log_file_size, 1);
    if (key == "mappedFileSizeConsumeQueue")
      return size(c.consume_queue_file_size, format::kConsumeQueueEntrySize);
    if (key == "mappedFileSizeConsumeQueueExt") return size(c.consume_queue_ext_file_size, 1);
    if (key == "mapperFileSizeBatchConsumeQueue") {
      return size(c.batch_consume_queue_file_size, format::kBatchConsumeQueueEntrySize);
    }
    if (key == "maxHashSlotNum") return count(c.index_slots);
    if (key == "maxIndexNum") return count(c.index_entries);
    if (key == "checkCRCOnRecover") return flag(c.check_crc_on_recover);
    if (key == "forceVerifyPropCRC") return flag(c.force_verify_prop_crc);
    if (key == "duplicationEnable") return flag(c.duplication_enable);
    if (key == "enableControllerMode") return flag(c.enable_controller_mode);
    if (key == "messageIndexEnable") return flag(c.message_index_enable);
    if (key == "messageIndexSafe") return flag(c.message_index_safe);
    if (key == "recheckReputOffsetFromCq") return flag(c.recheck_reput_offset_from_cq);
    if (key == "enableDLegerCommitLog") return flag(c.dledger);
    if (key == "flushDiskType") return choice(c.sync_flush, "ASYNC_FLUSH", "SYNC_FLUSH");
    if (key == "storeType") return choice(c.rocksdb_store, "default", "defaultRocksDB");
    if (key == "messageDelayLevel") {
      if (!format::DelayLevels::parse(line.value))
        return bad_value(line, "delay levels like '1s 5s 10m 2h 1d'");
      return assign(c.message_delay_level, line.value);
    }
    if (key == "storePathRootDir") return assign(root_there_, line.value);
    if (key == "storePathCommitLog") return assign(commit_log_, split_paths(line.value));
    if (key == "readOnlyCommitLogStorePaths") return assign(read_only_, split_paths(line.value));
    if (key == "storePathConsumeQueue") return assign(consume_queue_, line.value);
    if (key == "storePathIndex") return assign(index_, line.value);
    known_ = known_ || std::ranges::find(kUsualKeys, key) != kUsualKeys.end();
    return std::nullopt;
  }

  // Paths come last: what they stand for depends on storePathRootDir, wherever that line is.
  void finish() {
    if (config_.commit_log_directories.empty() && !commit_log_.empty()) {
      config_.commit_log_directories = commit_log_;
      for (const std::string& path : read_only_) {
        auto& known = config_.commit_log_directories;
        if (std::ranges::find(known, path) == known.end()) known.push_back(path);
        config_.read_only_commit_log_directories.push_back(here(path));
      }
      for (std::string& path : config_.commit_log_directories) path = here(std::move(path));
    }
    if (config_.consume_queue_directory.empty()) config_.consume_queue_directory = here(consume_queue_);
    if (config_.index_directory.empty()) config_.index_directory = here(index_);
    config_.broker_conf_says_something = known_;
  }

 private:
  template <class T>
  std::optional<Error> assign(T& into, T value) {
    into = std::move(value);
    known_ = true;
    return std::nullopt;
  }

  // All of them are Java ints.
  std::optional<Error> size(std::optional<std::int64_t>& into, std::int64_t unit) {
    const std::string& text = line_->value;
    std::int64_t value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault != std::errc{} || end != text.data() + text.size() || value <= 0 ||
        value > std::numeric_limits<std::int32_t>::max()) {
      return bad_value(*line_, "a whole number from 1 to 2147483647");
    }
    return assign(into, std::optional((value + unit - 1) / unit * unit));  // stock rounds up to whole units
  }

  std::optional<Error> count(std::optional<std::int32_t>& into) {
    std::optional<std::int64_t> value;
    if (auto fault = size(value, 1)) return fault;
    into = static_cast<std::int32_t>(*value);
    return std::nullopt;
  }

  std::optional<Error> flag(bool& into) {
    if (equals_ignore_case(line_->value, "true")) return assign(into, true);
    if (equals_ignore_case(line_->value, "false")) return assign(into, false);
    return bad_value(*line_, "true or false");
  }

  std::optional<Error> choice(bool& into, std::string_view no, std::string_view yes) {
    if (equals_ignore_case(line_->value, yes)) return assign(into, true);
    if (equals_ignore_case(line_->value, no)) return assign(into, false);
    return bad_value(*line_, std::string(no) + " or " + std::string(yes));
  }

  // A path of the broker's machine, where the store may have lain elsewhere.
  [[nodiscard]] std::string here(std::string path) const {
    constexpr std::string_view kRoot = "{ROOT}";
    if (const auto at = path.find(kRoot); at != std::string::npos)
      return path.replace(at, kRoot.size(), config_.root);
    if (root_there_.empty() || config_.root.empty()) return path;
    const std::string below = io::join_path(root_there_, "");
    return path.starts_with(below) ? io::join_path(config_.root, path.substr(below.size())) : path;
  }

  StoreConfig& config_;
  const Line* line_ = nullptr;
  bool known_ = false;
  std::string root_there_;
  std::vector<std::string> commit_log_;
  std::vector<std::string> read_only_;
  std::string consume_queue_;
  std::string index_;
};

}  // namespace

Result<StoreConfig> apply_broker_conf(StoreConfig config, std::string_view text) {
  config.from_broker_conf = true;
  ConfReader reader(config);
  for (const Line& line : properties_lines(text)) {
    if (auto fault = check_form(line)) return *std::move(fault);
    config.keys[line.key] = line.value;
    if (auto fault = reader.take(line)) return *std::move(fault);
  }
  reader.finish();
  return config;
}

}  // namespace rmq::scan
