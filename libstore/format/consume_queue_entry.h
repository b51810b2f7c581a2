// One unit of a simple consume queue: where a queue offset's message lies in the commit log.
// RocketMQ: ConsumeQueue. Page: docs/format/consume_queue_entry.md.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"

namespace rmq::format {

inline constexpr std::int64_t kConsumeQueueEntrySize = 20;
inline constexpr std::int64_t kDefaultConsumeQueueFileSize = 300'000 * kConsumeQueueEntrySize;

inline constexpr std::array<LayoutField, 3> kConsumeQueueEntryLayout{{
    {"commitLogOffset", "0", "8", "i64"},
    {"size", "8", "4", "i32"},
    {"tagsCode", "12", "8", "i64"},
}};

struct ConsumeQueueEntry {
  std::int64_t commit_log_offset = 0;
  std::int32_t size = 0;
  std::int64_t tags_code = 0;  // or an address into the consume queue ext, see is_ext_address

  // Fails only on truncation: every 20 bytes are an entry, is_used() tells whether Java would read on.
  [[nodiscard]] static Decoded<ConsumeQueueEntry> parse(std::span<const std::byte> bytes) {
    if (bytes.size() < kConsumeQueueEntrySize) return DecodeError{DecodeFault::truncated, bytes.size()};
    return load(bytes.data());
  }
  // The same for 20 bytes that are known to be there.
  [[nodiscard]] static ConsumeQueueEntry load(const std::byte* at) {
    return {load_be<std::int64_t>(at), load_be<std::int32_t>(at + 8), load_be<std::int64_t>(at + 12)};
  }
  void store(std::byte* at) const {
    store_be(at, commit_log_offset);
    store_be(at + 8, size);
    store_be(at + 12, tags_code);
  }

  // Java reads a queue up to the first unit for which this is false (ConsumeQueue.recover).
  [[nodiscard]] bool is_used() const { return commit_log_offset >= 0 && size > 0; }
  // Written in front of the first unit of a queue that starts above 0 (ConsumeQueue.fillPreBlank).
  [[nodiscard]] bool is_pre_blank() const {
    return commit_log_offset == 0 && size == std::numeric_limits<std::int32_t>::max() && tags_code == 0;
  }
  bool operator==(const ConsumeQueueEntry&) const = default;
};

inline constexpr ConsumeQueueEntry kPreBlankEntry{0, std::numeric_limits<std::int32_t>::max(), 0};

// A tags code that leads into the consume queue ext: Long.MIN_VALUE + offset (ConsumeQueueExt.isExtAddr).
[[nodiscard]] constexpr bool is_ext_address(std::int64_t tags_code) {
  return tags_code < std::numeric_limits<std::int32_t>::min();
}
[[nodiscard]] constexpr std::int64_t ext_offset(std::int64_t address) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(address) ^ (1ULL << 63));
}
[[nodiscard]] constexpr std::int64_t ext_address(std::int64_t offset) { return ext_offset(offset); }

}  // namespace rmq::format
