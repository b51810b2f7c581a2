// Any 46 bytes are a unit and come back the same.
#include <algorithm>
#include <array>
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/format/batch_consume_queue_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto entry = BatchConsumeQueueEntry::parse(bytes);
  FUZZ_CHECK(entry.has_value() == (size >= kBatchConsumeQueueEntrySize));
  if (!entry) return 0;
  std::array<std::byte, kBatchConsumeQueueEntrySize> again{};
  entry->store(again.data());
  FUZZ_CHECK(std::ranges::equal(again, bytes.first(again.size())));
  return 0;
}
