// The first byte picks the codec, the rest is the body: never more than the limit comes out.
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/codec/body_codec.h"
#include "libstore/codec/sha256.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::size_t kLimit = 1 << 16;
  const auto body = std::as_bytes(std::span(data + 1, size - 1));
  const std::int32_t sys_flag = 1 | (data[0] & 7) << 8;
  const auto plain = rmq::codec::decompress(sys_flag, body, kLimit);
  if (!plain) return 0;
  FUZZ_CHECK(plain->size() <= kLimit);
  FUZZ_CHECK((data[0] & 4) == 0 || body.empty());
  // The limit is exact: what came out fits itself and nothing smaller.
  FUZZ_CHECK(rmq::codec::decompress(sys_flag, body, plain->size()).has_value());
  if (!plain->empty()) FUZZ_CHECK(!rmq::codec::decompress(sys_flag, body, plain->size() - 1));
  FUZZ_CHECK(rmq::codec::sha256_hex(*plain).size() == 64);
  return 0;
}
