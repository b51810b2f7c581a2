// The first byte picks key or value, the rest is it: a key that is read is written as the same bytes.
#include <algorithm>
#include <cstdint>
#include <span>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/format/pop_state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  if (data[0] % 2 == 0) {
    const auto key = PopStateKey::parse(bytes);
    if (key) FUZZ_CHECK(std::ranges::equal(key->encode(), bytes));
  } else if (const auto state = parse_pop_state(rmq::as_text(bytes))) {
    FUZZ_CHECK(!state->topic.empty() && !state->group.empty() && state->queue_id >= 0 &&
               state->attempts >= 0);
    const auto key = state->key().encode();
    FUZZ_CHECK(state->group.find('@') != std::string::npos || PopStateKey::parse(key).has_value());
  }
  return 0;
}
