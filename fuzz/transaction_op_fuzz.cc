// What is read of a body is written, and read again as the same.
#include <cstdint>
#include <string_view>

#include "fuzz/fuzz_check.h"
#include "libstore/format/transaction_op.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  std::vector<std::int64_t> offsets;
  const std::size_t refused =
      for_each_half_offset(body, [&](std::int64_t offset) { offsets.push_back(offset); });
  FUZZ_CHECK(offsets.size() + refused <= size);
  std::vector<std::int64_t> again;
  const std::string written = encode_half_offsets(offsets);
  FUZZ_CHECK(for_each_half_offset(written, [&](std::int64_t offset) { again.push_back(offset); }) == 0);
  FUZZ_CHECK(again == offsets);
  return 0;
}
