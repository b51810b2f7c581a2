// A recursive descent over fastjson's dialect. What it takes and refuses follows fastjson 1.2.83 as it
// behaves (DefaultJSONParser, JSONLexerBase), not JSON's grammar: tests/json/fastjson_verdicts pins it.
#include <array>
#include <charconv>

#include "libstore/bytes/java_string.h"
#include "libstore/json/json_value.h"
#include "libstore/json/json_writer.h"

namespace rmq::json {
namespace {

constexpr char kEndOfInput = 0x1A;  // fastjson's own mark for the end of the text
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\b'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
// Bytes of U+0100 and above: fastjson takes those characters in unquoted keys.
bool is_wide(char c) { return static_cast<unsigned char>(c) >= 0xC4; }
bool is_tail(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0U | point >> 6);
    put(0x80U | (point & 0x3FU));
  } else if (point < 0x10000) {
    put(0xE0U | point >> 12);
    put(0x80U | (point >> 6 & 0x3FU));
    put(0x80U | (point & 0x3FU));
  } else {
    put(0xF0U | point >> 18);
    put(0x80U | (point >> 12 & 0x3FU));
    put(0x80U | (point >> 6 & 0x3FU));
    put(0x80U | (point & 0x3FU));
  }
}

class Reader {
 public:
  Reader(std::string_view text, const ReadLimits& limits) : text_(text), limits_(limits) {}

  Parsed<Value> read() {
    if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
    Value value;
    skip_space();
    if (at_end()) return value;
    skip_between_tokens();
    if (!read_value(value, 0)) return error(what_);
    skip_between_tokens();
    if (at_ != text_.size()) return error("text behind the value");
    return value;
  }

 private:
  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool fail(std::string_view what) {
    what_ = what;
    return false;
  }
  [[nodiscard]] JsonError error(std::string_view what) const {
    JsonError found;
    const std::string_view before = text_.substr(0, std::min(at_, text_.size()));
    for (const char c : before) found.line += c == '\n' ? 1U : 0U;
    const std::size_t line_start = before.rfind('\n');
    found.column = before.size() - (line_start == before.npos ? 0 : line_start + 1) + 1;
    found.what = what;
    return found;
  }

  // Comments count as white space. An unclosed /* reaches to the end of the text.
  bool skip_comment() {
    if (peek() != '/') return false;
    if (peek(1) == '/') {
      const std::size_t end = text_.find('\n', at_);
      at_ = end == text_.npos ? text_.size() : end + 1;
      return true;
    }
    if (peek(1) == '*') {
      const std::size_t end = text_.find("*/", at_ + 2);
      at_ = end == text_.npos ? text_.size() : end + 2;
      return true;
    }
    return false;
  }
  void skip_space() {
    while (!at_end() && (is_space(peek()) || skip_comment())) {
      if (!at_end() && is_space(peek())) ++at_;
    }
  }
  // Where fastjson looks for a whole token it also drops control characters (JSONLexerBase.nextToken).
  void skip_between_tokens() {
    while (!at_end()) {
      const char c = peek();
      if (c != kEndOfInput && (static_cast<unsigned char>(c) <= 32 || c == 127)) {
        ++at_;
      } else if (!skip_comment()) {
        return;
      }
    }
  }

  bool read_value(Value& out, int depth) {
    if (depth > limits_.depth) return fail("nested too deep");
    if (++values_ > limits_.values) return fail("too many values");
    if (at_end()) return fail("the text ends where a value should be");
    const char c = peek();
    if (c == '{') return read_object(out, depth);
    if (c == '[') return read_array(out, depth);
    if (c == '"' || c == '\'') {
      std::string text;
      if (!read_string(text)) return false;
      out = Value(std::move(text));
      return true;
    }
    if (is_digit(c) || c == '-' || c == '+') return read_number(out);
    return read_word(out);
  }

  bool read_object(Value& out, int depth) {
    ++at_;
    std::vector<Member> members;
    while (true) {
      skip_space();
      while (peek() == ',') {
        ++at_;
        skip_space();
      }
      if (at_end()) return fail("the text ends inside an object");
      if (peek() == '}') {
        ++at_;
        out = Value(Object::from_members(std::move(members)));
        return true;
      }
      Member member;
      if (!read_key(member, depth)) return false;
      if (member.form != KeyForm::integer) skip_space();
      if (peek() != ':') return fail("':' expected");
      ++at_;
      skip_between_tokens();
      if (!read_value(member.value, depth + 1)) return false;
      const bool nested = member.value.if_object() != nullptr || member.value.if_array() != nullptr;
      members.push_back(std::move(member));
      if (nested) {
        skip_between_tokens();
      } else {
        skip_space();
      }
      if (peek() == ',' || peek() == '}') continue;
      return fail(at_end() ? "the text ends inside an object" : "',' or '}' expected");
    }
  }

  bool read_key(Member& member, int depth) {
    const char c = peek();
    if (c == '"' || c == '\'') return read_string(member.name);
    if (is_digit(c) || c == '-') {
      Value number;
      if (!read_number(number)) return false;
      member.name =
          number.if_number() != nullptr ? number.if_number()->text : std::to_string(*number.as_int64());
      member.form = KeyForm::integer;
      return true;
    }
    if (c == '{' || c == '[') {
      Value key;
      if (!read_value(key, depth + 1)) return false;
      member.name = write_fastjson(key, {.pretty = false});
      member.form = KeyForm::object;
      return true;
    }
    if (!is_letter(c) && c != '$' && !is_wide(c)) return fail("a key expected");
    do {
      member.name += text_[at_++];
    } while (is_letter(peek()) || is_digit(peek()) || is_wide(peek()) || is_tail(peek()));
    return true;
  }

  bool read_array(Value& out, int depth) {
    ++at_;
    Array array;
    array.inline_items = peek() != '\n' && peek() != '\r';
    while (true) {
      skip_between_tokens();
      while (peek() == ',') {
        ++at_;
        skip_between_tokens();
      }
      if (at_end()) return fail("the text ends inside an array");
      if (peek() == ']') {
        ++at_;
        out = Value(std::move(array));
        return true;
      }
      Value item;
      if (!read_value(item, depth + 1)) return false;
      array.items.push_back(std::move(item));
    }
  }

  bool read_number(Value& out) {
    const bool plus = peek() == '+';
    if (plus) ++at_;
    const std::size_t from = at_;
    if (peek() == '-') ++at_;
    const std::size_t digits = at_;
    while (is_digit(peek())) ++at_;
    if (at_ == digits && plus) {
      out = Value(0);  // fastjson's lexer takes a lone '+' for a number
      return true;
    }
    if (at_ == digits && peek() != '.') return fail("a number without digits");
    bool integer = true;
    if (peek() == '.') {
      integer = false;
      ++at_;
      while (is_digit(peek())) ++at_;
    }
    if (integer && (peek() == 'L' || peek() == 'S' || peek() == 'B')) {
      const std::string_view text = text_.substr(from, at_ - from);
      ++at_;
      return take_number(out, text, true);
    }
    if (peek() == 'e' || peek() == 'E') {
      integer = false;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      while (is_digit(peek())) ++at_;
    }
    const std::string_view text = text_.substr(from, at_ - from);
    if (peek() == 'F' || peek() == 'D') {
      ++at_;
      integer = false;
    }
    return take_number(out, text, integer);
  }
  bool take_number(Value& out, std::string_view text, bool integer) {
    std::int64_t number = 0;
    const char* end = text.data() + text.size();
    if (integer) {
      const auto result = std::from_chars(text.data(), end, number);
      if (result.ec == std::errc{} && result.ptr == end) {
        out = Value(number);
        return true;
      }
    }
    double real = 0;
    const auto result = std::from_chars(text.data(), end, real);
    if (result.ptr != end || result.ec == std::errc::invalid_argument) return fail("a malformed number");
    out = Value(Number{std::string(text)});
    return true;
  }

  bool read_word(Value& out) {
    const std::size_t from = at_;
    while (is_letter(peek()) || is_digit(peek())) ++at_;
    const std::string_view word = text_.substr(from, at_ - from);
    if (word == "true" || word == "false") {
      out = Value(word == "true");
    } else if (word == "null" || word == "NULL" || word == "undefined" || word == "NaN") {
      out = Value();
    } else {
      at_ = from;
      return fail("a value expected");
    }
    // JSONLexerBase.scanTrue and its like want one of these behind the word.
    if (!at_end() && std::string_view(" ,}]\n\r\t\f\b:/").find(peek()) == std::string_view::npos) {
      return fail("text glued to a word");
    }
    return true;
  }

  bool read_string(std::string& out) {
    const char quote = text_[at_++];
    while (true) {
      const std::size_t from = at_;
      while (!at_end() && peek() != quote && peek() != '\\') {
        if (peek() == kEndOfInput) return fail("a 0x1A inside a string");
        ++at_;
      }
      out.append(text_, from, at_ - from);
      if (at_end()) return fail("the text ends inside a string");
      if (text_[at_++] == quote) break;
      if (!read_escape(out)) return false;
    }
    return true;
  }

  bool read_escape(std::string& out) {
    if (at_end()) return fail("the text ends inside a string");
    const char c = text_[at_++];
    switch (c) {
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7': out += static_cast<char>(c - '0'); return true;
      case 'b': out += '\b'; return true;
      case 't': out += '\t'; return true;
      case 'n': out += '\n'; return true;
      case 'v': out += '\v'; return true;
      case 'f':
      case 'F': out += '\f'; return true;
      case 'r': out += '\r'; return true;
      case '"':
      case '\'':
      case '/':
      case '\\': out += c; return true;
      case 'x': {
        const int high = hex_digit(peek());
        const int low = hex_digit(peek(1));
        if (high < 0 || low < 0) return fail("a malformed \\x");
        at_ += 2;
        append_utf8(out, static_cast<std::uint32_t>(high * 16 + low));
        return true;
      }
      case 'u': return read_unicode(out);
      default: return fail("an unknown escape");
    }
  }

  bool read_utf16(std::uint32_t& unit) {
    unit = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const int digit = hex_digit(peek(i));
      if (digit < 0) return fail("a malformed \\u");
      unit = unit * 16 + static_cast<std::uint32_t>(digit);
    }
    at_ += 4;
    return true;
  }
  bool read_unicode(std::string& out) {
    std::uint32_t unit = 0;
    if (!read_utf16(unit)) return false;
    if (unit >= 0xD800 && unit < 0xDC00 && peek() == '\\' && peek(1) == 'u') {
      const std::size_t back = at_;
      at_ += 2;
      std::uint32_t low = 0;
      if (!read_utf16(low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        append_utf8(out, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
        return true;
      }
      at_ = back;
    }
    // Java encodes a lone surrogate as '?'.
    append_utf8(out, unit >= 0xD800 && unit < 0xE000 ? std::uint32_t{'?'} : unit);
    return true;
  }

  std::string_view text_;
  ReadLimits limits_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
  std::string_view what_;
};

}  // namespace

Parsed<Value> parse(std::string_view text, const ReadLimits& limits) {
  if (text.size() > limits.bytes) return JsonError{1, 1, "the text is larger than this reader takes"};
  // Java decodes the whole file before fastjson sees it.
  return Reader(java_clean_utf8(text), limits).read();
}

}  // namespace rmq::json
