// What is read comes back the same when it is written again.
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/format/dledger_state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const auto text = rmq::as_text(std::as_bytes(std::span(data, size)));
  if (const auto point = DledgerCheckpoint::parse(text))
    FUZZ_CHECK(*DledgerCheckpoint::parse(point->encode()) == *point);
  if (const auto term = DledgerTerm::parse(text)) FUZZ_CHECK(*DledgerTerm::parse(term->encode()) == *term);
  return 0;
}
