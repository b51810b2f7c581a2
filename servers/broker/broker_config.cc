#include "servers/broker/broker_config.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <numeric>
#include <optional>

namespace rmq::broker {
namespace {

struct Range {
  std::int64_t minimum;
  std::int64_t maximum;
};

Range range_of(const ConfigKey& key) {
  const bool narrow = key.type == KeyType::int32;
  return {
      std::max(key.minimum, narrow ? std::int64_t{std::numeric_limits<std::int32_t>::min()} : kNoMinimum),
      std::min(key.maximum, narrow ? std::int64_t{std::numeric_limits<std::int32_t>::max()} : kNoMaximum)};
}

std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t number = 0;
  if (text.size() > 1 && text.starts_with('+')) text.remove_prefix(1);
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_word(std::string_view text, std::string_view word) {
  return std::ranges::equal(text, word, {},
                            [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
}
bool is_true(std::string_view text) { return is_word(text, "true"); }

// String.trim.
std::string_view trimmed(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

bool is_one_of(std::string_view word, std::string_view words) {
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    if (words.substr(0, end) == word) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

std::string joined(std::string_view words) {
  std::string text;
  for (const char c : words) c == ' ' ? text += ", " : text += c;
  return text;
}

// What the key should have been, where `text` is nothing for it.
std::string wanted(const ConfigKey& key, std::string_view text) {
  switch (key.type) {
    case KeyType::text: return {};
    case KeyType::flag:
      return is_true(text) || is_word(text, "false") ? std::string()
                                                     : "true or false (anything but true is false)";
    case KeyType::choice: {
      const std::string_view choices = choices_of(key.name);
      return is_one_of(text, choices) ? std::string() : "one of " + joined(choices);
    }
    case KeyType::real: {
      const std::string copy(text);
      char* end = nullptr;
      std::strtod(copy.c_str(), &end);
      return !copy.empty() && *end == '\0' ? std::string() : "a number";
    }
    case KeyType::int32:
    case KeyType::int64: break;
  }
  const Range range = range_of(key);
  const auto number = to_number(text);
  if (number && *number >= range.minimum && *number <= range.maximum) return {};
  std::string what = "a number";
  if (range.minimum != kNoMinimum && range.maximum != kNoMaximum)
    what += " from " + std::to_string(range.minimum) + " to " + std::to_string(range.maximum);
  else if (range.minimum != kNoMinimum)
    what += " of " + std::to_string(range.minimum) + " or more";
  if (number != to_number(trimmed(text))) what += " without blanks around it";
  return what;
}

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
      const std::size_t changed = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, changed});
    }
  }
  return row.back();
}

std::string unknown_key(std::string_view name) {
  constexpr std::size_t kShown = 80;
  const std::string said = "unknown key " + std::string(name.substr(0, kShown)) + ": ignored";
  if (name.size() > kShown) return said;
  // Names of 3.x, with one p.
  if (const std::size_t at = std::min(name.find("maped"), name.find("Maped")); at != std::string_view::npos) {
    std::string better(name);
    better.insert(at + 2, 1, 'p');
    if (key_index(better) < kConfigKeys.size()) return said + "; it is spelled " + better;
  }
  const auto nearest = std::ranges::min_element(
      kConfigKeys, {}, [&](const ConfigKey& key) { return distance(name, key.name); });
  const std::size_t far = distance(name, nearest->name);
  return far <= 1 + name.size() / 4 ? said + "; did you mean " + std::string(nearest->name) + '?' : said;
}

// Of no meaning here, and nobody's mistake: the address server, which every RocketMQ process reads of from
// the same file, and what 5.x adds when it rewrites the file: fields by names that it does not read itself.
bool is_known_elsewhere(std::string_view name) {
  return is_one_of(name,
                   "rmqAddressServerDomain rmqAddressServerSubGroup isBrokerContainer isInBrokerContainer "
                   "isScanAvailableNameSrv");
}

}  // namespace

BrokerConfig::BrokerConfig(const Surroundings& surroundings) {
  for (const ConfigKey& key : kConfigKeys) set(key.name, key.default_text);
  const std::int64_t cores = surroundings.cores;
  const std::int64_t senders = std::min<std::int64_t>(cores, 4);
  set("rocketmqHome", surroundings.home);
  set("namesrvAddr", surroundings.namesrv);
  set("brokerName", surroundings.host_name.empty() ? "DEFAULT_BROKER" : surroundings.host_name);
  set("brokerIP1", surroundings.address);
  set("brokerIP2", surroundings.address);
  set("storePathRootDir", surroundings.user_home + "/store");
  set("sendMessageThreadPoolNums", std::to_string(senders));
  set("putMessageFutureThreadPoolNums", std::to_string(senders));
  for (const std::string_view pool :
       {"pullMessageThreadPoolNums", "litePullMessageThreadPoolNums", "processReplyMessageThreadPoolNums"})
    set(pool, std::to_string(16 + cores * 2));
  set("queryMessageThreadPoolNums", std::to_string(8 + cores));
  set("heartbeatThreadPoolNums", std::to_string(std::min<std::int64_t>(32, cores)));
  set("endTransactionThreadPoolNums", std::to_string(std::max(8 + cores * 2, senders * 4)));
  set("clientCallbackExecutorThreads", std::to_string(cores));
}

void BrokerConfig::set(std::string_view name, std::string_view text) {
  for (std::size_t index = 0; index < kConfigKeys.size(); ++index) {
    const ConfigKey& key = kConfigKeys[index];
    if (key.name != name) continue;
    if (key.type == KeyType::flag) numbers_[index].store(is_true(text) ? 1 : 0, std::memory_order_relaxed);
    if (key.type == KeyType::int32 || key.type == KeyType::int64)
      numbers_[index].store(to_number(text).value_or(0), std::memory_order_relaxed);
    const std::unique_lock lock(mutex_);
    if (key.type == KeyType::flag)
      texts_[index] = is_true(text) ? "true" : "false";
    else if (key.type == KeyType::text)
      texts_[index] = trimmed(text);
    else
      texts_[index] = text;
  }
}

std::vector<std::string> BrokerConfig::apply(const wire::Properties& properties) {
  std::vector<std::string> warnings;
  for (const auto& [name, text] : properties) {
    const std::size_t index = key_index(name);
    if (index == kConfigKeys.size()) {
      if (!is_known_elsewhere(name)) warnings.push_back(unknown_key(name));
      const std::unique_lock lock(mutex_);
      others_.insert_or_assign(name, text);
      continue;
    }
    const ConfigKey& key = kConfigKeys[index];
    if (const std::string what = wanted(key, text); !what.empty()) {
      warnings.push_back(name + '=' + text.substr(0, 80) + " is not " + what +
                         (key.type == KeyType::flag ? std::string() : "; " + shown(index) + " stays"));
      if (key.type != KeyType::flag) continue;
    }
    const std::string before = shown(index);
    set(name, text);
    if (key.state == KeyState::later && shown(index) != key.default_text && shown(index) != before)
      warnings.push_back(name + '=' + shown(index) + " has no effect: not supported yet (" +
                         std::string(key.feature) + ")");
  }
  return warnings;
}

Status BrokerConfig::settle() {
  const std::string role = text<"brokerRole">();
  if (role == "SLAVE") return wrong_use("brokerRole=SLAVE: HA is not supported yet");
  if (flag<"enableControllerMode">())
    return wrong_use("enableControllerMode=true: the controller is not supported yet");
  if (flag<"enableDLegerCommitLog">())
    return wrong_use("enableDLegerCommitLog=true: a DLedger store cannot be served yet");
  if (text<"storeType">() == "defaultRocksDB")
    return wrong_use("storeType=defaultRocksDB: queues in RocksDB cannot be served yet");
  set("brokerId", "0");
  if (number<"haListenPort">() <= 0) set("haListenPort", std::to_string(number<"listenPort">() + 1));
  return {};
}

std::string BrokerConfig::shown(std::size_t index) const {
  const std::shared_lock lock(mutex_);
  return texts_[index];
}

wire::Properties BrokerConfig::all() const {
  const std::shared_lock lock(mutex_);
  wire::Properties properties = others_;
  // An empty text is null in Java as well, and must not come back as "".
  for (std::size_t index = 0; index < kConfigKeys.size(); ++index)
    if (!texts_[index].empty())
      properties.insert_or_assign(std::string(kConfigKeys[index].name), texts_[index]);
  return properties;
}

std::string BrokerConfig::printed(bool important) const {
  std::string text;
  const std::shared_lock lock(mutex_);
  for (std::size_t index = 0; index < kConfigKeys.size(); ++index) {
    if (important && !kConfigKeys[index].important) continue;
    text += kConfigKeys[index].name;
    text += '=';
    text += texts_[index];
    text += '\n';
  }
  return text;
}

void BrokerConfig::set_path(std::string path) {
  set("brokerConfigPath", path);
  const std::unique_lock lock(mutex_);
  path_ = std::move(path);
}

std::string BrokerConfig::path() const {
  const std::shared_lock lock(mutex_);
  return path_;
}

format::DataVersion BrokerConfig::data_version() const {
  const std::shared_lock lock(mutex_);
  return version_;
}

Result<std::vector<std::string>> BrokerConfig::update(io::FileSystem& files, const wire::Properties& changes,
                                                      std::int64_t now_ms) {
  std::string black_list = text<"configBlackList">();
  std::ranges::replace(black_list, ';', ' ');
  for (const auto& [name, value] : changes) {
    if (is_one_of(name, black_list) || is_one_of(name, "configBlackList brokerConfigPath rocketmqHome"))
      return wrong_use("Can not update config in black list.");
  }
  // Unlike a file, this makes no new keys (Configuration.mergeIfExist).
  wire::Properties known;
  std::vector<std::string> warnings;
  for (const auto& [name, value] : changes) {
    if (key_index(name) < kConfigKeys.size())
      known.emplace(name, value);
    else
      warnings.push_back(unknown_key(name));
  }
  for (std::string& warning : apply(known)) warnings.push_back(std::move(warning));
  {
    const std::unique_lock lock(mutex_);
    ++version_.counter;
    version_.timestamp = now_ms;
  }
  if (const std::string file = path(); !file.empty()) {
    const std::string written = wire::write_properties(all());
    RMQ_CHECK(files.replace(file, std::as_bytes(std::span(written))));
  }
  return warnings;
}

}  // namespace rmq::broker
