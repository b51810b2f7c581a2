// Any bytes are a checkpoint; its first 40 come back the same.
#include <algorithm>
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/format/store_checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const auto bytes = std::as_bytes(std::span(data, size));
  const StoreCheckpoint point = StoreCheckpoint::read(bytes);
  const auto again = point.encode();
  const std::size_t fields = std::min<std::size_t>(size, 40);
  FUZZ_CHECK(std::equal(again.begin(), again.begin() + static_cast<std::ptrdiff_t>(fields), bytes.begin()));
  FUZZ_CHECK(point.min_timestamp() >= 0);
  FUZZ_CHECK(point.min_timestamp_index() <= point.min_timestamp());
  return 0;
}
