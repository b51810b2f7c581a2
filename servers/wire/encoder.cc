#include "servers/wire/encoder.h"

#include <charconv>
#include <cstring>

#include "libstore/bytes/big_endian.h"
#include "libstore/json/json_writer.h"
#include "servers/wire/frame.h"
#include "servers/wire/language.h"

namespace rmq::wire {
namespace {

// We say that we are the Java broker of kVersion: what clients derive from the two is what we do.
constexpr LanguageCode kLanguage = LanguageCode::java;

// QUERY_NOT_FOUND: Java answers it with a header class that has nothing in it, and its clients look into
// extFields unasked.
constexpr std::int32_t kQueryNotFound = 22;

struct Header {
  std::int32_t code = 0;
  std::int32_t flag = 0;
  std::int32_t opaque = 0;
  const std::optional<std::string>& remark;
  const Fields& fields;
};

template <std::integral T>
void append_be(std::string& out, T value) {
  char bytes[sizeof(T)];
  store_be(reinterpret_cast<std::byte*>(bytes), value);
  out.append(bytes, sizeof(T));
}

template <std::integral T>
void patch_be(std::string& out, std::size_t at, T value) {
  store_be(reinterpret_cast<std::byte*>(out.data() + at), value);
}

void append_number(std::string& out, std::int32_t value) {
  char digits[12];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// `"name":"value"`, mostly in one piece.
void append_json_field(std::string& out, std::string_view name, std::string_view value) {
  if (!json::is_plain_fastjson(name) || !json::is_plain_fastjson(value)) {
    json::append_fastjson_string(out, name);
    out += ':';
    return json::append_fastjson_string(out, value);
  }
  const std::size_t at = out.size();
  out.append(name.size() + value.size() + 5, '"');
  char* to = out.data() + at + 1;
  std::memcpy(to, name.data(), name.size());
  to += name.size() + 1;
  *to = ':';
  std::memcpy(to + 2, value.data(), value.size());
}

void append_json(std::string& out, const Header& header) {
  out += "{\"code\":";
  append_number(out, header.code);
  if (!header.fields.empty() || (header.code == kQueryNotFound && (header.flag & kResponseFlag) != 0)) {
    out += ",\"extFields\":{";
    for (bool first = true; const auto& [name, value] : header.fields) {
      if (!first) out += ',';
      first = false;
      append_json_field(out, name, value);
    }
    out += '}';
  }
  out += ",\"flag\":";
  append_number(out, header.flag);
  out += ",\"language\":\"";
  out += to_string(kLanguage);
  out += "\",\"opaque\":";
  append_number(out, header.opaque);
  if (header.remark) {
    out += ",\"remark\":";
    json::append_fastjson_string(out, *header.remark);
  }
  out += ",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":";
  append_number(out, kVersion);
  out += '}';
}

void append_rocketmq(std::string& out, const Header& header) {
  append_be(out, static_cast<std::int16_t>(header.code));  // cut off as Java's is
  append_be(out, static_cast<std::int8_t>(kLanguage));
  append_be(out, static_cast<std::int16_t>(kVersion));
  append_be(out, header.opaque);
  append_be(out, header.flag);
  const std::string_view remark = header.remark ? std::string_view(*header.remark) : std::string_view();
  append_be(out, static_cast<std::int32_t>(remark.size()));
  out += remark;
  const std::size_t length_at = out.size();
  append_be(out, std::int32_t{0});
  for (const auto& [name, value] : header.fields) {
    append_be(out, static_cast<std::int16_t>(name.size()));
    out += name;
    append_be(out, static_cast<std::int32_t>(value.size()));
    out += value;
  }
  patch_be(out, length_at, static_cast<std::int32_t>(out.size() - length_at - 4));
}

void append_frame(std::string& out, const Header& header, SerializeType type, std::string_view body,
                  std::uint64_t parts) {
  const std::size_t from = out.size();
  out.append(kFrameHead, '\0');
  if (type == SerializeType::json)
    append_json(out, header);
  else
    append_rocketmq(out, header);
  const std::size_t header_size = out.size() - from - kFrameHead;
  out += body;
  patch_be(out, from, static_cast<std::int32_t>(out.size() - from - 4 + parts));
  patch_be(out, from + 4, static_cast<std::int32_t>(static_cast<std::uint32_t>(type) << 24 | header_size));
}

}  // namespace

void append_response(std::string& out, const Response& response, std::int32_t opaque, SerializeType type) {
  append_frame(out, {response.code, kResponseFlag, opaque, response.remark, response.fields}, type,
               response.body, size_of_parts(response));
}

void append_command(std::string& out, const Command& command, std::int32_t opaque, bool oneway,
                    SerializeType type) {
  append_frame(out, {command.code, oneway ? kOnewayFlag : 0, opaque, std::nullopt, command.fields}, type,
               command.body, 0);
}

std::uint64_t size_of_parts(const Response& response) {
  std::uint64_t size = 0;
  for (const BodyPart& part : response.parts)
    size += part.file < 0 ? part.bytes.size() : static_cast<std::uint64_t>(part.size);
  return size;
}

}  // namespace rmq::wire
