#include "libstore/forensics/message_name.h"

#include <charconv>

namespace rmq::forensics {
namespace {

bool all_of_class(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

std::optional<std::int64_t> number(std::string_view text, int base) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::int64_t> typed_offset(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) return number(text.substr(2), 16);
  // More digits than any offset has: a UNIQ_KEY may be all digits.
  return all_of_class(text, "0123456789") && text.size() < 20 ? number(text, 10) : std::nullopt;
}

std::optional<std::int64_t> offset_of_message_id(std::string_view id) {
  if ((id.size() != 32 && id.size() != 56) || !all_of_class(id, "0123456789ABCDEFabcdef"))
    return std::nullopt;
  return number(id.substr(id.size() - 16), 16);
}

}  // namespace rmq::forensics
