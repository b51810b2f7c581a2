// Any bytes: parse stays inside them, and what parses encodes to the same bytes.
#include <algorithm>
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/format/consume_queue_ext_unit.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto unit = ConsumeQueueExtUnit::parse(bytes);
  if (!unit) return 0;
  const auto again = encode(*unit);
  FUZZ_CHECK(again.has_value());
  FUZZ_CHECK(std::ranges::equal(*again, bytes.first(static_cast<std::size_t>(unit->size))));
  return 0;
}
