// The key index: a hash table in a file. Header, slot table, entries chained by slot.
// RocketMQ: IndexHeader, IndexFile, IndexService. Page: docs/format/index_file.md.
// How many slots a file has is written nowhere: scan/index_geometry.h infers it.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/java_string.h"
#include "libstore/bytes/layout.h"
#include "libstore/format/message_properties.h"

namespace rmq::format {

inline constexpr std::int64_t kIndexHeaderSize = 40;
inline constexpr std::int64_t kIndexSlotSize = 4;
inline constexpr std::int64_t kIndexEntrySize = 20;
inline constexpr std::int32_t kDefaultIndexSlots = 5'000'000;     // maxHashSlotNum
inline constexpr std::int32_t kDefaultIndexEntries = 20'000'000;  // maxIndexNum

inline constexpr std::array<LayoutField, 6> kIndexHeaderLayout{{
    {"beginTimestamp", "0", "8", "i64"},
    {"endTimestamp", "8", "8", "i64"},
    {"beginPhyOffset", "16", "8", "i64"},
    {"endPhyOffset", "24", "8", "i64"},
    {"hashSlotCount", "32", "4", "i32"},
    {"indexCount", "36", "4", "i32"},
}};
inline constexpr std::array<LayoutField, 4> kIndexEntryLayout{{
    {"keyHash", "0", "4", "i32"},
    {"phyOffset", "4", "8", "i64"},
    {"timeDiff", "12", "4", "i32"},
    {"prevIndex", "16", "4", "i32"},
}};

struct IndexHeader {
  std::int64_t begin_timestamp = 0;
  std::int64_t end_timestamp = 0;
  std::int64_t begin_phy_offset = 0;
  std::int64_t end_phy_offset = 0;
  std::int32_t hash_slot_count = 0;
  std::int32_t index_count = 1;  // the number the next entry gets; entry 0 is never used

  [[nodiscard]] static Decoded<IndexHeader> parse(std::span<const std::byte> bytes) {
    if (bytes.size() < kIndexHeaderSize) return DecodeError{DecodeFault::truncated, bytes.size()};
    const std::byte* at = bytes.data();
    return IndexHeader{load_be<std::int64_t>(at),      load_be<std::int64_t>(at + 8),
                       load_be<std::int64_t>(at + 16), load_be<std::int64_t>(at + 24),
                       load_be<std::int32_t>(at + 32), load_be<std::int32_t>(at + 36)};
  }
  void store(std::byte* at) const {
    store_be(at, begin_timestamp);
    store_be(at + 8, end_timestamp);
    store_be(at + 16, begin_phy_offset);
    store_be(at + 24, end_phy_offset);
    store_be(at + 32, hash_slot_count);
    store_be(at + 36, index_count);
  }
  bool operator==(const IndexHeader&) const = default;
};

struct IndexEntry {
  std::int32_t key_hash = 0;
  std::int64_t phy_offset = 0;
  std::int32_t time_diff_seconds = 0;  // since the header's beginTimestamp
  std::int32_t prev_index = 0;         // the entry that headed the slot's chain before this one, 0 = none

  [[nodiscard]] static Decoded<IndexEntry> parse(std::span<const std::byte> bytes) {
    if (bytes.size() < kIndexEntrySize) return DecodeError{DecodeFault::truncated, bytes.size()};
    return load(bytes.data());
  }
  [[nodiscard]] static IndexEntry load(const std::byte* at) {
    return {load_be<std::int32_t>(at), load_be<std::int64_t>(at + 4), load_be<std::int32_t>(at + 12),
            load_be<std::int32_t>(at + 16)};
  }
  void store(std::byte* at) const {
    store_be(at, key_hash);
    store_be(at + 4, phy_offset);
    store_be(at + 12, time_diff_seconds);
    store_be(at + 16, prev_index);
  }
  bool operator==(const IndexEntry&) const = default;
};

// Where things lie in a file of `slots` slots.
[[nodiscard]] constexpr std::int64_t index_slot_position(std::int64_t slot) {
  return kIndexHeaderSize + slot * kIndexSlotSize;
}
[[nodiscard]] constexpr std::int64_t index_entry_position(std::int64_t slots, std::int64_t number) {
  return kIndexHeaderSize + slots * kIndexSlotSize + number * kIndexEntrySize;
}

// IndexFile.indexKeyHashMethod over `topic#key`: absolute value, and 0 where Java's abs overflows.
[[nodiscard]] inline std::int32_t index_key_hash(std::int32_t java_hash_of_topic_and_separator,
                                                 std::string_view key) {
  const std::int32_t hash = java_hash(key, java_hash_of_topic_and_separator);
  if (hash == std::numeric_limits<std::int32_t>::min()) return 0;
  return hash < 0 ? -hash : hash;
}
[[nodiscard]] inline std::int32_t index_key_hash(std::string_view topic, std::string_view key) {
  return index_key_hash(java_hash("#", java_hash(topic)), key);
}

// One hash for each key that a message is found by: UNIQ_KEY if there is one, then the words of KEYS
// (IndexService.buildIndex, KEY_SEPARATOR).
inline void append_index_key_hashes(std::int32_t java_hash_of_topic_and_separator,
                                    std::optional<std::string_view> uniq_key, std::string_view keys,
                                    std::vector<std::int32_t>& hashes) {
  if (uniq_key) hashes.push_back(index_key_hash(java_hash_of_topic_and_separator, *uniq_key));
  for_each_key(keys, [&](std::string_view key) {
    hashes.push_back(index_key_hash(java_hash_of_topic_and_separator, key));
  });
}

// Seconds since `begin`, as IndexFile.putKey clamps them.
[[nodiscard]] constexpr std::int32_t index_time_diff(std::int64_t begin_timestamp,
                                                     std::int64_t store_timestamp) {
  if (begin_timestamp <= 0) return 0;
  // Wraps as Java's subtraction does: both come from disk.
  const std::int64_t seconds = static_cast<std::int64_t>(static_cast<std::uint64_t>(store_timestamp) -
                                                         static_cast<std::uint64_t>(begin_timestamp)) /
                               1000;
  if (seconds > std::numeric_limits<std::int32_t>::max()) return std::numeric_limits<std::int32_t>::max();
  return seconds < 0 ? 0 : static_cast<std::int32_t>(seconds);
}

}  // namespace rmq::format
