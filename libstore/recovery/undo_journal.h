// A file system that keeps what is changed through it, so that all of it can be undone: recovery's steps,
// rmq-repair and rmq-reindex write through one. Rollback journal: before bytes of a file change for the first
// time they are saved, and the manifest says so on disk; files are never deleted but moved away. RocketMQ has
// nothing like it.
//
// The directory holds `manifest.ndjson` (a line for each thing to undo, in order), `before.ndjson` (name,
// size and time of every file of the store when it began), saved bytes as <path>@<offset> and removed files
// under their names, both with '_' for '/'. docs/tools/rmq-repair.md describes the lines.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"
#include "libstore/json/json_writer.h"

namespace rmq::recovery {

// Beside the manifest, from whoever plans: the steps, one a line.
inline constexpr std::string_view kUndoPlan = "plan.json";

struct UndoOptions {
  std::string root;                 // of the store
  std::vector<std::string> others;  // directories outside that belong to it (commit log paths)
  std::string directory;            // where originals go; made if it is not there
  std::string purpose;              // what is done, for people
  std::string plan;                 // what tells this run from others: a plan's hash
  // Asked before every change, which then fails with ErrorCode::cancelled.
  std::function<bool()> cancelled;
};

// Threads: as io::FileSystem. `files` must outlive it and all that it gave out.
class UndoJournal final : public io::FileSystem {
 public:
  UndoJournal(io::FileSystem& files, UndoOptions options);
  ~UndoJournal() override;

  // Until then everything passes through, and nothing is kept.
  [[nodiscard]] Status begin();
  // All was done; nothing may be written through it any more.
  [[nodiscard]] Status end();
  [[nodiscard]] bool begun() const { return manifest_ != nullptr; }
  [[nodiscard]] const std::string& directory() const { return options_.directory; }
  // The file is new, or something in it was written.
  [[nodiscard]] bool has_changed(const std::string& path) const;

  [[nodiscard]] Result<std::unique_ptr<io::ReadFile>> open(const std::string& path) const override;
  [[nodiscard]] Result<std::vector<io::DirectoryEntry>> list(const std::string& directory) const override;
  [[nodiscard]] Result<io::DirectoryEntry> stat(const std::string& path) const override;
  [[nodiscard]] Result<std::unique_ptr<io::WriteFile>> open_for_write(const std::string& path) override;
  [[nodiscard]] Result<std::unique_ptr<io::WriteFile>> create(const std::string& path, std::int64_t size,
                                                              std::span<const std::byte> head) override;
  [[nodiscard]] std::vector<Status> create_sparse(std::span<const io::NewFile> files) override;
  [[nodiscard]] Status sync_file_system(const std::string& path) override;
  [[nodiscard]] Status replace(const std::string& path, std::span<const std::byte> bytes) override;
  [[nodiscard]] Status copy(const std::string& from, const std::string& to) override;
  [[nodiscard]] Status make_directories(const std::string& path) override;
  [[nodiscard]] Status rename(const std::string& from, const std::string& to) override;
  // Moves it to the directory of originals; where that is on another file system, to lost+found of the store.
  [[nodiscard]] Status remove(const std::string& path) override;
  [[nodiscard]] Status set_modified(const std::string& path, std::int64_t modified_ms) override;
  [[nodiscard]] Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override;
  [[nodiscard]] Result<io::Space> space(const std::string& directory) const override;

 private:
  class KeptFile;
  // What is known of a path that was changed.
  struct Known {
    std::string path;
    bool made = false;                          // it was not there before: nothing of it is kept
    bool touched = false;                       // its time has been noted
    std::map<std::int64_t, std::int64_t> kept;  // ranges [from, to) of it, apart from each other
  };

  [[nodiscard]] Status may_change() const;
  [[nodiscard]] Status note(std::string_view what, const std::function<void(json::JsonLine&)>& members);
  [[nodiscard]] std::string named(const std::string& path) const;
  [[nodiscard]] std::shared_ptr<Known> known(const std::string& path);
  [[nodiscard]] Status note_made(const std::string& path, bool directory);
  [[nodiscard]] Status note_made_directories(const std::string& path);
  [[nodiscard]] Status note_time(Known& known);
  [[nodiscard]] Status move(const std::string& from, const std::string& to);
  [[nodiscard]] Status keep(Known& known, const io::ReadFile& file, std::int64_t from, std::int64_t to);
  [[nodiscard]] Status keep_range(Known& known, const io::ReadFile& file, std::int64_t from, std::int64_t to);
  [[nodiscard]] std::string free_name(const std::string& directory, const std::string& path,
                                      std::string_view suffix);

  io::FileSystem& files_;
  UndoOptions options_;
  mutable std::recursive_mutex mutex_;
  std::unique_ptr<io::WriteFile> manifest_;
  std::int64_t manifest_end_ = 0;
  std::vector<std::string> made_before_;  // the lock, if it was not there
  std::map<std::string, std::shared_ptr<Known>> known_;
  std::map<std::string, int> names_used_;
};

}  // namespace rmq::recovery
