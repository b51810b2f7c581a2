// Reading files, and nothing else: whoever is given a ReadFileSystem cannot write, create, lock or delete.
// Thread-safe: implementations may be used from several threads at once, and so may one ReadFile.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libstore/base/error.h"

namespace rmq::io {

enum class EntryKind { file, directory, other };

struct DirectoryEntry {
  std::string name;                   // without the directory; bytes as the file system has them
  EntryKind kind = EntryKind::other;  // symbolic links are followed
  std::int64_t size = 0;              // bytes, 0 for what is no file
  std::int64_t modified_ms = 0;       // mtime, ms since the epoch
};

class ReadFile {
 public:
  virtual ~ReadFile() = default;
  // Fills `out` from `position`; returns how many bytes there were (fewer than asked only at the file's end,
  // which may lie lower than size() said if somebody truncated it since).
  [[nodiscard]] virtual Result<std::size_t> read_at(std::int64_t position,
                                                    std::span<std::byte> out) const = 0;
  // Bytes from `position` on where they lie in memory, without a copy: at most `length`; none where they have
  // to be read (read_at), which is always right. They live as long as the file.
  [[nodiscard]] virtual std::span<const std::byte> view(std::int64_t position, std::int64_t length) const {
    static_cast<void>(position + length);
    return {};
  }
  // Bytes of a view could not be read when they were looked at (somebody cut the file, the disk fails): they
  // are zeros since. read_at says what is there.
  [[nodiscard]] virtual bool view_failed() const { return false; }
  [[nodiscard]] virtual std::int64_t size() const = 0;  // when opened
  // Where the next data or hole begins at or after `position` (lseek SEEK_DATA / SEEK_HOLE). A file system
  // that cannot tell answers "data everywhere". next_data gives size() when only holes follow.
  [[nodiscard]] virtual std::int64_t next_data(std::int64_t position) const = 0;
  [[nodiscard]] virtual std::int64_t next_hole(std::int64_t position) const = 0;
  // For whoever lets the kernel send what is in there (sendfile): valid as long as this is, and never to be
  // moved or closed. -1 where there is none.
  [[nodiscard]] virtual int descriptor() const { return -1; }
};

class ReadFileSystem {
 public:
  virtual ~ReadFileSystem() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<ReadFile>> open(const std::string& path) const = 0;
  // Sorted by name.
  [[nodiscard]] virtual Result<std::vector<DirectoryEntry>> list(const std::string& directory) const = 0;
  [[nodiscard]] virtual Result<DirectoryEntry> stat(const std::string& path) const = 0;
};

// The operating system's files: O_RDONLY, no atime where the kernel allows it, pread. One for the process.
[[nodiscard]] const ReadFileSystem& posix_read_file_system();

// The same with views of what is in the page cache: half the price of copies. The first call takes SIGBUS for
// the process, so that a file that is cut while it is looked at ends nobody: programs only, no libraries.
[[nodiscard]] const ReadFileSystem& mapping_read_file_system();

// A whole small file. Fails (wrong_use) when it is larger than `limit`.
[[nodiscard]] Result<std::vector<std::byte>> read_all(const ReadFileSystem& files, const std::string& path,
                                                      std::int64_t limit);

[[nodiscard]] std::string join_path(std::string_view directory, std::string_view name);
// What lies in front of the last name of a path, and that name; "." and the path where there is no slash.
// Slashes at its end do not count.
[[nodiscard]] std::string parent_of(std::string_view path);
[[nodiscard]] std::string_view name_of(std::string_view path);

}  // namespace rmq::io
