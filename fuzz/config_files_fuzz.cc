// The first byte picks the file, the rest is its text: what loads is written, and loads again as the same
// text.
#include <cstdint>
#include <string_view>

#include "fuzz/fuzz_check.h"
#include "libstore/format/config_files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  if (size == 0) return 0;
  const ConfigFile& file = config_files()[data[0] % config_files().size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  LoadedConfig loaded = load_config(file, text, std::nullopt);
  FUZZ_CHECK(loaded.value.has_value() == (loaded.from == LoadedFrom::json));
  FUZZ_CHECK(loaded.value.has_value() == loaded.json_problem.empty());
  FUZZ_CHECK(load_config(file, std::nullopt, text).value.has_value() == loaded.value.has_value());
  if (!loaded.value || loaded.value->is_null()) return 0;
  const std::string written = write_config(file, *loaded.value);
  const LoadedConfig again = load_config(file, written, std::nullopt);
  FUZZ_CHECK(again.value.has_value());
  FUZZ_CHECK(write_config(file, *again.value) == written);
  if (file.kind == ConfigFileKind::consumer_offsets) {
    for (const ConsumerOffset& offset : *read_consumer_offsets(*loaded.value))
      set_consumer_offset(*loaded.value, offset);
    FUZZ_CHECK(read_consumer_offsets(*loaded.value).has_value());
  }
  if (file.kind == ConfigFileKind::topics) {
    const auto topics = read_topics(*loaded.value);
    for (const TopicConfig& topic : *topics) set_topic(*loaded.value, topic);
    FUZZ_CHECK(read_topics(*loaded.value)->size() == topics->size());
  }
  return 0;
}
