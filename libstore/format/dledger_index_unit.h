// One unit of a DLedger index file: where an entry lies. RocketMQ: DLedgerEntryCoder.encodeIndex of the
// DLedger library. Page: docs/format/dledger_index_unit.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"

namespace rmq::format {

inline constexpr std::int64_t kDledgerIndexUnitSize = 32;

inline constexpr std::array<LayoutField, 5> kDledgerIndexUnitLayout{{
    {"magic", "0", "4", "i32"},
    {"pos", "4", "8", "i64"},
    {"size", "12", "4", "i32"},
    {"index", "16", "8", "i64"},
    {"term", "24", "8", "i64"},
}};

struct DledgerIndexUnit {
  std::int32_t magic = 0;
  std::int64_t pos = 0;    // log offset of the entry
  std::int32_t size = 0;   // of the entry
  std::int64_t index = 0;  // the unit lies at this times its size
  std::int64_t term = 0;

  [[nodiscard]] static Decoded<DledgerIndexUnit> parse(std::span<const std::byte> bytes) {
    if (std::ssize(bytes) < kDledgerIndexUnitSize) return DecodeError{DecodeFault::truncated, bytes.size()};
    return load(bytes.data());
  }
  [[nodiscard]] static DledgerIndexUnit load(const std::byte* at) {
    return {load_be<std::int32_t>(at), load_be<std::int64_t>(at + 4), load_be<std::int32_t>(at + 12),
            load_be<std::int64_t>(at + 16), load_be<std::int64_t>(at + 24)};
  }
  void store(std::byte* at) const {
    store_be(at, magic);
    store_be(at + 4, pos);
    store_be(at + 12, size);
    store_be(at + 16, index);
    store_be(at + 24, term);
  }
  bool operator==(const DledgerIndexUnit&) const = default;
};

}  // namespace rmq::format
