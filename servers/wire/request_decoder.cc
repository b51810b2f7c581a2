#include "servers/wire/request_decoder.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/java_string.h"
#include "libstore/json/json_value.h"
#include "libstore/json/json_writer.h"
#include "servers/wire/json_scanner.h"
#include "servers/wire/language.h"

namespace rmq::wire {
namespace {

// A header that only fastjson's full dialect explains: what its tree may cost.
constexpr json::ReadLimits kTreeLimits = {.bytes = kMaxHeader, .values = 8 * kMaxFields, .depth = 64};

// An int member of the header: null leaves it, "" is 0, fractions are cut off (TypeUtils.castToInt).
bool take_int(const json::Value& value, std::int32_t& out) {
  if (value.is_null()) return true;
  if (const std::string* text = value.if_string(); text != nullptr && text->empty()) {
    out = 0;
    return true;
  }
  if (const auto truth = value.kind() == json::Value::Kind::boolean ? value.as_bool() : std::nullopt) {
    out = *truth ? 1 : 0;
    return true;
  }
  const auto number = value.as_double();
  if (!number || !(*number > INT32_MIN - 1.0 && *number < INT32_MAX + 1.0)) return false;
  out = static_cast<std::int32_t>(*number);
  return true;
}

// By name or by number; a name that nobody knows is null in Java, as is null.
bool take_language(const json::Value& value, LanguageCode& out) {
  if (value.is_null()) {
    out = LanguageCode::other;
    return true;
  }
  if (const std::string* name = value.if_string()) {
    out = language_of(*name);
    return true;
  }
  const auto number = value.as_int64();
  if (!number || *number < 0 || *number >= static_cast<std::int64_t>(kLanguageNames.size())) return false;
  out = static_cast<LanguageCode>(*number);
  return true;
}

// fastjson's smart match: letter case, '_' and '-' do not count.
std::string smart_name(std::string_view name) {
  std::string plain;
  for (const char c : name)
    if (c != '_' && c != '-') plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  return plain;
}

// What a Map<String, String> holds for this value in Java.
std::string text_of(const json::Value& value) {
  if (const std::string* text = value.if_string()) return *text;
  return json::write_fastjson(value, {.pretty = false});
}

}  // namespace

Decoded<Request> RequestDecoder::decode(const Frame& frame) {
  Request request;
  request.serialize_type = frame.type;
  request.body = frame.body;
  fields_.clear();
  if (frame.type == SerializeType::rocketmq) {
    ByteReader in(frame.header);
    rocketmq_header(request, in);
    if (!in.ok()) return in.error();
  } else {
    const std::string_view header = as_text(frame.header);
    if (!is_java_clean(header)) return DecodeError{DecodeFault::bad_field, 0};  // fastjson gives null for it
    if (!json_header(header, request)) {
      request = Request{};
      request.serialize_type = frame.type;
      request.body = frame.body;
      fields_.clear();
      if (!fastjson_header(header, request)) return DecodeError{DecodeFault::bad_field, 0};
    }
  }
  const std::size_t bytes = fields_.size() * sizeof(Request::Field);
  auto* fields = static_cast<Request::Field*>(static_cast<void*>(arena_.take(bytes)));
  std::uninitialized_copy(fields_.begin(), fields_.end(), fields);
  request.fields = {fields, fields_.size()};
  return request;
}

void RequestDecoder::clear() { arena_.clear(kKept); }

std::size_t RequestDecoder::memory() const {
  return arena_.memory() + fields_.capacity() * sizeof(Request::Field);
}

std::string_view RequestDecoder::kept(std::string_view text) {
  if (text.empty()) return "";
  char* copy = reinterpret_cast<char*>(arena_.take(text.size()));
  std::memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

std::string_view RequestDecoder::java_text(std::string_view text) {
  return is_java_clean(text) ? text : kept(java_clean_utf8(text));
}

void RequestDecoder::rocketmq_header(Request& request, ByteReader& in) {
  request.code = in.i16();
  request.language = static_cast<LanguageCode>(in.i8());
  request.version = in.i16();
  request.opaque = in.i32();
  request.flag = in.i32();
  // RocketMQSerializable.readStr: no bytes are null.
  if (const std::string_view remark = in.text(in.i32()); !remark.empty()) request.remark = java_text(remark);
  const std::int32_t length = in.i32();
  if (in.ok() && length >= 0 && static_cast<std::size_t>(length) != in.remaining())
    in.fail(DecodeFault::bad_length);
  while (in.ok() && in.remaining() > 0) {
    const std::string_view name = in.text(in.i16());
    const std::string_view value = in.text(in.i32());
    // A name or value without bytes is null in Java.
    if (!in.ok() || name.empty() || value.empty()) continue;
    if (fields_.size() == kMaxFields) return in.fail(DecodeFault::bad_length);
    fields_.emplace_back(java_text(name), java_text(value));
  }
}

// The form that every known client writes, without a tree; false for anything else.
bool RequestDecoder::json_header(std::string_view header, Request& request) {
  JsonScanner in(header, arena_);
  if (!in.open('{')) return false;
  if (in.close('}')) return in.at_end();
  do {
    std::string_view name;
    if (!in.string(name) || !in.colon()) return false;
    if (name == "extFields") {
      fields_.clear();
      if (!in.open('{')) return false;
      if (in.close('}')) continue;
      do {
        Request::Field field;
        if (fields_.size() == kMaxFields || !in.string(field.first) || !in.colon() ||
            !in.string(field.second))
          return false;
        fields_.push_back(field);
      } while (in.comma());
      if (!in.close('}')) return false;
    } else if (name == "code") {
      if (!in.number(request.code)) return false;
    } else if (name == "flag") {
      if (!in.number(request.flag)) return false;
    } else if (name == "opaque") {
      if (!in.number(request.opaque)) return false;
    } else if (name == "version") {
      if (!in.number(request.version)) return false;
    } else if (name == "remark") {
      if (!in.string(request.remark)) return false;
    } else if (name == "language") {
      std::string_view language;
      if (!in.string(language)) return false;
      request.language = language_of(language);
    } else if (name == "serializeTypeCurrentRPC") {
      std::string_view ignored;
      if (!in.string(ignored)) return false;
    } else {
      return false;
    }
  } while (in.comma());
  return in.close('}') && in.at_end();
}

bool RequestDecoder::fastjson_header(std::string_view header, Request& request) {
  const auto tree = json::parse(header, kTreeLimits);
  if (!tree || tree->if_object() == nullptr) return false;
  for (const json::Member& member : tree->if_object()->members()) {
    const json::Value& value = member.value;
    const std::string name = smart_name(member.name);
    bool good = true;
    if (name == "code") good = take_int(value, request.code);
    if (name == "flag") good = take_int(value, request.flag);
    if (name == "opaque") good = take_int(value, request.opaque);
    if (name == "version") good = take_int(value, request.version);
    if (name == "language") good = take_language(value, request.language);
    if (name == "remark" && !value.is_null()) request.remark = kept(text_of(value));
    if (name == "extfields") good = take_fields(value);
    if (!good) return false;
  }
  return true;
}

bool RequestDecoder::take_fields(const json::Value& value) {
  fields_.clear();
  if (const std::string* text = value.if_string(); value.is_null() || (text != nullptr && text->empty()))
    return true;
  const json::Object* fields = value.if_object();
  if (fields == nullptr || fields->size() > kMaxFields) return false;
  for (const json::Member& field : fields->members())
    if (!field.value.is_null()) fields_.emplace_back(kept(field.name), kept(text_of(field.value)));
  return true;
}

Answer to_answer(const Request& request) {
  Answer answer{.code = request.code, .remark = {}, .fields = {}, .body = std::string(as_text(request.body))};
  if (request.remark.data() != nullptr) answer.remark.emplace(request.remark);
  answer.fields.reserve(request.fields.size());
  for (const auto& [name, value] : request.fields) answer.fields.emplace_back(name, value);
  return answer;
}

}  // namespace rmq::wire
