#include "libstore/format/mapped_file_name.h"

#include <charconv>

namespace rmq::format {
namespace {

std::optional<std::int64_t> digits(std::string_view name, std::size_t length) {
  if (name.size() != length) return std::nullopt;
  for (const char c : name) {
    if (c < '0' || c > '9') return std::nullopt;
  }
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(name.data(), name.data() + name.size(), value);
  if (fault != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string mapped_file_name(std::int64_t start_offset) {
  std::string text = std::to_string(start_offset);
  if (text.size() < kMappedFileNameLength) text.insert(0, kMappedFileNameLength - text.size(), '0');
  return text;
}

std::optional<std::int64_t> parse_mapped_file_name(std::string_view name) {
  return digits(name, kMappedFileNameLength);
}

std::optional<std::int64_t> parse_index_file_name(std::string_view name) {
  return digits(name, kIndexFileNameLength);
}

}  // namespace rmq::format
