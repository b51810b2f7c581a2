#include "libstore/json/json_writer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "libstore/bytes/java_string.h"

namespace rmq::json {
namespace {

constexpr std::string_view kHexLower = "0123456789abcdef";
constexpr std::string_view kHexUpper = "0123456789ABCDEF";

// Whether any of 8 bytes needs more than copying: below 0x20, a quote, a backslash, or not ASCII.
bool is_special(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  constexpr std::uint64_t kHigh = 0x8080808080808080ULL;
  const std::uint64_t quote = word ^ (kOnes * '"');
  const std::uint64_t backslash = word ^ (kOnes * '\\');
  // (x - 1) & ~x has the high bit where a byte is zero; false alarms only above a true one.
  const std::uint64_t found = ((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) |
                              ((word - kOnes * 0x20) & ~word) | word;
  return (found & kHigh) != 0;
}

std::size_t plain_prefix(std::string_view text) {
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    if (is_special(word)) break;
  }
  for (; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
  }
  return i;
}

char* escape_control(char* p, unsigned char c) {
  *p++ = '\\';
  switch (c) {
    case '"': *p++ = '"'; return p;
    case '\\': *p++ = '\\'; return p;
    case '\b': *p++ = 'b'; return p;
    case '\f': *p++ = 'f'; return p;
    case '\n': *p++ = 'n'; return p;
    case '\r': *p++ = 'r'; return p;
    case '\t': *p++ = 't'; return p;
    default: break;
  }
  std::memcpy(p, "u00", 3);
  p[3] = kHexLower[c >> 4];
  p[4] = kHexLower[c & 15];
  return p + 5;
}

}  // namespace

void JsonLine::value(double number) {
  if (!std::isfinite(number)) {
    raw("null");
    return;
  }
  char* p = start(32);
  at_ = std::to_chars(p, p + 32, number).ptr;
}

void JsonLine::value(std::string_view text) {
  std::size_t plain = plain_prefix(text);
  char* p = start(plain + 2);
  *p++ = '"';
  std::memcpy(p, text.data(), plain);
  p += plain;
  if (plain == text.size()) {
    *p++ = '"';
    at_ = p;
    return;
  }
  at_ = p;
  // Cleaning leaves well-formed text as it is; only then do bytes above 0x7F go out unchanged.
  const std::string clean = java_clean_utf8(text.substr(plain));
  std::string_view rest = clean;
  p = room(rest.size() * 6 + 1);
  while (!rest.empty()) {
    const auto c = static_cast<unsigned char>(rest.front());
    if (c >= 0x80) {
      *p++ = rest.front();
      rest.remove_prefix(1);
    } else if (c < 0x20 || c == '"' || c == '\\') {
      p = escape_control(p, c);
      rest.remove_prefix(1);
    } else {
      plain = plain_prefix(rest);
      std::memcpy(p, rest.data(), plain);
      p += plain;
      rest.remove_prefix(plain);
    }
  }
  *p++ = '"';
  at_ = p;
}

void JsonLine::grow(std::size_t bytes) {
  const std::size_t used = buffer_ == nullptr ? 0 : size();
  const std::size_t capacity = std::max(used + bytes, 2 * static_cast<std::size_t>(end_ - buffer_.get()));
  auto wider = std::make_unique_for_overwrite<char[]>(capacity);
  if (used != 0) std::memcpy(wider.get(), buffer_.get(), used);
  buffer_ = std::move(wider);
  at_ = buffer_.get() + used;
  end_ = buffer_.get() + capacity;
}

namespace {

// A JSON string as fastjson writes it.
class FastjsonEscaper {
 public:
  FastjsonEscaper(std::string& out, bool browser_compatible)
      : out_(out), browser_compatible_(browser_compatible) {}

  void write(std::string_view text) {
    out_ += '"';
    while (!text.empty()) {
      const std::size_t plain = unescaped_prefix(text);
      out_.append(text, 0, plain);
      text.remove_prefix(plain);
      if (!text.empty()) text.remove_prefix(write_special(text));
    }
    out_ += '"';
  }

 private:
  [[nodiscard]] std::size_t unescaped_prefix(std::string_view text) const {
    const std::string_view plain = text.substr(0, plain_prefix(text));
    return std::min({plain.size(), plain.find('\x7F'), browser_compatible_ ? plain.find('/') : plain.npos});
  }
  // The character at the front; returns its length.
  std::size_t write_special(std::string_view text) {
    const auto c = static_cast<unsigned char>(text.front());
    if (c < 0x80) {
      write_ascii(c);
      return 1;
    }
    const std::size_t length = std::min<std::size_t>(c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4, text.size());
    std::uint32_t point = c & (0xFFU >> (length + 1));
    for (std::size_t k = 1; k < length; ++k)
      point = point << 6 | (static_cast<unsigned char>(text[k]) & 0x3FU);
    write_wide(point, text.substr(0, length));
    return length;
  }
  void write_unit(std::uint32_t unit) {
    out_ += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out_ += kHexUpper[unit >> shift & 15U];
  }

  void write_ascii(unsigned char c) {
    switch (c) {
      case '"': out_ += "\\\""; return;
      case '\\': out_ += "\\\\"; return;
      case '\b': out_ += "\\b"; return;
      case '\f': out_ += "\\f"; return;
      case '\n': out_ += "\\n"; return;
      case '\r': out_ += "\\r"; return;
      case '\t': out_ += "\\t"; return;
      default: break;
    }
    if (c < 0x20 || c == 0x7F) {
      write_unit(c);
    } else if (c == '/' && browser_compatible_) {
      out_ += "\\/";
    } else {
      out_ += static_cast<char>(c);
    }
  }
  void write_wide(std::uint32_t point, std::string_view bytes) {
    const bool escaped = browser_compatible_ || point < 0xA0 || point == 0x2028 || point == 0x2029;
    if (!escaped) {
      out_ += bytes;
    } else if (point < 0x10000) {
      write_unit(point);
    } else {
      write_unit(0xD7C0U + (point >> 10));
      write_unit(0xDC00U + (point & 0x3FFU));
    }
  }

  std::string& out_;
  bool browser_compatible_;
};

class FastjsonPrinter {
 public:
  explicit FastjsonPrinter(const FastjsonStyle& style)
      : style_(style), escaper_(out_, style.browser_compatible) {}

  void write(const Value& value) {
    switch (value.kind()) {
      case Value::Kind::null: out_ += "null"; break;
      case Value::Kind::boolean: out_ += *value.as_bool() ? "true" : "false"; break;
      case Value::Kind::integer: out_ += std::to_string(*value.as_int64()); break;
      case Value::Kind::number: out_ += value.if_number()->text; break;
      case Value::Kind::string: escaper_.write(*value.if_string()); break;
      case Value::Kind::array: write_array(*value.if_array()); break;
      case Value::Kind::object: write_object(*value.if_object()); break;
    }
  }
  std::string take() && { return std::move(out_); }

 private:
  void line_break() {
    if (!style_.pretty) return;
    out_ += '\n';
    out_.append(indent_, '\t');
  }

  // MapSerializer: the break comes in front of a text key only, yet always in front of the closing brace.
  void write_object(const Object& object) {
    out_ += '{';
    ++indent_;
    bool first = true;
    for (const Member& member : object.members()) {
      if (member.value.is_null()) continue;
      if (!first) out_ += ',';
      first = false;
      if (member.form == KeyForm::text) {
        line_break();
        escaper_.write(member.name);
      } else if (style_.browser_compatible) {
        escaper_.write(member.name);
      } else {
        out_ += member.name;
      }
      out_ += ':';
      write(member.value);
    }
    --indent_;
    if (!object.empty()) line_break();
    out_ += '}';
  }

  void write_array(const Array& array) {
    out_ += '[';
    ++indent_;
    for (std::size_t i = 0; i < array.items.size(); ++i) {
      if (i != 0) out_ += ',';
      if (!array.inline_items) line_break();
      write(array.items[i]);
    }
    --indent_;
    if (!array.items.empty() && !array.inline_items) line_break();
    out_ += ']';
  }

  FastjsonStyle style_;
  std::size_t indent_ = 0;
  std::string out_;
  FastjsonEscaper escaper_;
};

}  // namespace

bool is_plain_fastjson(std::string_view text) {
  return plain_prefix(text) == text.size() && text.find('\x7F') == text.npos;
}

void append_fastjson_string(std::string& out, std::string_view text) {
  FastjsonEscaper(out, false).write(text);
}

std::string write_fastjson(const Value& value, const FastjsonStyle& style) {
  FastjsonPrinter printer(style);
  printer.write(value);
  return std::move(printer).take();
}

}  // namespace rmq::json
