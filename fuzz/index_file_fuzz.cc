// A header, then entries: whatever the bytes, they come back the same; hashes and time differences are never
// negative.
#include <algorithm>
#include <array>
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/format/index_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  auto bytes = std::as_bytes(std::span(data, size));
  const auto header = IndexHeader::parse(bytes);
  FUZZ_CHECK(header.has_value() == (size >= kIndexHeaderSize));
  if (!header) return 0;
  std::array<std::byte, kIndexHeaderSize> header_again{};
  header->store(header_again.data());
  FUZZ_CHECK(std::ranges::equal(header_again, bytes.first(header_again.size())));
  FUZZ_CHECK(index_time_diff(header->begin_timestamp, header->end_timestamp) >= 0);
  for (bytes = bytes.subspan(kIndexHeaderSize); bytes.size() >= kIndexEntrySize;
       bytes = bytes.subspan(kIndexEntrySize)) {
    std::array<std::byte, kIndexEntrySize> again{};
    IndexEntry::parse(bytes)->store(again.data());
    FUZZ_CHECK(std::ranges::equal(again, bytes.first(again.size())));
  }
  FUZZ_CHECK(!IndexEntry::parse(bytes));
  FUZZ_CHECK(index_key_hash("topic", rmq::as_text(bytes)) >= 0);
  return 0;
}
