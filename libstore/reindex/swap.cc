#include "libstore/reindex/swap.h"

#include <unistd.h>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/abort_file.h"
#include "libstore/recovery/store_listing.h"
#include "libstore/recovery/undo.h"
#include "libstore/recovery/undo_journal.h"

namespace rmq::reindex {
namespace {

constexpr std::string_view kPlanName = "reindex";  // tells its journals from those of a repair

bool is_there(const io::ReadFileSystem& files, const std::string& path) {
  return files.stat(path).has_value();
}

std::string parent_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

Status replace_checkpoint(io::FileSystem& files, const Swap& swap,
                          const format::StoreCheckpoint& checkpoint) {
  if (!swap.has_checkpoint) return {};
  const auto bytes = checkpoint.encode();
  return files.replace(io::join_path(swap.root, "checkpoint"), bytes);
}

Status do_all(io::FileSystem& files, const Swap& swap) {
  const std::string abort = io::join_path(swap.root, format::kAbortFileName);
  if (!swap.had_abort) {
    const std::string pid = std::to_string(::getpid());
    RMQ_CHECK(files.replace(abort, as_bytes(pid)));
  }
  RMQ_CHECK(replace_checkpoint(files, swap, swap.meanwhile));
  for (const Replacement& one : swap.replacements) {
    if (!one.old.empty()) {
      RMQ_CHECK(files.make_directories(parent_of(one.old)));
      RMQ_CHECK(files.rename(one.target, one.old));
    }
    RMQ_CHECK(files.make_directories(parent_of(one.target)));
    RMQ_CHECK(files.rename(one.made, one.target));
  }
  RMQ_CHECK(replace_checkpoint(files, swap, swap.afterwards));
  return swap.had_abort ? Status() : files.remove(abort);
}

}  // namespace

Status swap_in(io::FileSystem& files, const Swap& swap) {
  recovery::UndoOptions undo;
  undo.root = swap.root;
  undo.others = swap.others;
  undo.directory = swap.directory;
  undo.purpose = "rmq-reindex: what the queues and the index were before";
  undo.plan = kPlanName;
  recovery::UndoJournal journal(files, std::move(undo));
  RMQ_CHECK(journal.begin());
  Status done = do_all(journal, swap);
  if (done) done = journal.end();
  if (done) return done;
  // As far as that is possible on a disk that just failed; else the next run does it.
  (void)recovery::undo(files, swap.directory);
  return done;
}

Result<std::vector<std::string>> take_back_unfinished(io::FileSystem& files, const std::string& root,
                                                      const std::vector<std::string>& places) {
  std::vector<std::string> told;
  for (const std::string& directory : recovery::unfinished_undos(files, root, kPlanName)) {
    const Status undone = recovery::undo(files, directory);
    if (undone) {
      told.push_back("took back what an earlier run had begun to swap in");
    } else if (undone.error().code == ErrorCode::wrong_use) {
      told.push_back(directory + " keeps what an earlier run, which was killed, had moved away; " +
                     undone.error().message());
    } else {
      return undone.error();
    }
  }
  for (const std::string& place : places) {
    const auto entries = files.list(place);
    if (!entries && entries.error().code == ErrorCode::not_found) continue;
    if (!entries) return entries.error();
    for (const io::DirectoryEntry& entry : *entries) {
      const std::string directory = io::join_path(place, entry.name);
      const std::string build = io::join_path(directory, kBuildDirectory);
      if (entry.kind != io::EntryKind::directory || !is_there(files, build)) continue;
      const std::string beside = io::join_path(io::join_path(root, recovery::kLostAndFound), entry.name);
      if (is_there(files, io::join_path(beside, "manifest.ndjson"))) continue;
      RMQ_CHECK(remove_tree(files, build));
      RMQ_TRY(rest, files.list(directory));
      if (rest.empty()) RMQ_CHECK(files.remove(directory));
      told.push_back("removed what an earlier run had built and not swapped in");
    }
  }
  return told;
}

Status remove_tree(io::FileSystem& files, const std::string& path) {
  const auto entries = files.list(path);
  if (!entries) return entries.error().code == ErrorCode::not_found ? Status() : Status(entries.error());
  for (const io::DirectoryEntry& entry : *entries) {
    const std::string inner = io::join_path(path, entry.name);
    RMQ_CHECK(entry.kind == io::EntryKind::directory ? remove_tree(files, inner) : files.remove(inner));
  }
  return files.remove(path);
}

Status remove_files_below(io::FileSystem& files, const std::string& path) {
  const auto entries = files.list(path);
  if (!entries) return entries.error().code == ErrorCode::not_found ? Status() : Status(entries.error());
  for (const io::DirectoryEntry& entry : *entries) {
    const std::string inner = io::join_path(path, entry.name);
    RMQ_CHECK(entry.kind == io::EntryKind::directory ? remove_files_below(files, inner)
                                                     : files.remove(inner));
  }
  return {};
}

}  // namespace rmq::reindex
