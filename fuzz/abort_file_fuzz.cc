// Any text: a process id is positive, and there is one only where the text is digits.
#include <cstdint>
#include <string_view>

#include "fuzz/fuzz_check.h"
#include "libstore/format/abort_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto pid = rmq::format::parse_abort_file(text);
  if (pid) FUZZ_CHECK(*pid > 0 && text.find_first_not_of("0123456789") == text.npos);
  return 0;
}
