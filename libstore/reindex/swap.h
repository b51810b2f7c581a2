// Takes what was built aside into a store, through an undo journal: what it replaces is kept, and a run that
// was killed is taken back by the next one. While it goes on the store has an abort file, and a checkpoint
// that claims nothing of what is moved: a broker that is started in between makes the rest itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/io/file_system.h"

namespace rmq::reindex {

// `old` is empty where nothing was there before.
struct Replacement {
  std::string target;
  std::string old;   // where what is at the target now goes
  std::string made;  // where its successor lies
};

struct Swap {
  std::string root;
  std::vector<std::string> others;  // directories outside of the root that belong to the store
  std::string directory;            // of the undo journal
  std::vector<Replacement> replacements;
  bool had_abort = false;
  bool has_checkpoint = false;
  format::StoreCheckpoint meanwhile;  // claims nothing of what is moved
  format::StoreCheckpoint afterwards;
};

// Everything that is moved is on disk already. The caller holds the store's lock. After an error all is as it
// was, or will be after take_back_unfinished().
[[nodiscard]] Status swap_in(io::FileSystem& files, const Swap& swap);

// What runs that were killed left in `places`, directories of lost and found things: swaps are taken back
// (not where the store was written to since), builds removed. The caller holds the store's lock. One sentence
// for each.
[[nodiscard]] Result<std::vector<std::string>> take_back_unfinished(io::FileSystem& files,
                                                                    const std::string& root,
                                                                    const std::vector<std::string>& places);

// Where in such a directory things are built.
inline constexpr std::string_view kBuildDirectory = "reindex";

// A directory and all that is below; nothing where there is none.
[[nodiscard]] Status remove_tree(io::FileSystem& files, const std::string& path);
// What is below, directories aside: an undo moves what was built back into them.
[[nodiscard]] Status remove_files_below(io::FileSystem& files, const std::string& path);

}  // namespace rmq::reindex
