// Any text is read or refused; no more positions are read than a text can hold.
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/format/compaction_positions.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto positions =
      rmq::format::read_compaction_positions(rmq::as_text(std::as_bytes(std::span(data, size))));
  if (positions) FUZZ_CHECK(positions->size() <= size);
  return 0;
}
