// Any bytes as a stream of frames: what is found lies inside, costs no more than it should, and comes again
// when the stream is cut; what decodes is written so that it decodes the same.
#include <cstdint>
#include <string>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/java_string.h"
#include "servers/wire/encoder.h"
#include "servers/wire/frame.h"
#include "servers/wire/request_decoder.h"

namespace {

void check_round_trip(const rmq::wire::Request& request) {
  using namespace rmq::wire;
  const Answer answer = to_answer(request);
  const Response response{.code = request.code,
                          .remark = answer.remark,
                          .fields = answer.fields,
                          .body = answer.body,
                          .parts = {}};
  std::string bytes;
  append_response(bytes, response, request.opaque, request.serialize_type);
  const auto frame = next_frame(rmq::as_bytes(bytes));
  FUZZ_CHECK(frame || bytes.size() > kMaxHeader);  // escaping may make a header too long
  if (!frame) return;
  FUZZ_CHECK(*frame && (*frame)->size == bytes.size());
  RequestDecoder decoder;
  const auto again = decoder.decode(**frame);
  // fastjson refuses a 0x1A in its dialect's strings, and a name may be longer than an i16 counts.
  if (!again) return;
  FUZZ_CHECK(again->code == (request.serialize_type == SerializeType::json
                                 ? request.code
                                 : static_cast<std::int16_t>(request.code)));
  FUZZ_CHECK(again->opaque == request.opaque && again->flag == kResponseFlag);
  FUZZ_CHECK(to_answer(*again).body == answer.body);
  if (request.serialize_type == SerializeType::json) FUZZ_CHECK(to_answer(*again).remark == answer.remark);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::wire;
  const auto bytes = std::as_bytes(std::span(data, size));
  RequestDecoder decoder;
  for (std::size_t at = 0; at < size;) {
    const auto frame = next_frame(bytes.subspan(at));
    if (!frame || !*frame) break;
    FUZZ_CHECK((*frame)->size >= kFrameHead && (*frame)->size <= size - at);
    FUZZ_CHECK((*frame)->header.size() + (*frame)->body.size() + kFrameHead == (*frame)->size);
    FUZZ_CHECK(frame_size(bytes.subspan(at)) == (*frame)->size);
    const auto cut = next_frame(bytes.subspan(at, (*frame)->size - 1));
    FUZZ_CHECK(cut && !*cut);
    if (const auto request = decoder.decode(**frame)) check_round_trip(*request);
    at += (*frame)->size;
  }
  return 0;
}
