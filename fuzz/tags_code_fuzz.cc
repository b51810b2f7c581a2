// Delay levels from any text, and the tags code of a delayed message whose level is what follows the first
// line.
#include <cstdint>
#include <string_view>

#include "fuzz/fuzz_check.h"
#include "libstore/format/tags_code.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), text.size());
  const auto levels = DelayLevels::parse(text.substr(0, line));
  if (levels) FUZZ_CHECK(levels->max_level() > 0);
  MessageView message;
  message.topic = kScheduleTopic;
  message.store_timestamp = 1'700'000'000'000;
  StoreProperties properties;
  properties.delay = text.substr(std::min(line + 1, size));
  std::int32_t level = 0;
  const auto code = tags_code(message, properties, levels ? *levels : DelayLevels());
  FUZZ_CHECK(code.has_value() == parse_java_int(*properties.delay, level));
  if (code && level <= 0) FUZZ_CHECK(*code == 0);
  return 0;
}
