// One unit of a batch consume queue (5.x, topic attribute queue.type=BatchCQ): one unit a stored batch.
// RocketMQ: BatchConsumeQueue. Page: docs/format/batch_consume_queue_entry.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"

namespace rmq::format {

inline constexpr std::int64_t kBatchConsumeQueueEntrySize = 46;
inline constexpr std::int64_t kDefaultBatchConsumeQueueFileSize = 300'000 * kBatchConsumeQueueEntrySize;

inline constexpr std::array<LayoutField, 8> kBatchConsumeQueueEntryLayout{{
    {"commitLogOffset", "0", "8", "i64"},
    {"size", "8", "4", "i32"},
    {"tagsCode", "12", "8", "i64"},
    {"storeTime", "20", "8", "i64"},
    {"msgBaseOffset", "28", "8", "i64"},
    {"batchSize", "36", "2", "i16"},
    {"compactedOffset", "38", "4", "i32"},
    {"reserved", "42", "4", "i32"},
}};

struct BatchConsumeQueueEntry {
  std::int64_t commit_log_offset = 0;
  std::int32_t size = 0;
  std::int64_t tags_code = 0;
  std::int64_t store_timestamp = 0;
  std::int64_t base_offset = 0;  // queue offset of the batch's first message
  std::int16_t batch_size = 0;
  std::int32_t compacted_offset = -1;
  std::int32_t reserved = 0;

  [[nodiscard]] static Decoded<BatchConsumeQueueEntry> parse(std::span<const std::byte> bytes) {
    if (bytes.size() < kBatchConsumeQueueEntrySize) return DecodeError{DecodeFault::truncated, bytes.size()};
    return load(bytes.data());
  }
  [[nodiscard]] static BatchConsumeQueueEntry load(const std::byte* at) {
    return {load_be<std::int64_t>(at),      load_be<std::int32_t>(at + 8),  load_be<std::int64_t>(at + 12),
            load_be<std::int64_t>(at + 20), load_be<std::int64_t>(at + 28), load_be<std::int16_t>(at + 36),
            load_be<std::int32_t>(at + 38), load_be<std::int32_t>(at + 42)};
  }
  void store(std::byte* at) const {
    store_be(at, commit_log_offset);
    store_be(at + 8, size);
    store_be(at + 12, tags_code);
    store_be(at + 20, store_timestamp);
    store_be(at + 28, base_offset);
    store_be(at + 36, batch_size);
    store_be(at + 38, compacted_offset);
    store_be(at + 42, reserved);
  }

  // BatchConsumeQueue.isValid... reads on while offset >= 0, size > 0, base >= 0 and batch size > 0.
  [[nodiscard]] bool is_used() const {
    return commit_log_offset >= 0 && size > 0 && base_offset >= 0 && batch_size > 0;
  }
  bool operator==(const BatchConsumeQueueEntry&) const = default;
};

}  // namespace rmq::format
