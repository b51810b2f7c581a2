// What an undo journal writes and an undo reads: the lines of manifest.ndjson. docs/tools/rmq-repair.md
// describes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/io/read_file_system.h"

namespace rmq::recovery {

inline constexpr std::string_view kUndoManifest = "manifest.ndjson";
inline constexpr std::string_view kUndoBefore = "before.ndjson";  // the StoreListing when it began
inline constexpr std::int64_t kUndoVersion = 1;
inline constexpr std::int64_t kLargestUndoManifest = std::int64_t{1} << 30;
inline constexpr std::int64_t kLargestKeptWhole = 64 << 20;  // of a file that is replaced

// One thing to undo.
struct UndoEntry {
  std::string kind;
  std::string path;
  std::string to;
  std::string saved;
  std::uint32_t crc = 0;
  std::int64_t offset = 0;
  std::int64_t length = 0;
  std::int64_t modified_ms = 0;
  bool directory = false;
};

struct UndoManifest {
  std::string root;
  std::vector<std::string> others;
  std::string purpose;
  std::string plan;
  std::vector<std::string> made_directories;
  std::vector<UndoEntry> entries;
  std::string after;                   // hash of the listing when all was done; empty: it was not
  std::optional<std::size_t> undoing;  // the entry that an undo had come to
  std::int64_t size = 0;               // bytes of whole lines
};

[[nodiscard]] Error damaged_manifest(const std::string& directory, std::string_view what);

// Hostile: paths lead into the store, its other directories, or the directory of originals; else it fails.
[[nodiscard]] Result<UndoManifest> read_manifest(const io::ReadFileSystem& files,
                                                 const std::string& directory);

[[nodiscard]] inline bool is_below(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

}  // namespace rmq::recovery
