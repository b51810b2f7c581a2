#include "libstore/format/abort_file.h"

#include <charconv>

namespace rmq::format {

std::optional<std::int64_t> parse_abort_file(std::string_view text) {
  std::int64_t pid = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (fault != std::errc{} || end != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

}  // namespace rmq::format
