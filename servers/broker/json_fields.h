// Members of JSON that came from a client, read as Java's setters take them: what is missing or of another
// kind is as if it were not there.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "libstore/bytes/big_endian.h"
#include "libstore/json/json_value.h"

namespace rmq::broker {

// A value costs about 100 bytes of memory: a frame of 16 MiB must not become 400 MiB of them. A client with
// thousands of subscriptions has some ten thousand values.
[[nodiscard]] inline json::Parsed<json::Value> parse_body(std::span<const std::byte> body) {
  return json::parse(as_text(body), {.bytes = 16 << 20, .values = 1 << 18, .depth = 32});
}

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
