#include "libstore/format/tags_code.h"

#include <algorithm>
#include <charconv>

#include "libstore/bytes/java_string.h"

namespace rmq::format {

bool parse_java_int(std::string_view text, std::int32_t& value) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc{} && end == text.data() + text.size() && !text.empty();
}

DelayLevels::DelayLevels() { *this = *parse(kDefaultDelayLevels); }

Decoded<DelayLevels> DelayLevels::parse(std::string_view text) {
  std::vector<std::int64_t> levels;
  // String.split drops empty parts at the end; elsewhere they are faults.
  text = text.substr(0, text.find_last_not_of(' ') + 1);
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view part = text.substr(at, end - at);
    std::int64_t unit = 0;
    switch (part.empty() ? '\0' : part.back()) {
      case 's': unit = 1000; break;
      case 'm': unit = 60 * 1000; break;
      case 'h': unit = 60 * 60 * 1000; break;
      case 'd': unit = 24 * 60 * 60 * 1000; break;
      default: return DecodeError{DecodeFault::bad_field, at};
    }
    std::int32_t count = 0;
    if (!parse_java_int(part.substr(0, part.size() - 1), count))
      return DecodeError{DecodeFault::bad_field, at};
    levels.push_back(unit * count);
    at = end + 1;
  }
  return DelayLevels(std::move(levels));
}

std::int64_t DelayLevels::deliver_timestamp(std::int32_t level, std::int64_t store_timestamp) const {
  const std::int64_t delay =
      level < 1 || level > max_level() ? 1000 : milliseconds_[static_cast<std::size_t>(level) - 1];
  // Wraps as Java's addition does: the timestamp comes from disk.
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(store_timestamp) +
                                   static_cast<std::uint64_t>(delay));
}

Decoded<std::int64_t> tags_code(const MessageView& message, const StoreProperties& properties,
                                const DelayLevels& levels) {
  std::int64_t code = 0;
  if (properties.tags && !properties.tags->empty()) code = java_hash(*properties.tags);
  if (message.topic == kScheduleTopic && properties.delay) {
    std::int32_t level = 0;
    if (!parse_java_int(*properties.delay, level)) return DecodeError{DecodeFault::bad_field, 0};
    if (level > levels.max_level()) level = levels.max_level();
    if (level > 0) code = levels.deliver_timestamp(level, message.store_timestamp);
  }
  return code;
}

}  // namespace rmq::format
