// The file epochFileCheckpoint of a store in controller mode (5.x): from which log offset on each master
// wrote. RocketMQ: CheckpointFile, EpochFileCache. Page: docs/format/epoch_checkpoint.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/bytes/decode_error.h"

namespace rmq::format {

inline constexpr std::string_view kEpochCheckpointName = "epochFileCheckpoint";  // and .bak beside it

struct EpochEntry {
  std::int32_t epoch = 0;
  std::int64_t start = 0;  // commit log offset of its first byte
  bool operator==(const EpochEntry&) const = default;
};

struct EpochCheckpoint {
  std::vector<EpochEntry> entries;

  // Refuses what CheckpointFile.read throws at: no two numbers at the start (truncated, bad_field), another
  // count of entries (bad_length), another checksum (bad_crc; one of 0 is not compared). Lines may end as on
  // Windows.
  [[nodiscard]] static Decoded<EpochCheckpoint> parse(std::string_view text);
  // As written on Linux; RocketMQ never writes an empty list.
  [[nodiscard]] std::string encode() const;
  // EpochFileCache.appendEntry: both numbers of each entry are above those of the one before it.
  [[nodiscard]] bool ascends() const;
  bool operator==(const EpochCheckpoint&) const = default;
};

}  // namespace rmq::format
