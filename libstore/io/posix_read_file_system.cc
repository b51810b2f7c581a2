#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "libstore/io/read_file_system.h"

namespace rmq::io {
namespace {

class PosixReadFile final : public ReadFile {
 public:
  PosixReadFile(int descriptor, std::int64_t size, std::string path)
      : descriptor_(descriptor), size_(size), path_(std::move(path)) {}
  ~PosixReadFile() override { ::close(descriptor_); }
  PosixReadFile(const PosixReadFile&) = delete;
  PosixReadFile& operator=(const PosixReadFile&) = delete;

  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = ::pread(descriptor_, out.data() + done, out.size() - done,
                                  static_cast<off_t>(position + static_cast<std::int64_t>(done)));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return os_error(errno, "reading " + path_ + " at " + std::to_string(position));
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  std::int64_t size() const override { return size_; }

  std::int64_t next_data(std::int64_t position) const override {
    const off_t at = ::lseek(descriptor_, static_cast<off_t>(position), SEEK_DATA);
    if (at >= 0) return at;
    return errno == ENXIO ? size_ : position;
  }

  std::int64_t next_hole(std::int64_t position) const override {
    const off_t at = ::lseek(descriptor_, static_cast<off_t>(position), SEEK_HOLE);
    return at >= 0 ? std::min<std::int64_t>(at, size_) : size_;
  }

 private:
  int descriptor_;
  std::int64_t size_;
  std::string path_;
};

DirectoryEntry entry_of(std::string name, const struct stat& status) {
  DirectoryEntry entry;
  entry.name = std::move(name);
  entry.kind = S_ISREG(status.st_mode)   ? EntryKind::file
               : S_ISDIR(status.st_mode) ? EntryKind::directory
                                         : EntryKind::other;
  if (entry.kind == EntryKind::file) entry.size = status.st_size;
  entry.modified_ms = status.st_mtim.tv_sec * 1000LL + status.st_mtim.tv_nsec / 1'000'000;
  return entry;
}

class PosixReadFileSystem final : public ReadFileSystem {
 public:
  Result<std::unique_ptr<ReadFile>> open(const std::string& path) const override {
    // O_NONBLOCK: a FIFO left in a store must not make the open wait; O_NOATIME is the owner's right only.
    constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int descriptor = ::open(path.c_str(), kFlags | O_NOATIME);
    if (descriptor < 0 && errno == EPERM) descriptor = ::open(path.c_str(), kFlags);
    if (descriptor < 0) return os_error(errno, "opening " + path);
    struct stat status {};
    if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(descriptor);
      return wrong_use(path + " is not a regular file");
    }
    return std::unique_ptr<ReadFile>(new PosixReadFile(descriptor, status.st_size, path));
  }

  Result<std::vector<DirectoryEntry>> list(const std::string& directory) const override {
    constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NONBLOCK;
    int descriptor = ::open(directory.c_str(), kFlags | O_NOATIME);
    if (descriptor < 0 && errno == EPERM) descriptor = ::open(directory.c_str(), kFlags);
    if (descriptor < 0) return os_error(errno, "listing " + directory);
    DIR* stream = ::fdopendir(descriptor);
    if (stream == nullptr) {
      const int fault = errno;
      ::close(descriptor);
      return os_error(fault, "listing " + directory);
    }
    std::vector<DirectoryEntry> entries;
    errno = 0;
    while (const dirent* item = ::readdir(stream)) {
      const std::string name = item->d_name;
      if (name == "." || name == "..") continue;
      struct stat status {};
      // A file that vanished since (a live store deletes), or a dangling link: listed as `other`.
      if (::fstatat(::dirfd(stream), item->d_name, &status, 0) != 0) status = {};
      entries.push_back(entry_of(name, status));
      errno = 0;
    }
    const int fault = errno;
    ::closedir(stream);
    if (fault != 0) return os_error(fault, "listing " + directory);
    std::ranges::sort(entries, {}, &DirectoryEntry::name);
    return entries;
  }

  Result<DirectoryEntry> stat(const std::string& path) const override {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return os_error(errno, path);
    return entry_of(path.substr(path.find_last_of('/') + 1), status);
  }
};

}  // namespace

const ReadFileSystem& posix_read_file_system() {
  static const PosixReadFileSystem instance;
  return instance;
}

Result<std::vector<std::byte>> read_all(const ReadFileSystem& files, const std::string& path,
                                        std::int64_t limit) {
  RMQ_TRY(file, files.open(path));
  if (file->size() > limit) {
    return wrong_use(path + " is larger than the " + std::to_string(limit) + " bytes that make sense for it");
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(file->size()));
  RMQ_TRY(got, file->read_at(0, bytes));
  bytes.resize(got);
  return bytes;
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

}  // namespace rmq::io
