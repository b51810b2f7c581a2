// Any 32 bytes are a slot and come back the same.
#include <algorithm>
#include <array>
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/format/timer_slot.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto slot = TimerSlot::parse(bytes);
  FUZZ_CHECK(slot.has_value() == (size >= kTimerSlotSize));
  if (!slot) return 0;
  std::array<std::byte, kTimerSlotSize> again{};
  slot->store(again.data());
  FUZZ_CHECK(std::ranges::equal(again, bytes.first(again.size())));
  return 0;
}
