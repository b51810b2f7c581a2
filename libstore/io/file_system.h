// Writing files, for whoever owns a store: the engine, recovery, repair. Everything that can leave a trace on disk goes
// through here, so that a simulation can lose, tear and refuse it (testing/simulated_file_system.h).
// Thread-safe like ReadFileSystem: one FileSystem and one WriteFile may be used from several threads, as long as they
// write different bytes. Whoever writes owns the store by its lock: two processes that create or replace the same path
// at one time are not kept apart everywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/io/read_file_system.h"

namespace rmq::io {

// Bytes of a file in memory, shared with the page cache: what is stored there survives the process (kill -9) at once,
// and the machine after sync(). Unmapped when destroyed. The file must be allocated (FileSystem::create does it): a
// store into a hole of a full disk is a signal.
class WriteMap {
 public:
  virtual ~WriteMap() = default;
  [[nodiscard]] virtual std::span<std::byte> bytes() = 0;
  // Makes [position, position + length) of the mapping durable (msync); whole pages are written, and where the kernel
  // keeps the file in large folios, whole folios: for small commits use WriteFile::write_durable.
  [[nodiscard]] virtual Status sync(std::int64_t position, std::int64_t length) = 0;
  // Takes the pages of [position, position + length) in for writing before they are needed. A hint.
  virtual void populate(std::int64_t position, std::int64_t length) = 0;
};

class WriteFile : public ReadFile {
 public:
  // All of `bytes` or an error; where a disk is full or a signal came, some of it may have been written.
  [[nodiscard]] virtual Status write_at(std::int64_t position, std::span<const std::byte> bytes) = 0;
  // The same, and back only when it is on disk (pwritev2 with RWF_DSYNC). Whole pages at page boundaries need no read.
  [[nodiscard]] Status write_durable(std::int64_t position, std::span<const std::byte> bytes) {
    return write_durable(position, std::span(&bytes, 1));
  }
  // Pieces that follow each other, at most kMostPieces, in one go.
  static constexpr std::size_t kMostPieces = 8;
  [[nodiscard]] virtual Status write_durable(std::int64_t position, std::span<const std::span<const std::byte>> pieces) = 0;
  // The same past the page cache where that can be: for whole pages, from memory at a page boundary, that nobody reads
  // soon. Not durable before a sync all the same.
  [[nodiscard]] virtual Status write_past_cache(std::int64_t position, std::span<const std::byte> bytes) {
    return write_at(position, bytes);
  }
  // Zeros, of whole pages, past the page cache where that can be: what is allocated but was never written costs the file
  // system a journal entry at its first durable write, more than the write itself.
  [[nodiscard]] virtual Status write_zeros(std::int64_t position, std::int64_t length) = 0;
  // What was written through this and other descriptors of the file is on disk (fdatasync). After a failure nobody knows
  // what is there: the kernel drops the pages and forgets. Never call it again and believe the answer.
  [[nodiscard]] virtual Status sync() = 0;
  // wrong_use where the file ends before the range does. Outlives the WriteFile.
  [[nodiscard]] virtual Result<std::unique_ptr<WriteMap>> map(std::int64_t position, std::int64_t length) = 0;
  // The name that this was opened or made by is gone, or another file has it.
  [[nodiscard]] virtual bool removed() const = 0;
};

// Held until destroyed, or until the process ends however it ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct Space {
  std::int64_t total = 0;  // bytes of the file system
  std::int64_t used = 0;
  std::int64_t free = 0;  // for this user: less than the rest, where some is kept for the system
};

struct NewFile {
  std::string path;
  std::int64_t size = 0;
  std::span<const std::byte> head;
};

// What open() gives sees what is written at once, however it is read; posix_read_file_system() keeps blocks for a while.
class FileSystem : public ReadFileSystem {
 public:
  // An existing file, for reading and writing; its length stays as it is.
  [[nodiscard]] virtual Result<std::unique_ptr<WriteFile>> open_for_write(const std::string& path) = 0;
  // A new file that appears under its name at full size, allocated, beginning with `head`, or not at all; durable, name
  // included, when this returns. An existing file of that name is an error (EEXIST). After an error of the last sync the
  // name may come back after a power loss; it is never there when this returns.
  [[nodiscard]] virtual Result<std::unique_ptr<WriteFile>> create(const std::string& path, std::int64_t size,
                                                                  std::span<const std::byte> head) = 0;
  // Many files that will fill up over time: each appears as with create(), but only what `head` takes is allocated, so
  // that write_at() may find the disk full later; directories above are made. Durable when this returns, for the price of
  // a few syncs however many they are. One status a file.
  [[nodiscard]] virtual std::vector<Status> create_sparse(std::span<const NewFile> files) = 0;
  // One file of a larger work that nobody uses before all of it is on disk: as create_sparse, but neither name nor content
  // are durable before sync_file_system(), and after a kill a part of it may be there.
  [[nodiscard]] virtual Result<std::unique_ptr<WriteFile>> create_unsynced(const std::string& path, std::int64_t size) {
    const NewFile file{path, size, {}};
    std::vector<Status> made = create_sparse({&file, 1});
    if (!made.front()) return std::move(made.front()).error();
    return open_for_write(path);
  }
  // What was written to any file of the file system that `path` lies in is on disk (syncfs). After a failure, as with
  // WriteFile::sync: nobody knows which files it meant.
  [[nodiscard]] virtual Status sync_file_system(const std::string& path) = 0;
  // The names in a directory are on disk: of files that create_unsynced() made and that were synced by themselves.
  [[nodiscard]] virtual Status sync_directory(const std::string& path) { return sync_file_system(path); }
  // A small file, replaced as a whole: written aside, synced, renamed over the old one, directory synced. Whoever reads
  // finds the old or the new content, also after a power loss. Mode and owner stay. A kill may leave a hidden file beside
  // it (.NAME.PID.N.new), so this is not for directories where every file counts (commit log, queues).
  [[nodiscard]] virtual Status replace(const std::string& path, std::span<const std::byte> bytes) = 0;
  // A new file that is the same: content, holes, mode, owner and time; it shares blocks with the old one where the file
  // system can do that. Durable. An existing `to` is an error (EEXIST).
  [[nodiscard]] virtual Status copy(const std::string& from, const std::string& to);
  // The directory and those above it that are missing; durable.
  [[nodiscard]] virtual Status make_directories(const std::string& path) = 0;
  // Within one file system; an existing `to` is an error (EEXIST). Durable, as far as names go: contents are not synced.
  [[nodiscard]] virtual Status rename(const std::string& from, const std::string& to) = 0;
  // A file, or an empty directory. Durable.
  [[nodiscard]] virtual Status remove(const std::string& path) = 0;
  // Durable with the file's next sync.
  [[nodiscard]] virtual Status set_modified(const std::string& path, std::int64_t modified_ms) = 0;
  // An exclusive lock on byte [0, 1) of the file, which is made if it is not there: an open-file-description lock, which
  // conflicts with Java's FileChannel.tryLock and with a second one of this process. Error wrong_use: somebody holds it;
  // the context names the process where the kernel tells.
  [[nodiscard]] virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  [[nodiscard]] virtual Result<Space> space(const std::string& directory) const = 0;
};

[[nodiscard]] FileSystem& posix_file_system();

}  // namespace rmq::io
