// Any registration: the first byte says how the rest is read. What is taken can be written, and what was
// written is taken.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fuzz/fuzz_check.h"
#include "servers/wire/java_properties.h"
#include "servers/wire/register_broker_body.h"
#include "servers/wire/zlib_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::wire;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::int32_t version = (data[0] & 1) != 0 ? 479 : (data[0] & 2) != 0 ? 409 : 36;
  const bool compressed = (data[0] & 4) != 0;
  // Few random bytes are a zlib stream: mostly what is inside one is fuzzed.
  const std::string body = (data[0] & 8) != 0 ? deflate_best(rest) : std::string(rest);
  const RegisterBrokerLimits limits{.bytes = 1 << 20, .values = 1 << 16};
  const auto decoded =
      decode_register_broker_body(std::as_bytes(std::span(body)), compressed, version, limits);
  if (!decoded) {
    FUZZ_CHECK(!decoded.error().message().empty());
  } else {
    const std::string again = encode_register_broker_body(*decoded, false);
    FUZZ_CHECK(
        decode_register_broker_body(std::as_bytes(std::span(again)), false, kVersion5_0_0).has_value());
  }
  if (const auto properties = parse_properties(rest)) {
    const auto again = parse_properties(write_properties(*properties));
    FUZZ_CHECK(again && *again == *properties);
  }
  return 0;
}
