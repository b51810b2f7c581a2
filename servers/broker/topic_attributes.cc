#include "servers/broker/topic_attributes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace rmq::broker {
namespace {

struct Attribute {
  std::string_view name;
  bool changeable;
  std::array<std::string_view, 7> values;  // none: a number of -1 or more
  std::string_view shown;                  // the values as a Java HashSet prints them
};

// Attribute reserve.time is for tiered storage alone: refused in any store that is not.
constexpr std::array<Attribute, 4> kAttributes{{
    {"queue.type", false, {"BatchCQ", "SimpleCQ"}, "[BatchCQ, SimpleCQ]"},
    {"cleanup.policy", false, {"DELETE", "COMPACTION"}, "[COMPACTION, DELETE]"},
    {"message.type",
     true,
     {"UNSPECIFIED", "NORMAL", "FIFO", "DELAY", "TRANSACTION", "MIXED"},
     "[UNSPECIFIED, DELAY, NORMAL, TRANSACTION, MIXED, FIFO]"},
    {"reserve.time", true, {}, {}},
}};

std::optional<Error> check_value(const Attribute& attribute, std::string_view value) {
  if (attribute.shown.empty()) {
    std::int64_t number = 0;
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (problem != std::errc{} || end != value.data() + value.size())
      return wrong_use("For input string: \"" + std::string(value) + '"');
    if (number < -1) return wrong_use("value is not in range(-1, 9223372036854775807)");
    return std::nullopt;
  }
  if (!value.empty() && std::ranges::find(attribute.values, value) != attribute.values.end())
    return std::nullopt;
  return wrong_use("value is not in set: " + std::string(attribute.shown));
}

std::optional<Error> check(bool initial, bool removed, const std::string& name, std::string_view value) {
  const auto attribute = std::ranges::find(kAttributes, name, &Attribute::name);
  if (attribute == kAttributes.end()) return wrong_use("unsupported key: " + name);
  if (!initial && !attribute->changeable)
    return wrong_use("attempt to update an unchangeable attribute. key: " + name);
  return removed ? std::nullopt : check_value(*attribute, value);
}

}  // namespace

Result<Attributes> parse_attribute_changes(std::string_view text) {
  Attributes changes;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const std::size_t equals = part.find('=');
    std::string key(part.substr(0, equals));
    std::string value;
    if (equals != std::string_view::npos) {
      value = part.substr(equals + 1, part.find('=', equals + 1) - equals - 1);
      if (value.empty()) return wrong_use("Index 1 out of bounds for length 1");
      if (key.find('+') == std::string::npos) return wrong_use("add/alter attribute format is wrong: " + key);
    } else if (key.find('-') == std::string::npos) {
      return wrong_use("delete attribute format is wrong: " + key);
    }
    if (std::ranges::find(changes, key, &Attributes::value_type::first) != changes.end())
      return wrong_use("key duplication: " + key);
    changes.emplace_back(std::move(key), std::move(value));
  }
  return changes;
}

Result<Attributes> change_attributes(bool new_topic, const Attributes& current, const Attributes& changes) {
  Attributes result = current;
  std::vector<std::string> seen;
  for (const auto& [key, value] : changes) {
    const std::string name = key.empty() ? std::string() : key.substr(1);
    if (name.empty() || name.find_first_of("+-") != std::string::npos)
      return wrong_use("kv string format wrong.");
    if (std::ranges::find(seen, name) != seen.end()) return wrong_use("alter duplication key. key: " + name);
    seen.push_back(name);
    const auto place = std::ranges::find(result, name, &Attributes::value_type::first);
    if (key.front() == '+') {
      if (const auto problem = check(new_topic, false, name, value)) return *problem;
      if (place == result.end())
        result.emplace_back(name, value);
      else
        place->second = value;
    } else if (new_topic) {
      return wrong_use("only add attribute is supported while creating topic. key: " + name);
    } else if (key.front() != '-') {
      return wrong_use("wrong format key: " + name);
    } else if (place == result.end()) {
      return wrong_use("attempt to delete a nonexistent key: " + name);
    } else {
      if (const auto problem = check(false, true, name, value)) return *problem;
      result.erase(place);
    }
  }
  if (std::ranges::find(seen, "reserve.time") != seen.end())
    return wrong_use("Update topic reserveTime not supported");
  return result;
}

}  // namespace rmq::broker
