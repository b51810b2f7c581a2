// The first byte picks the file, the rest is what is left of its text: what is salvaged is a file that loads,
// and to bring it into itself changes nothing.
#include <cstdint>
#include <string_view>

#include "fuzz/fuzz_check.h"
#include "libstore/repair/config_salvage.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  if (size == 0) return 0;
  const ConfigFile& file = config_files()[data[0] % config_files().size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  rmq::repair::ConfigSalvage salvage = rmq::repair::salvage_config(file, text);
  if (salvage.file.is_null()) return 0;
  const std::string written = write_config(file, salvage.file);
  const LoadedConfig loaded = load_config(file, written, std::nullopt);
  FUZZ_CHECK(loaded.value.has_value());
  FUZZ_CHECK(rmq::repair::salvage_config(file, written).entries == salvage.entries);
  rmq::json::Value merged = salvage.file;
  FUZZ_CHECK(!rmq::repair::merge_config(file, merged, salvage.file, true));
  rmq::json::Value fresh = new_config(file);
  rmq::repair::merge_config(file, fresh, salvage.file, false);
  FUZZ_CHECK(fresh.find(rmq::repair::config_table(file.kind)) != nullptr);
  return 0;
}
