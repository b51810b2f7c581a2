// One unit of a consume queue ext file: tags code, store time and filter bit map of a message.
// RocketMQ: ConsumeQueueExt.CqExtUnit. Page: docs/format/consume_queue_ext_unit.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"

namespace rmq::format {

inline constexpr std::int16_t kConsumeQueueExtMinUnitSize = 20;
inline constexpr std::int64_t kDefaultConsumeQueueExtFileSize = 48 << 20;
inline constexpr std::int16_t kConsumeQueueExtEndOfFile = -1;  // stands where the next unit's size would

inline constexpr std::array<LayoutField, 5> kConsumeQueueExtUnitLayout{{
    {"size", "0", "2", "i16"},
    {"tagsCode", "2", "8", "i64"},
    {"msgStoreTime", "10", "8", "i64"},
    {"bitMapSize", "18", "2", "i16"},
    {"filterBitMap", "20", "n", "bytes"},
}};

struct ConsumeQueueExtUnit {
  std::int16_t size = 0;  // 20 + bit map bytes
  std::int64_t tags_code = 0;
  std::int64_t store_timestamp = 0;
  std::span<const std::byte> bit_map;  // borrows from what was parsed

  // An end-of-file mark is bad_magic; a size that does not match the bit map is bad_length.
  [[nodiscard]] static Decoded<ConsumeQueueExtUnit> parse(std::span<const std::byte> bytes);
};
[[nodiscard]] Decoded<std::vector<std::byte>> encode(const ConsumeQueueExtUnit& unit);

}  // namespace rmq::format
