#include "servers/wire/field_reader.h"

#include <algorithm>
#include <charconv>

namespace rmq::wire {
namespace {

bool parse_boolean(std::string_view text) {
  constexpr std::string_view kTrue = "true";
  return text.size() == kTrue.size() &&
         std::equal(text.begin(), text.end(), kTrue.begin(), [](char a, char b) { return (a | 0x20) == b; });
}

}  // namespace

std::optional<std::string_view> FieldReader::mandatory(std::string_view name) {
  auto value = request_.field(name);
  if (!value && remark_.empty()) remark_ = "the custom field <" + std::string(name) + "> is null";
  return value;
}

// Integer.parseInt: one sign, digits, nothing else.
template <class T>
std::optional<T> FieldReader::number(std::string_view name, std::string_view text) {
  T value = 0;
  std::string_view digits = text;
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (fault == std::errc{} && end == digits.data() + digits.size()) return value;
  if (remark_.empty())
    remark_ = "the custom field <" + std::string(name) + "> is no number: \"" + std::string(text) + '"';
  return std::nullopt;
}

std::string_view FieldReader::text(std::string_view name) { return mandatory(name).value_or(""); }

std::int32_t FieldReader::i32(std::string_view name) {
  const auto value = mandatory(name);
  return value ? number<std::int32_t>(name, *value).value_or(0) : 0;
}

std::int64_t FieldReader::i64(std::string_view name) {
  const auto value = mandatory(name);
  return value ? number<std::int64_t>(name, *value).value_or(0) : 0;
}

bool FieldReader::boolean(std::string_view name) {
  const auto value = mandatory(name);
  return value && parse_boolean(*value);
}

std::string_view FieldReader::text_or(std::string_view name, std::string_view otherwise) const {
  return request_.field(name).value_or(otherwise);
}

std::optional<std::int32_t> FieldReader::i32_if(std::string_view name) {
  const auto value = request_.field(name);
  return value ? number<std::int32_t>(name, *value) : std::nullopt;
}

std::optional<std::int64_t> FieldReader::i64_if(std::string_view name) {
  const auto value = request_.field(name);
  return value ? number<std::int64_t>(name, *value) : std::nullopt;
}

std::int32_t FieldReader::i32_or(std::string_view name, std::int32_t otherwise) {
  return i32_if(name).value_or(otherwise);
}

std::int64_t FieldReader::i64_or(std::string_view name, std::int64_t otherwise) {
  return i64_if(name).value_or(otherwise);
}

bool FieldReader::boolean_or(std::string_view name, bool otherwise) const {
  const auto value = request_.field(name);
  return value ? parse_boolean(*value) : otherwise;
}

Response FieldReader::refusal() const {
  return {.code = 1, .remark = remark_, .fields = {}, .body = {}, .parts = {}};
}

}  // namespace rmq::wire
