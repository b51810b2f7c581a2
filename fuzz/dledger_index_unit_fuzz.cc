// Any 32 bytes are a unit and come back the same.
#include <algorithm>
#include <array>
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/format/dledger_index_unit.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto value = DledgerIndexUnit::parse(bytes);
  if (!value) return 0;
  FUZZ_CHECK(std::ssize(bytes) >= kDledgerIndexUnitSize);
  std::array<std::byte, kDledgerIndexUnitSize> again{};
  value->store(again.data());
  FUZZ_CHECK(std::ranges::equal(again, bytes.first(again.size())));
  return 0;
}
