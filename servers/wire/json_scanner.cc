#include "servers/wire/json_scanner.h"

namespace rmq::wire {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char* put_utf8(char* to, std::uint32_t unit) {
  const auto put = [&](std::uint32_t byte) { *to++ = static_cast<char>(byte); };
  if (unit < 0x80) {
    put(unit);
  } else if (unit < 0x800) {
    put(0xC0U | unit >> 6);
    put(0x80U | (unit & 0x3FU));
  } else {
    put(0xE0U | unit >> 12);
    put(0x80U | (unit >> 6 & 0x3FU));
    put(0x80U | (unit & 0x3FU));
  }
  return to;
}

}  // namespace

bool JsonScanner::number(std::int32_t& out) {
  skip_space();
  const auto [end, fault] = std::from_chars(at_, end_, out);
  if (fault != std::errc{}) return false;
  at_ = end;
  return true;  // what follows ("1.5", "1e3") has to be a comma or a brace, or the caller finds out
}

// No escape is shorter than what it stands for.
bool JsonScanner::unescape(std::string_view& out) {
  const auto room = static_cast<std::size_t>(end_ - at_);
  char* const start = reinterpret_cast<char*>(arena_.take(room));
  char* to = start;
  while (true) {
    const char* stop = plain_end(at_);
    std::memcpy(to, at_, static_cast<std::size_t>(stop - at_));
    to += stop - at_;
    at_ = stop;
    if (at_ == end_) return false;
    if (*at_ == '"') break;
    if (*at_ != '\\') return false;  // a raw control character
    ++at_;
    if (!escape(to)) return false;
  }
  ++at_;
  out = {start, static_cast<std::size_t>(to - start)};
  arena_.shrink(room, out.size());
  return true;
}

bool JsonScanner::escape(char*& to) {
  if (at_ == end_) return false;
  switch (*at_++) {
    case '"': *to++ = '"'; return true;
    case '\\': *to++ = '\\'; return true;
    case '/': *to++ = '/'; return true;
    case 'b': *to++ = '\b'; return true;
    case 'f': *to++ = '\f'; return true;
    case 'n': *to++ = '\n'; return true;
    case 'r': *to++ = '\r'; return true;
    case 't': *to++ = '\t'; return true;
    case 'u': {
      std::uint32_t unit = 0;
      if (!utf16(unit) || (unit >= 0xD800 && unit < 0xE000)) return false;
      to = put_utf8(to, unit);
      return true;
    }
    default: return false;
  }
}

bool JsonScanner::utf16(std::uint32_t& unit) {
  if (end_ - at_ < 4) return false;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_digit(*at_++);
    if (digit < 0) return false;
    unit = unit * 16 + static_cast<std::uint32_t>(digit);
  }
  return true;
}

}  // namespace rmq::wire
