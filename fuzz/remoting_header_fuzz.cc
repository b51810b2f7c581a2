// Any bytes as a header: the first byte picks the serialize type. What is decoded is as Java text, and the
// plain reading of a JSON header says what the reading of fastjson's whole dialect says.
#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/java_string.h"
#include "servers/wire/request_decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::wire;
  if (size == 0) return 0;
  const auto type = static_cast<SerializeType>(data[0] & 1U);
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  RequestDecoder decoder;
  const auto request = decoder.decode({type, bytes, {}, kFrameHead + bytes.size()});
  if (!request) return 0;
  FUZZ_CHECK(request->fields.size() <= kMaxFields);
  for (const auto& [name, value] : request->fields)
    FUZZ_CHECK(rmq::is_java_clean(name) && rmq::is_java_clean(value));
  FUZZ_CHECK(rmq::is_java_clean(request->remark));
  if (type != SerializeType::json) return 0;
  // A member that nobody knows sends the reader down the other way.
  const std::string_view text = rmq::as_text(bytes);
  const std::size_t brace = text.find('{');
  const std::string other =
      std::string(text.substr(0, brace + 1)) + "\"nobody\":1," + std::string(text.substr(brace + 1));
  RequestDecoder tree;
  const auto same = tree.decode({type, rmq::as_bytes(other), {}, kFrameHead + other.size()});
  FUZZ_CHECK(same || other.size() > kMaxHeader);
  if (!same) return 0;
  FUZZ_CHECK(same->code == request->code && same->opaque == request->opaque && same->flag == request->flag);
  FUZZ_CHECK(same->version == request->version && same->language == request->language &&
             same->remark == request->remark);
  for (const auto& [name, value] : same->fields) FUZZ_CHECK(request->field(name) == value);
  return 0;
}
