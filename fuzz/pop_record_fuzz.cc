// The first byte picks the tag, the rest is the body.
#include <array>
#include <cstdint>
#include <string_view>

#include "fuzz/fuzz_check.h"
#include "libstore/format/pop_record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  if (size == 0) return 0;
  constexpr std::array kTags{kPopCheckPointTag, kPopAckTag, kPopBatchAckTag};
  const std::string_view tag = kTags[data[0] % kTags.size()];
  const auto record = parse_pop_record(tag, {reinterpret_cast<const char*>(data) + 1, size - 1});
  if (!record) return 0;
  FUZZ_CHECK(record->is_check_point == (tag == kPopCheckPointTag));
  FUZZ_CHECK(!record->topic.empty() && !record->group.empty() && record->queue_id >= 0);
  FUZZ_CHECK(record->offsets.size() <= size);
  (void)record->visible_at();
  for (std::size_t place = 0; place < 64; ++place) FUZZ_CHECK(place < 32 || !record->is_acked(place));
  return 0;
}
