// Any bytes are a checkpoint; its first 56 come back the same.
#include <algorithm>
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/format/timer_checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto again = TimerCheckpoint::read(bytes).encode();
  const std::size_t fields = std::min<std::size_t>(size, kTimerCheckpointUsed);
  FUZZ_CHECK(std::ranges::equal(std::span(again).first(fields), bytes.first(fields)));
  return 0;
}
