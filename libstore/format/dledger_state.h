// The small state files of a DLedger store, checkpoint and currterm: lines of key=value.
// RocketMQ: DLedgerMmapFileStore.persistCheckPoint, MemberState of the DLedger library. Page:
// docs/format/dledger_state.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libstore/bytes/decode_error.h"

namespace rmq::format {

// The file `checkpoint`. Other keys are ignored, as DLedger ignores them.
struct DledgerCheckpoint {
  std::optional<std::int64_t> end_index;        // of the last entry, -1 without one
  std::optional<std::int64_t> committed_index;  // entries up to it are on a majority
  // bad_field: a number that Long.valueOf would refuse.
  [[nodiscard]] static Decoded<DledgerCheckpoint> parse(std::string_view text);
  [[nodiscard]] std::string encode() const;
  bool operator==(const DledgerCheckpoint&) const = default;
};

// The file `currterm`.
struct DledgerTerm {
  std::optional<std::int64_t> term;
  std::string vote_leader;  // empty: voted for nobody
  [[nodiscard]] static Decoded<DledgerTerm> parse(std::string_view text);
  [[nodiscard]] std::string encode() const;
  bool operator==(const DledgerTerm&) const = default;
};

}  // namespace rmq::format
