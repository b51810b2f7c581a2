// An even first byte: a key, which is written as the same bytes. An odd one: the value of a data version.
#include <algorithm>
#include <cstdint>
#include <span>

#include "fuzz/fuzz_check.h"
#include "libstore/format/config_v2_key.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  if (data[0] % 2 == 0) {
    const auto key = ConfigV2Key::parse(bytes);
    if (key) FUZZ_CHECK(std::ranges::equal(key->encode(), bytes));
  } else {
    FUZZ_CHECK(parse_config_v2_data_version(bytes).has_value() == (bytes.size() == 24));
  }
  return 0;
}
