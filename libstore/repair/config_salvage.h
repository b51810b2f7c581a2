// What is left in a state file that no longer parses: cut, overwritten in part, or with its beginning gone.
// An entry counts when it is well-formed by itself and says what an entry of its file has to say: a topic or
// group repeats its own name, offsets stand under `topic@group`. Pages of the tables:
// docs/format/config_files.md.
#pragma once

#include <cstddef>
#include <string_view>

#include "libstore/format/config_files.h"

namespace rmq::repair {

struct ConfigSalvage {
  // The file with the entries that were found, in their order, and its dataVersion if that was whole. Where a
  // name stands twice the later one counts.
  json::Value file;
  std::size_t entries = 0;
  // The text is the beginning of a file, zeros behind it at most: what was found stands as it was written.
  // Else something in the middle is wrong, and other bytes may be too.
  bool is_cut = false;
};

// For topics, groups and offsets of all three kinds; of other files nothing is taken. Time linear in the
// size.
[[nodiscard]] ConfigSalvage salvage_config(const format::ConfigFile& file, std::string_view text);

// The member of the file that holds its entries; empty for kinds that are not salvaged.
[[nodiscard]] std::string_view config_table(format::ConfigFileKind kind);

// Brings what stands in `newer` into `base`: entries that it lacks, and, with `overwrite`, values of those
// that it has (of offsets: queue by queue). True if `base` changed.
bool merge_config(const format::ConfigFile& file, json::Value& base, const json::Value& newer,
                  bool overwrite);

}  // namespace rmq::repair
