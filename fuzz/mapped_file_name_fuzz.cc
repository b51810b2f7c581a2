// A name that parses is the one that is written for its offset.
#include <cstdint>
#include <string_view>

#include "fuzz/fuzz_check.h"
#include "libstore/format/mapped_file_name.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const std::string_view name(reinterpret_cast<const char*>(data), size);
  if (const auto offset = parse_mapped_file_name(name)) FUZZ_CHECK(mapped_file_name(*offset) == name);
  if (const auto number = parse_index_file_name(name))
    FUZZ_CHECK(*number >= 0 && size == kIndexFileNameLength);
  return 0;
}
