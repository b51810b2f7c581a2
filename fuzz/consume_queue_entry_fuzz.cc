// Any 20 bytes are a unit and come back the same.
#include <algorithm>
#include <array>
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/format/consume_queue_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto entry = ConsumeQueueEntry::parse(bytes);
  FUZZ_CHECK(entry.has_value() == (size >= kConsumeQueueEntrySize));
  if (!entry) return 0;
  std::array<std::byte, kConsumeQueueEntrySize> again{};
  entry->store(again.data());
  FUZZ_CHECK(std::ranges::equal(again, bytes.first(again.size())));
  FUZZ_CHECK(!entry->is_pre_blank() || *entry == kPreBlankEntry);
  if (is_ext_address(entry->tags_code))
    FUZZ_CHECK(ext_address(ext_offset(entry->tags_code)) == entry->tags_code);
  return 0;
}
