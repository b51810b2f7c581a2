// The hash table of one index file, over bytes that are the file: a mapping of it, or memory that becomes it.
// RocketMQ: IndexFile.putKey, IndexHeader. One thread; whoever reads the same bytes meanwhile finds what
// RocketMQ's readers expect: an entry before its slot, the slot before the header.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/index_file.h"

namespace rmq::derive {

class IndexTable {
 public:
  // `bytes` must be a whole file of that many slots and entries (format::index_entry_position), at least one
  // of each, and outlive the table.
  IndexTable(std::span<std::byte> bytes, std::int32_t slots, std::int32_t entries)
      : bytes_(bytes.data()), slots_(slots), entries_(entries), header_(*format::IndexHeader::parse(bytes)) {
    // IndexHeader.load.
    header_.index_count = std::max(header_.index_count, 1);
  }

  [[nodiscard]] const format::IndexHeader& header() const { return header_; }
  [[nodiscard]] bool full() const { return header_.index_count >= entries_; }

  // The slot comes into the cache; some dozen puts ahead.
  void prefetch(std::int32_t key_hash) const { __builtin_prefetch(slot_at(key_hash), 1); }

  // False, and nothing is changed, when the file is full. `key_hash` is not negative.
  bool put(std::int32_t key_hash, std::int64_t log_offset, std::int64_t store_timestamp) {
    if (full()) return false;
    std::byte* const slot = slot_at(key_hash);
    std::int32_t before = load_be<std::int32_t>(slot);
    if (before <= 0 || before > header_.index_count) before = 0;
    format::IndexEntry{key_hash, log_offset,
                       format::index_time_diff(header_.begin_timestamp, store_timestamp), before}
        .store(entry_at(header_.index_count));
    // A killed process leaves what it has stored until then: the order is that of the program.
    std::atomic_signal_fence(std::memory_order_release);
    store_be(slot, header_.index_count);
    std::atomic_signal_fence(std::memory_order_release);
    if (header_.index_count <= 1) {
      header_.begin_phy_offset = log_offset;
      header_.begin_timestamp = store_timestamp;
    }
    if (before == 0) ++header_.hash_slot_count;
    ++header_.index_count;
    header_.end_phy_offset = log_offset;
    header_.end_timestamp = store_timestamp;
    header_.store(bytes_);
    return true;
  }

  // Entry `number` in [1, index_count).
  [[nodiscard]] format::IndexEntry entry(std::int32_t number) const {
    return format::IndexEntry::load(entry_at(number));
  }

  // A process was killed between an entry's slot and its header: the slot leads to an entry that does not
  // count, and the next put would link it to itself and lose the chain. Takes the slot back.
  void mend_last_slot() {
    if (full()) return;
    const format::IndexEntry uncounted = entry(header_.index_count);
    if (uncounted.key_hash < 0) return;
    std::byte* const slot = slot_at(uncounted.key_hash);
    if (load_be<std::int32_t>(slot) != header_.index_count) return;
    const bool sane = uncounted.prev_index > 0 && uncounted.prev_index < header_.index_count;
    store_be(slot, sane ? uncounted.prev_index : 0);
  }

 private:
  [[nodiscard]] std::byte* slot_at(std::int32_t key_hash) const {
    return bytes_ + format::index_slot_position(key_hash % slots_);
  }
  [[nodiscard]] std::byte* entry_at(std::int32_t number) const {
    return bytes_ + format::index_entry_position(slots_, number);
  }

  std::byte* bytes_;
  std::int32_t slots_;
  std::int32_t entries_;
  format::IndexHeader header_;
};

// The header of a new file: it begins where the one before ended (IndexFile's constructor).
[[nodiscard]] inline format::IndexHeader index_header_behind(const format::IndexHeader& before) {
  format::IndexHeader header;
  if (before.end_phy_offset > 0) header.begin_phy_offset = header.end_phy_offset = before.end_phy_offset;
  if (before.end_timestamp > 0) header.begin_timestamp = header.end_timestamp = before.end_timestamp;
  return header;
}

}  // namespace rmq::derive
