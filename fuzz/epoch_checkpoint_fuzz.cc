// What is read comes back the same when it is written again.
#include <cstdint>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/format/epoch_checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rmq::format::EpochCheckpoint;
  const auto checkpoint = EpochCheckpoint::parse(rmq::as_text(std::as_bytes(std::span(data, size))));
  if (!checkpoint) return 0;
  bool plain = true;  // an offset below zero has a second dash
  for (const auto& entry : checkpoint->entries) plain = plain && entry.epoch >= 0 && entry.start >= 0;
  if (!plain) return 0;
  const auto again = EpochCheckpoint::parse(checkpoint->encode());
  FUZZ_CHECK(again.has_value() && *again == *checkpoint);
  return 0;
}
