// The pairs of any text, written again, are read as the same pairs; the two ways to find one agree.
#include <cstdint>
#include <string>

#include "fuzz/fuzz_check.h"
#include "libstore/format/message_properties.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::pair<std::string, std::string>> pairs;
  PropertyReader reader(text);
  while (const auto property = reader.next()) pairs.emplace_back(property->name, property->value);
  const std::string written = encode_properties(pairs);
  FUZZ_CHECK(written.size() <= size + 1);
  PropertyReader again(written);
  for (const auto& [name, value] : pairs) {
    const auto property = again.next();
    FUZZ_CHECK(property && property->name == name && property->value == value);
  }
  FUZZ_CHECK(!again.next());
  const StoreProperties found = store_properties(text);
  FUZZ_CHECK(found.tags == find_property(text, kPropertyTags));
  FUZZ_CHECK(found.keys == find_property(text, kPropertyKeys));
  FUZZ_CHECK(found.uniq_key == find_property(text, kPropertyUniqKey));
  FUZZ_CHECK(found.multi_dispatch == find_property(text, kPropertyMultiDispatch));
  // One that has learned the shape of the first half reads the whole the same.
  StorePropertiesReader remembers;
  for (const std::string_view part : {text.substr(0, size / 2), text.substr(size / 2), text, text}) {
    const StoreProperties right = store_properties(part);
    const StoreProperties& read = remembers.read(part);
    FUZZ_CHECK(read.tags == right.tags && read.keys == right.keys && read.uniq_key == right.uniq_key &&
               read.multi_dispatch == right.multi_dispatch && read.has_zero == right.has_zero);
  }
  for_each_key(text, [](std::string_view key) { FUZZ_CHECK(!key.empty() && key.find(' ') == key.npos); });
  return 0;
}
