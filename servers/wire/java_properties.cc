#include "servers/wire/java_properties.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "libstore/bytes/java_string.h"

namespace rmq::wire {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f'; }
bool is_line_end(char c) { return c == '\n' || c == '\r'; }

std::string_view skip_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

// Takes lines off a text as Properties.LineReader does: comments and empty lines dropped, continued lines
// joined without the blanks they begin with. Escapes stay.
class LogicalLines {
 public:
  explicit LogicalLines(std::string_view text) : text_(text) {}

  std::optional<std::string> next() {
    while (!text_.empty()) {
      std::string_view line = skip_blanks(natural_line());
      if (line.empty() || line.front() == '#' || line.front() == '!') continue;
      std::string logical;
      while (ends_in_escape(line)) {
        logical.append(line.substr(0, line.size() - 1));
        if (text_.empty()) return logical;
        line = skip_blanks(natural_line());
      }
      logical.append(line);
      if (!logical.empty()) return logical;
    }
    return std::nullopt;
  }

 private:
  std::string_view natural_line() {
    std::size_t end = 0;
    while (end < text_.size() && !is_line_end(text_[end])) ++end;
    const std::string_view line = text_.substr(0, end);
    if (end < text_.size()) end += text_.substr(end).starts_with("\r\n") ? 2U : 1U;
    text_.remove_prefix(end);
    return line;
  }
  static bool ends_in_escape(std::string_view line) {
    std::size_t backslashes = 0;
    while (backslashes < line.size() && line[line.size() - 1 - backslashes] == '\\') ++backslashes;
    return backslashes % 2 == 1;
  }

  std::string_view text_;
};

// UTF-16 units to UTF-8; a surrogate without its other half is U+FFFD, since UTF-8 has no other way to say
// it.
class Utf16ToUtf8 {
 public:
  void add(std::uint32_t unit) {
    if (high_ != 0 && unit >= 0xDC00 && unit <= 0xDFFF) {
      put(0x10000 + ((high_ - 0xD800) << 10) + (unit - 0xDC00));
      high_ = 0;
      return;
    }
    flush();
    if (unit >= 0xD800 && unit <= 0xDBFF) {
      high_ = unit;
    } else {
      put(unit >= 0xDC00 && unit <= 0xDFFF ? 0xFFFD : unit);
    }
  }
  std::string finish() {
    flush();
    return std::move(out_);
  }

 private:
  void flush() {
    if (high_ != 0) put(0xFFFD);
    high_ = 0;
  }
  void put(std::uint32_t point) {
    const auto byte = [&](std::uint32_t value) { out_ += static_cast<char>(value); };
    if (point < 0x80) {
      byte(point);
    } else if (point < 0x800) {
      byte(0xC0 | (point >> 6));
      byte(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
      byte(0xE0 | (point >> 12));
      byte(0x80 | ((point >> 6) & 0x3F));
      byte(0x80 | (point & 0x3F));
    } else {
      byte(0xF0 | (point >> 18));
      byte(0x80 | ((point >> 12) & 0x3F));
      byte(0x80 | ((point >> 6) & 0x3F));
      byte(0x80 | (point & 0x3F));
    }
  }

  std::string out_;
  std::uint32_t high_ = 0;
};

std::optional<std::uint32_t> hex_unit(std::string_view digits) {
  if (digits.size() < 4) return std::nullopt;
  std::uint32_t unit = 0;
  for (const char c : digits.substr(0, 4)) {
    const std::uint32_t digit = c >= '0' && c <= '9'   ? static_cast<std::uint32_t>(c - '0')
                                : c >= 'a' && c <= 'f' ? static_cast<std::uint32_t>(c - 'a' + 10)
                                : c >= 'A' && c <= 'F' ? static_cast<std::uint32_t>(c - 'A' + 10)
                                                       : 16;
    if (digit == 16) return std::nullopt;
    unit = unit * 16 + digit;
  }
  return unit;
}

Result<std::string> unescape(std::string_view text) {
  Utf16ToUtf8 out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      out.add(static_cast<unsigned char>(text[at]));  // ISO-8859-1
      continue;
    }
    if (++at == text.size()) break;
    switch (const char c = text[at]; c) {
      case 't': out.add('\t'); break;
      case 'n': out.add('\n'); break;
      case 'r': out.add('\r'); break;
      case 'f': out.add('\f'); break;
      case 'u': {
        const auto unit = hex_unit(text.substr(at + 1));
        if (!unit) return wrong_use("Malformed \\uxxxx encoding.");
        out.add(*unit);
        at += 4;
        break;
      }
      default: out.add(static_cast<unsigned char>(c));
    }
  }
  return out.finish();
}

struct Halves {
  std::string_view key;
  std::string_view value;
};
Halves split(std::string_view line) {
  std::size_t end = 0;
  while (end < line.size() && !is_blank(line[end]) && line[end] != '=' && line[end] != ':')
    end += line[end] == '\\' && end + 1 < line.size() ? 2U : 1U;
  std::string_view rest = skip_blanks(line.substr(end));
  if (!rest.empty() && (rest.front() == '=' || rest.front() == ':')) rest = skip_blanks(rest.substr(1));
  return {line.substr(0, end), rest};
}

std::string_view control_escape(char c) {
  return c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : c == '\f' ? "\\f" : "";
}

void append_unit(std::string& out, std::uint32_t unit) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  out += "\\u";
  for (const unsigned shift : {12U, 8U, 4U, 0U}) out += kDigits[(unit >> shift) & 15];
}

// One code point beyond ASCII at the front of clean UTF-8; returns how many bytes it took.
std::size_t append_point(std::string& out, std::string_view text) {
  const auto byte = [&](std::size_t at) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at]));
  };
  if (byte(0) < 0xE0) {
    append_unit(out, ((byte(0) & 0x1F) << 6) | (byte(1) & 0x3F));
    return 2;
  }
  if (byte(0) < 0xF0) {
    append_unit(out, ((byte(0) & 0x0F) << 12) | ((byte(1) & 0x3F) << 6) | (byte(2) & 0x3F));
    return 3;
  }
  const std::uint32_t point =
      ((byte(0) & 0x07) << 18) | ((byte(1) & 0x3F) << 12) | ((byte(2) & 0x3F) << 6) | (byte(3) & 0x3F);
  append_unit(out, 0xD800 + ((point - 0x10000) >> 10));
  append_unit(out, 0xDC00 + ((point - 0x10000) & 0x3FF));
  return 4;
}

void append_escaped(std::string& out, std::string_view part, bool is_key) {
  const std::string text = java_clean_utf8(part);
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (static_cast<unsigned char>(c) >= 0x80) {
      at += append_point(out, std::string_view(text).substr(at));
      continue;
    }
    const bool separates = c == '=' || c == ':' || c == ' ';
    const bool comments = (c == '#' || c == '!') && at == 0;
    if (const std::string_view control = control_escape(c); !control.empty()) {
      out += control;
    } else {
      if (c == '\\' || (is_key && (separates || comments)) || (!is_key && c == ' ' && at == 0)) out += '\\';
      out += c;
    }
    ++at;
  }
}

}  // namespace

Result<Properties> parse_properties(std::string_view text) {
  if (text.size() > kMostPropertiesBytes) return wrong_use("more than 1 MiB of properties");
  Properties properties;
  LogicalLines lines(text);
  while (const auto line = lines.next()) {
    const auto [key, value] = split(*line);
    RMQ_TRY(plain_key, unescape(key));
    RMQ_TRY(plain_value, unescape(value));
    properties.insert_or_assign(std::move(plain_key), std::move(plain_value));
  }
  return properties;
}

std::string write_properties(const Properties& properties) {
  std::string text;
  for (const auto& [key, value] : properties) {
    append_escaped(text, key, true);
    text += '=';
    append_escaped(text, value, false);
    text += '\n';
  }
  return text;
}

}  // namespace rmq::wire
