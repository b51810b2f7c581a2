// Two writers of JSON: JsonLine for NDJSON at speed, write_fastjson for state files as RocketMQ writes them.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "libstore/json/json_value.h"

namespace rmq::json {

// Appends strict JSON (RFC 8259, UTF-8) to one growing buffer. Commas come by themselves; nesting is the
// caller's to get right. Malformed UTF-8 in strings becomes U+FFFD as Java prints it. Not for sharing between
// threads.
class JsonLine {
 public:
  JsonLine() { grow(4096); }

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }

  // `name` is one of ours: printable ASCII without quotes and backslashes. Other names go through any_key.
  void key(std::string_view name) {
    char* p = room(name.size() + 4);
    if (comma_) *p++ = ',';
    *p++ = '"';
    std::memcpy(p, name.data(), name.size());
    p += name.size();
    *p++ = '"';
    *p++ = ':';
    at_ = p;
    comma_ = false;
  }
  void any_key(std::string_view name) {
    value(name);
    *room(1) = ':';
    ++at_;
    comma_ = false;
  }

  template <std::integral T>
    requires(!std::same_as<T, bool> && !std::same_as<T, char>)
  void value(T number) {
    char* p = start(24);
    at_ = std::to_chars(p, p + 24, number).ptr;
  }
  template <std::same_as<bool> T>
  void value(T truth) {
    raw(truth ? "true" : "false");
  }
  void value(std::nullptr_t) { raw("null"); }
  void value(double number);  // shortest form that reads back the same; null when not finite
  void value(std::string_view text);
  void value(const char* text) { value(std::string_view(text)); }
  void value(const std::string& text) { value(std::string_view(text)); }
  // Already JSON; taken as it is.
  void raw(std::string_view json) {
    char* p = start(json.size());
    std::memcpy(p, json.data(), json.size());
    at_ = p + json.size();
  }

  template <class T>
  void field(std::string_view name, const T& content) {
    key(name);
    value(content);
  }

  // Ends the line; the next value starts a new one.
  void end_line() {
    *room(1) = '\n';
    ++at_;
    comma_ = false;
  }

  // Everything since the last clear(). Lives until the next call that writes.
  [[nodiscard]] std::string_view text() const {
    return {buffer_.get(), static_cast<std::size_t>(at_ - buffer_.get())};
  }
  [[nodiscard]] std::size_t size() const { return text().size(); }
  void clear() {
    at_ = buffer_.get();
    comma_ = false;
  }

 private:
  // At least `bytes` to write at the returned place; at_ is the caller's to move.
  char* room(std::size_t bytes) {
    if (static_cast<std::size_t>(end_ - at_) < bytes) grow(bytes);
    return at_;
  }
  // The same in front of a value: the comma is written if one is due, and will be before the next.
  char* start(std::size_t bytes) {
    char* p = room(bytes + 1);
    if (comma_) {
      *p++ = ',';
      at_ = p;
    }
    comma_ = true;
    return p;
  }
  void open(char bracket) {
    *start(1) = bracket;
    ++at_;
    comma_ = false;
  }
  void close(char bracket) {
    *room(1) = bracket;
    ++at_;
    comma_ = true;
  }
  void grow(std::size_t bytes);

  std::unique_ptr<char[]> buffer_;
  char* at_ = nullptr;
  char* end_ = nullptr;
  bool comma_ = false;
};

// How RocketMQ calls fastjson.
struct FastjsonStyle {
  bool pretty = true;  // ConfigManager.persist; false: RPC bodies and the metrics files
  // SerializerFeature.BrowserCompatible of the metrics files: non-ASCII as \uXXXX, / as \/, keys always
  // quoted.
  bool browser_compatible = false;
};

// Whether fastjson writes every character of it as it is: no quotes, escapes, control characters, and ASCII
// alone.
[[nodiscard]] bool is_plain_fastjson(std::string_view text);

// Appends `text` as a JSON string with fastjson's escapes. Well-formed UTF-8 is the caller's to give.
void append_fastjson_string(std::string& out, std::string_view text);

// The text fastjson 1.2.83 writes for this tree: members in their order, null members left out, tabs, no line
// end after the last brace. fastjson breaks no lines in front of integer keys, nor in arrays that are a Set
// in Java.
[[nodiscard]] std::string write_fastjson(const Value& value, const FastjsonStyle& style = {});

}  // namespace rmq::json
