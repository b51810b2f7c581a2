// Whatever passes for a unit comes back the same; nothing is both a unit and a blank.
#include <algorithm>
#include <array>
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/format/timer_log_unit.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto unit = TimerLogUnit::parse(bytes);
  const bool blank = is_timer_log_blank(bytes, static_cast<std::int64_t>(size));
  if (!unit) return 0;
  FUZZ_CHECK(!blank);
  FUZZ_CHECK(std::ssize(bytes) >= kTimerLogUnitSize);
  (void)unit->due();
  std::array<std::byte, kTimerLogUnitSize> again{};
  unit->store(again.data());
  FUZZ_CHECK(std::ranges::equal(again, bytes.first(again.size())));
  return 0;
}
