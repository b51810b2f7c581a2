// Any text: what the reader takes is written, and reads back as the same tree and the same text, compact and
// pretty.
#include <cstdint>
#include <string_view>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/java_string.h"
#include "libstore/json/json_value.h"
#include "libstore/json/json_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::json;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = parse(text, {.bytes = 1 << 20, .values = 1 << 16, .depth = 64});
  JsonLine line;
  line.value(text);
  const auto as_string = parse(line.text());
  if (text.find('\x1A') == text.npos)
    FUZZ_CHECK(as_string && *as_string->if_string() == rmq::java_clean_utf8(text));
  if (!value) {
    FUZZ_CHECK(value.error().line >= 1 && value.error().column >= 1 && !value.error().what.empty());
    return 0;
  }
  for (const FastjsonStyle style : {FastjsonStyle{.pretty = false}, FastjsonStyle{.pretty = true}}) {
    const std::string written = write_fastjson(*value, style);
    const auto again = parse(written);
    FUZZ_CHECK(again.has_value());
    FUZZ_CHECK(write_fastjson(*again, style) == written);
  }
  return 0;
}
