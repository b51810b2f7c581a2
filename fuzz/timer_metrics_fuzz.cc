// Any JSON is read or refused; what is read has a name.
#include <cstdint>
#include <string_view>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/format/timer_metrics.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = rmq::json::parse(rmq::as_text(std::as_bytes(std::span(data, size))));
  if (!value) return 0;
  const auto metrics = rmq::format::read_timer_metrics(*value);
  if (metrics) {
    const auto* table = value->find("timingCount");
    FUZZ_CHECK(metrics->empty() || (table != nullptr && table->if_object()->size() >= metrics->size()));
  }
  return 0;
}
