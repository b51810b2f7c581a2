// Members of JSON that came from a client, read as Java's setters take them: what is missing or of another
// kind is as if it were not there.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libstore/json/json_value.h"

namespace rmq::broker {

[[nodiscard]] inline std::optional<std::string> text_field(const json::Value& object, std::string_view name) {
  const json::Value* member = object.find(name);
  const std::string* text = member == nullptr ? nullptr : member->if_string();
  if (text == nullptr) return std::nullopt;
  return *text;
}

[[nodiscard]] inline bool true_field(const json::Value& object, std::string_view name) {
  const json::Value* member = object.find(name);
  return member != nullptr && member->as_bool().value_or(false);
}

template <class Visit>
void for_each_item(const json::Value& object, std::string_view name, Visit visit) {
  const json::Value* member = object.find(name);
  const json::Array* array = member == nullptr ? nullptr : member->if_array();
  if (array == nullptr) return;
  for (const json::Value& item : array->items) visit(item);
}

}  // namespace rmq::broker
