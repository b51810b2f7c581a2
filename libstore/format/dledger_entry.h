// The head of an entry of a DLedger data file; its body is a commit log record.
// RocketMQ: DLedgerEntryCoder of the DLedger library. Page: docs/format/dledger_entry.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"

namespace rmq::format {

inline constexpr std::int64_t kDledgerEntryHeaderSize = 48;
inline constexpr std::int32_t kDledgerMagic = 1;        // DLedgerMmapFileStore.CURRENT_MAGIC
inline constexpr std::int32_t kDledgerBlankMagic = -1;  // MmapFileList.BLANK_MAGIC_CODE: ends a file
inline constexpr std::int64_t kDledgerBlankSize = 8;    // magic and what is left of the file

inline constexpr std::array<LayoutField, 9> kDledgerEntryLayout{{
    {"magic", "0", "4", "i32"},
    {"size", "4", "4", "i32"},
    {"index", "8", "8", "i64"},
    {"term", "16", "8", "i64"},
    {"pos", "24", "8", "i64"},
    {"channel", "32", "4", "i32"},
    {"chainCrc", "36", "4", "i32"},
    {"bodyCrc", "40", "4", "i32"},
    {"bodySize", "44", "4", "i32"},
}};

struct DledgerEntry {
  std::int32_t magic = kDledgerMagic;
  std::int32_t size = 0;     // with this head
  std::int64_t index = 0;    // counts entries, from 0
  std::int64_t term = 0;     // of the leader that wrote it
  std::int64_t pos = 0;      // log offset of this head
  std::int32_t channel = 0;  // 0, as the checksums are
  std::int32_t chain_crc = 0;
  std::int32_t body_crc = 0;
  std::int32_t body_size = 0;

  // Refuses what DLedgerMmapFileStore.recover stops at without knowing where it is: a magic below 1 or sizes
  // that do not add up. The blank that ends a file is bad_magic here.
  [[nodiscard]] static Decoded<DledgerEntry> parse(std::span<const std::byte> bytes) {
    if (std::ssize(bytes) < kDledgerEntryHeaderSize) return DecodeError{DecodeFault::truncated, bytes.size()};
    const DledgerEntry entry = load(bytes.data());
    if (entry.magic < kDledgerMagic) return DecodeError{DecodeFault::bad_magic, 0};
    if (entry.size <= kDledgerEntryHeaderSize) return DecodeError{DecodeFault::bad_length, 4};
    if (entry.body_size != entry.size - kDledgerEntryHeaderSize)
      return DecodeError{DecodeFault::bad_length, 44};
    return entry;
  }
  [[nodiscard]] static DledgerEntry load(const std::byte* at) {
    return {load_be<std::int32_t>(at),      load_be<std::int32_t>(at + 4),  load_be<std::int64_t>(at + 8),
            load_be<std::int64_t>(at + 16), load_be<std::int64_t>(at + 24), load_be<std::int32_t>(at + 32),
            load_be<std::int32_t>(at + 36), load_be<std::int32_t>(at + 40), load_be<std::int32_t>(at + 44)};
  }
  void store(std::byte* at) const {
    store_be(at, magic);
    store_be(at + 4, size);
    store_be(at + 8, index);
    store_be(at + 16, term);
    store_be(at + 24, pos);
    store_be(at + 32, channel);
    store_be(at + 36, chain_crc);
    store_be(at + 40, body_crc);
    store_be(at + 44, body_size);
  }
  bool operator==(const DledgerEntry&) const = default;
};

// True where a file's entries end: `left` bytes remain in it, and the blank says so.
[[nodiscard]] inline bool is_dledger_blank(std::span<const std::byte> bytes, std::int64_t left) {
  return std::ssize(bytes) >= kDledgerBlankSize &&
         load_be<std::int32_t>(bytes.data()) == kDledgerBlankMagic &&
         load_be<std::int32_t>(bytes.data() + 4) == left;
}

}  // namespace rmq::format
