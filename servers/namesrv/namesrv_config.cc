#include "servers/namesrv/namesrv_config.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace rmq::namesrv {
namespace {

const ConfigKey* find_key(std::string_view name) {
  const auto keys = config_keys();
  const auto key = std::ranges::find(keys, name, &ConfigKey::name);
  return key == keys.end() ? nullptr : &*key;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// Changes of one byte that lead from one name to the other.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j < row.size(); ++j) {
      const std::size_t replaced =
          diagonal + (equal_ignoring_case(from.substr(i - 1, 1), to.substr(j - 1, 1)) ? 0U : 1U);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

std::string_view nearest_key(std::string_view name) {
  const auto keys = config_keys();
  return std::ranges::min_element(keys, {}, [&](const ConfigKey& key) { return distance(name, key.name); })
      ->name;
}

template <class T>
std::optional<T> java_number(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

// The value as Java's field then prints it; nothing where Java leaves the old one (properties2Object).
std::optional<std::string> converted(const ConfigKey& key, std::string_view text, std::string& warning) {
  const std::string said = std::string(key.name) + "=" + std::string(text.substr(0, 200));
  switch (key.type) {
    case KeyType::flag:
      if (equal_ignoring_case(text, "true")) return "true";
      if (!equal_ignoring_case(text, "false")) warning = said + " is taken for false: only \"true\" is true";
      return "false";
    case KeyType::int32:
      if (const auto number = java_number<std::int32_t>(text)) return std::to_string(*number);
      warning = said + " is not taken: no whole number of 32 bits (a blank behind it, perhaps)";
      return std::nullopt;
    case KeyType::int64:
      if (const auto number = java_number<std::int64_t>(text)) return std::to_string(*number);
      warning = said + " is not taken: no whole number (a blank behind it, perhaps)";
      return std::nullopt;
    case KeyType::text: return std::string(trimmed(text));
  }
  return std::nullopt;
}

std::string about_state(const ConfigKey& key) {
  if (key.state == KeyState::later)
    return std::string(key.name) + " has no effect: its feature is not there yet";
  return {};
}

std::string with_home(std::string_view value, const std::string& home) {
  constexpr std::string_view kHome = "$HOME";
  return value.starts_with(kHome) ? home + std::string(value.substr(kHome.size())) : std::string(value);
}

}  // namespace

NamesrvConfig::NamesrvConfig(const Surroundings& surroundings) {
  for (const ConfigKey& key : config_keys())
    values_.emplace(key.name, with_home(key.value, surroundings.user_home));
  values_.insert_or_assign("rocketmqHome", surroundings.rocketmq_home);
  rebuild();
}

void NamesrvConfig::apply(const wire::Properties& properties, std::vector<std::string>& warnings) {
  for (const auto& [name, text] : properties) {
    const ConfigKey* key = find_key(name);
    if (key == nullptr) continue;
    std::string warning;
    const auto value = converted(*key, text, warning);
    if (!warning.empty()) warnings.push_back(std::move(warning));
    if (!value) continue;
    std::string& place = values_.find(name)->second;
    if (place != *value)
      if (std::string state = about_state(*key); !state.empty()) warnings.push_back(std::move(state));
    place = *value;
  }
  rebuild();
}

std::vector<std::string> NamesrvConfig::take_file(const wire::Properties& file, const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> warnings;
  for (const auto& [name, text] : file) {
    if (find_key(name) != nullptr) continue;
    others_.insert_or_assign(name, text);
    warnings.push_back("unknown key " + name.substr(0, 200) + "; the nearest is " +
                       std::string(nearest_key(name.substr(0, 200))));
  }
  apply(file, warnings);
  values_.insert_or_assign("configStorePath", path);
  rebuild();
  return warnings;
}

std::vector<std::string> NamesrvConfig::update(const wire::Properties& changes) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> warnings;
  for (const auto& [name, text] : changes) {
    if (find_key(name) != nullptr) continue;
    if (const auto other = others_.find(name); other != others_.end()) {
      other->second = text;
    } else {
      warnings.push_back("unknown key " + name.substr(0, 200) + " is not taken");
    }
  }
  apply(changes, warnings);
  return warnings;
}

void NamesrvConfig::rebuild() {
  const auto text = [&](std::string_view name) -> const std::string& { return values_.find(name)->second; };
  const auto flag = [&](std::string_view name) { return text(name) == "true"; };
  const auto number = [&](std::string_view name) {
    return java_number<std::int64_t>(text(name)).value_or(0);
  };
  auto settings = std::make_shared<Settings>();
  settings->bind_address = text("bindAddress");
  settings->listen_port =
      static_cast<std::uint16_t>(std::clamp<std::int64_t>(number("listenPort"), 0, 65535));
  settings->max_idle_seconds = number("serverChannelMaxIdleTimeSeconds");
  settings->scan_interval_ms = std::max<std::int64_t>(number("scanNotActiveBrokerInterval"), 1);
  settings->kv_config_path = text("kvConfigPath");
  settings->config_store_path = text("configStorePath");
  settings->config_black_list = text("configBlackList");
  settings->order_message_enable = flag("orderMessageEnable");
  settings->return_order_topic_config = flag("returnOrderTopicConfigToBroker");
  settings->support_acting_master = flag("supportActingMaster");
  settings->enable_all_topic_list = flag("enableAllTopicList");
  settings->enable_topic_list = flag("enableTopicList");
  settings->notify_min_broker_id_changed = flag("notifyMinBrokerIdChanged");
  settings->need_wait_for_service = flag("needWaitForService");
  settings->wait_seconds_for_service = number("waitSecondsForService");
  settings->delete_topic_with_registration = flag("deleteTopicWithBrokerRegistration");
  settings_ = std::move(settings);
}

std::shared_ptr<const Settings> NamesrvConfig::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

wire::Properties NamesrvConfig::shown() const {
  const std::lock_guard lock(mutex_);
  wire::Properties shown = others_;
  for (const ConfigKey& key : config_keys())
    if (key.owner != KeyOwner::client)
      shown.insert_or_assign(std::string(key.name), values_.find(key.name)->second);
  return shown;
}

std::string NamesrvConfig::printed() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const ConfigKey& key : config_keys())
    text += std::string(key.name) + "=" + values_.find(key.name)->second + "\n";
  return text;
}

}  // namespace rmq::namesrv
