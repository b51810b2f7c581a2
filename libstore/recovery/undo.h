// Takes back what was changed through an UndoJournal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"

namespace rmq::recovery {

struct UndoSummary {
  std::string root;
  std::string purpose;
  std::string plan;
  bool finished = false;  // what was kept was done to its end
  std::int64_t things = 0;
  std::vector<std::string> sentences;  // what would be put back, at most a hundred
};
// What undo() would do.
[[nodiscard]] Result<UndoSummary> read_undo(const io::ReadFileSystem& files, const std::string& directory);

// Puts every byte back, newest first, and removes the directory. The caller holds the store's lock. Killed at
// any moment it can be called again. Fails with wrong_use, before it changes anything, where the store was
// written to since.
[[nodiscard]] Status undo(io::FileSystem& files, const std::string& directory);

// Directories in lost+found whose manifest says this plan and has no end.
[[nodiscard]] std::vector<std::string> unfinished_undos(const io::ReadFileSystem& files,
                                                        const std::string& root, std::string_view plan);

}  // namespace rmq::recovery
