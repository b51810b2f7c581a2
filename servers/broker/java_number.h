// Numbers and truth values as Java reads them out of header fields and properties: Integer.parseInt,
// Long.parseLong, Boolean.parseBoolean, for ASCII digits.
#pragma once

#include <charconv>
#include <string_view>
#include <system_error>

namespace rmq::broker {

// False, and `into` as it was, for what is no such number.
template <class T>
[[nodiscard]] bool parse_java_number(std::string_view text, T& into) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  T parsed{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (problem != std::errc{} || end != text.data() + text.size()) return false;
  into = parsed;
  return true;
}

[[nodiscard]] constexpr bool is_java_true(std::string_view text) {
  constexpr std::string_view kTrue = "true";
  if (text.size() != kTrue.size()) return false;
  for (std::size_t at = 0; at < kTrue.size(); ++at)
    if (static_cast<char>(text[at] | 0x20) != kTrue[at]) return false;
  return true;
}

}  // namespace rmq::broker
