// A tree of JSON values, and a reader for the dialect that RocketMQ's state files are written in:
// fastjson 1.2. Beyond JSON it takes unquoted keys ({0:5}), objects as keys ({{"a":1}:2}), single quotes,
// comments and spare commas; `{"$ref":"$.x"}` is an object like any other. What fastjson refuses is refused
// here as well, because RocketMQ then falls back to the .bak file (ConfigManager.load). Page:
// docs/format/fastjson.md. Values own their text; nothing here is shared between threads.
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace rmq::json {

struct JsonError {
  std::size_t line = 1;    // 1-based
  std::size_t column = 1;  // 1-based, in bytes
  std::string what;
  [[nodiscard]] std::string message() const;  // "line 3, column 7: what"
};
// Taking the value out of a failed Parsed is a bug in our code.
[[noreturn]] inline void throw_exception_from_error(const JsonError& error, const boost::source_location&) {
  throw std::logic_error("value() of failed JSON: " + error.message());
}
template <class T>
using Parsed = boost::system::result<T, JsonError>;

class Value;

// A number that is not an i64 is kept as it was written, so that it is written back the same.
struct Number {
  std::string text;
  bool operator==(const Number&) const = default;
};

struct Array {
  std::vector<Value> items;
  bool inline_items = false;  // a Java Set or int[]: the pretty writer puts no line breaks into it
  bool operator==(const Array&) const = default;
};

// How a key was, and will be, written.
enum class KeyForm : std::uint8_t {
  text,     // "name"
  integer,  // 5, a key of a Map<Integer, ...>
  object,   // {"a":1}; the key is its compact JSON text
};
struct Member;

// Members in the order of the text, found by name in logarithmic time. Names are unique: a later one replaces
// the value of an earlier one and keeps its place.
class Object {
 public:
  Object();
  Object(const Object&);
  Object(Object&&) noexcept;
  Object& operator=(const Object&);
  Object& operator=(Object&&) noexcept;
  ~Object();

  // Null when there is none. The pointer lives until the object changes.
  [[nodiscard]] const Value* find(std::string_view name) const;
  [[nodiscard]] Value* find(std::string_view name);
  void set(std::string_view name, Value value, KeyForm form = KeyForm::text);
  bool erase(std::string_view name);
  // Many at once, in n log n; set() costs more the more members there are.
  [[nodiscard]] static Object from_members(std::vector<Member> members);

  [[nodiscard]] const std::vector<Member>& members() const { return members_; }
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool empty() const { return size() == 0; }
  bool operator==(const Object&) const;

 private:
  [[nodiscard]] std::size_t index_of(std::string_view name) const;

  std::vector<Member> members_;
  std::vector<std::uint32_t> by_name_;  // positions in members_, ordered by name
};

class Value {
 public:
  enum class Kind : std::uint8_t { null, boolean, integer, number, string, array, object };

  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  Value(std::int32_t value) : data_(std::int64_t{value}) {}
  Value(std::int64_t value) : data_(value) {}
  Value(Number value) : data_(std::move(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(Array value) : data_(std::move(value)) {}
  Value(Object value) : data_(std::move(value)) {}

  [[nodiscard]] Kind kind() const { return static_cast<Kind>(data_.index()); }
  [[nodiscard]] bool is_null() const { return kind() == Kind::null; }
  [[nodiscard]] const std::string* if_string() const { return std::get_if<std::string>(&data_); }
  [[nodiscard]] const Number* if_number() const { return std::get_if<Number>(&data_); }
  [[nodiscard]] const Array* if_array() const { return std::get_if<Array>(&data_); }
  [[nodiscard]] Array* if_array() { return std::get_if<Array>(&data_); }
  [[nodiscard]] const Object* if_object() const { return std::get_if<Object>(&data_); }
  [[nodiscard]] Object* if_object() { return std::get_if<Object>(&data_); }
  // The member of an object; null also where this is no object.
  [[nodiscard]] const Value* find(std::string_view name) const {
    const Object* object = if_object();
    return object == nullptr ? nullptr : object->find(name);
  }

  // What Java's setters take (fastjson TypeUtils): numbers and booleans may stand as text. Nothing where the
  // value has no such meaning.
  [[nodiscard]] std::optional<std::int64_t> as_int64() const;
  [[nodiscard]] std::optional<bool> as_bool() const;
  [[nodiscard]] std::optional<double> as_double() const;

  bool operator==(const Value&) const = default;

 private:
  std::variant<std::monostate, bool, std::int64_t, Number, std::string, Array, Object> data_;
};

struct Member {
  std::string name;
  KeyForm form = KeyForm::text;
  Value value;
  bool operator==(const Member&) const = default;
};

// Bounds for a text from disk; over them parse fails. A value costs about 100 bytes of memory.
struct ReadLimits {
  std::size_t bytes = std::size_t{64} << 20;
  std::size_t values = std::size_t{4} << 20;
  int depth = 64;
};

// The one value in `text`. Malformed UTF-8 becomes U+FFFD as in Java.
[[nodiscard]] Parsed<Value> parse(std::string_view text, const ReadLimits& limits = {});

}  // namespace rmq::json
