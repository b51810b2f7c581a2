// Whatever passes for an entry's head comes back the same, and is no blank.
#include <algorithm>
#include <array>
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/format/dledger_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto value = DledgerEntry::parse(bytes);
  if (!value) return 0;
  FUZZ_CHECK(std::ssize(bytes) >= kDledgerEntryHeaderSize);
  FUZZ_CHECK(!is_dledger_blank(bytes, std::ssize(bytes)));
  std::array<std::byte, kDledgerEntryHeaderSize> again{};
  value->store(again.data());
  FUZZ_CHECK(std::ranges::equal(again, bytes.first(again.size())));
  return 0;
}
