// The first byte picks one of the four, the rest is it: what is read is written as the same bytes.
#include <algorithm>
#include <cstdint>
#include <span>

#include "fuzz/fuzz_check.h"
#include "libstore/format/rocks_queue.h"

namespace {

template <class T>
void check(std::span<const std::byte> bytes) {
  const auto found = T::parse(bytes);
  if (found) FUZZ_CHECK(std::ranges::equal(found->encode(), bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  switch (data[0] % 4) {
    case 0: check<RocksQueueKey>(bytes); break;
    case 1: check<RocksQueueValue>(bytes); break;
    case 2: check<RocksOffsetKey>(bytes); break;
    default: check<RocksOffsetValue>(bytes); break;
  }
  return 0;
}
