#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>

#include "libstore/io/file_system.h"
#include "libstore/io/posix_file.h"

namespace rmq::io {
namespace posix {
namespace {

constexpr mode_t kFileMode = 0666;  // less the umask, as Java makes its files
constexpr mode_t kDirectoryMode = 0777;

enum class Allocation { whole, head };
enum class Durability { now, later };

std::string without_trailing_slashes(const std::string& path) {
  const auto last = path.find_last_not_of('/');
  return last == std::string::npos ? path.substr(0, 1) : path.substr(0, last + 1);
}

Status check_position(std::int64_t position, std::int64_t length, const std::string& path) {
  if (position >= 0 && length >= 0 && position <= INT64_MAX - length) return {};
  return wrong_use(path + " has no bytes at " + std::to_string(position) + ", length " +
                   std::to_string(length));
}

// Writes by `write(data, size, position)` until all is written.
template <class Write>
Status write_all(const std::string& path, std::int64_t position, std::span<const std::byte> bytes,
                 Write write) {
  while (!bytes.empty()) {
    const ssize_t done =
        uninterrupted([&] { return write(bytes.data(), bytes.size(), static_cast<off_t>(position)); });
    if (done < 0) return os_error(errno, "writing " + path + " at " + std::to_string(position));
    if (done == 0) return os_error(EIO, "writing " + path + " at " + std::to_string(position));
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    position += done;
  }
  return {};
}

Status write_bytes(int descriptor, const std::string& path, std::int64_t position,
                   std::span<const std::byte> bytes) {
  return write_all(path, position, bytes, [&](const void* data, std::size_t size, off_t at) {
    return ::pwrite(descriptor, data, size, at);
  });
}

Status sync_data(int descriptor, const std::string& path) {
  if (uninterrupted([&] { return ::fdatasync(descriptor); }) != 0) return os_error(errno, "syncing " + path);
  return {};
}

Status sync_all(int descriptor, const std::string& path) {
  if (uninterrupted([&] { return ::fsync(descriptor); }) != 0) return os_error(errno, "syncing " + path);
  return {};
}

// Makes the names in a directory durable.
Status sync_directory(const std::string& directory) {
  const Descriptor descriptor(
      uninterrupted([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!descriptor.open()) return os_error(errno, "opening the directory " + directory);
  const Status synced = sync_all(descriptor.number(), directory);
  // EINVAL: this file system has no sync for directories; it keeps names durable by itself, or never does.
  if (!synced && synced.error().os_errno == EINVAL) return {};
  return synced;
}

// Gives a new file its length, its blocks and its first bytes, and makes them durable.
Status fill(int descriptor, const std::string& path, std::int64_t size, std::span<const std::byte> head,
            Allocation allocation, Durability durability) {
  if (allocation == Allocation::head) {
    if (uninterrupted([&] { return ::ftruncate(descriptor, static_cast<off_t>(size)); }) != 0)
      return os_error(errno, "giving " + path + " its size");
  } else if (size > 0) {
    int fault = EINTR;
    while (fault == EINTR) fault = ::posix_fallocate(descriptor, 0, static_cast<off_t>(size));
    if (fault != 0) return os_error(fault, "allocating " + std::to_string(size) + " bytes for " + path);
  }
  RMQ_CHECK(write_bytes(descriptor, path, 0, head));
  return durability == Durability::now ? sync_all(descriptor, path) : Status();
}

// What root makes in somebody's directory is theirs: a broker must be able to open it.
Status own_like_directory(int descriptor, const std::string& path) {
  if (::geteuid() != 0) return {};
  struct stat directory{};
  if (::stat(parent_of(path).c_str(), &directory) != 0)
    return os_error(errno, "asking for the owner of " + path);
  if (directory.st_uid == 0 && directory.st_gid == 0) return {};
  if (::fchown(descriptor, directory.st_uid, directory.st_gid) != 0)
    return os_error(errno, "giving " + path + " to the owner of its directory");
  return {};
}

Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) != 0) return os_error(errno, "creating the directory " + path);
  const Descriptor made(
      uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }));
  if (!made.open()) return os_error(errno, "opening " + path);
  return own_like_directory(made.number(), path);
}

// Without syncs: whoever calls makes the names durable.
Status make_missing_directories(const std::string& path) {
  Status made = make_directory(path);
  if (!made && made.error().os_errno == ENOENT && parent_of(path) != path) {
    RMQ_CHECK(make_missing_directories(parent_of(path)));
    made = make_directory(path);
  }
  // Where it is no directory, the file cannot be made.
  return !made && made.error().os_errno == EEXIST ? Status{} : made;
}

// Moves a name; EEXIST where `to` has a file.
Status rename_exclusively(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  int fault = errno;
  if (fault == EINVAL ||
      fault == ENOSYS) {  // this file system knows no flags; EINVAL is also a directory into itself
    struct stat status{};
    if (::lstat(to.c_str(), &status) == 0) {
      fault = EEXIST;
    } else {
      fault = ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
    }
  }
  if (fault == 0) return {};
  return os_error(fault, "renaming " + from + " to " + to);
}

}  // namespace

namespace {

Result<Descriptor> open_unnamed(const std::string& path) {
  const std::string directory = parent_of(path);
  Descriptor descriptor(
      uninterrupted([&] { return ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kFileMode); }));
  if (!descriptor.open()) {
    // EISDIR: a kernel or file system that never heard of O_TMPFILE.
    return os_error(errno == EISDIR ? EOPNOTSUPP : errno, "creating " + path);
  }
  RMQ_CHECK(own_like_directory(descriptor.number(), path));
  return descriptor;
}

// To a file that has none yet.
Status give_name(int descriptor, const std::string& path) {
  // Without a capability AT_EMPTY_PATH answers ENOENT before Linux 6.10; /proc does without, if it is
  // mounted.
  if (::linkat(descriptor, "", AT_FDCWD, path.c_str(), AT_EMPTY_PATH) == 0) return {};
  if (errno == EEXIST) return os_error(EEXIST, "creating " + path);
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  if (::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
  const bool unsupported = errno == ENOENT || errno == EPERM || errno == EXDEV || errno == EINVAL;
  return os_error(unsupported ? EOPNOTSUPP : errno, "creating " + path);
}

// All of a sparse file but its name.
Status make_sparse(const NewFile& file, Durability durability, Descriptor& made) {
  if (file.size < std::ssize(file.head))
    return wrong_use(file.path + " is smaller than what it is to begin with");
  if (durability == Durability::later) RMQ_CHECK(make_missing_directories(parent_of(file.path)));
  RMQ_TRY(descriptor, open_unnamed(file.path));
  RMQ_CHECK(fill(descriptor.number(), file.path, file.size, file.head, Allocation::head, durability));
  made = std::move(descriptor);
  return {};
}

Result<Descriptor> create_beside(const std::string& path, std::int64_t size, std::span<const std::byte> head,
                                 Allocation allocation) {
  const std::string directory = parent_of(path);
  const std::string beside = join_path(parent_of(directory), "." + std::string(name_of(directory)) + "." +
                                                                 std::string(name_of(path)) + ".new");
  if (::unlink(beside.c_str()) != 0 && errno != ENOENT) return os_error(errno, "removing " + beside);
  Descriptor descriptor(uninterrupted(
      [&] { return ::open(beside.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode); }));
  if (!descriptor.open()) return os_error(errno, "creating " + beside);
  Status done = own_like_directory(descriptor.number(), path);
  if (done) done = fill(descriptor.number(), beside, size, head, allocation, Durability::now);
  if (done) done = rename_exclusively(beside, path);
  if (done) return descriptor;
  ::unlink(beside.c_str());
  return std::move(done).error();
}

}  // namespace

Result<Descriptor> create_unnamed(const std::string& path, std::int64_t size,
                                  std::span<const std::byte> head) {
  RMQ_TRY(descriptor, open_unnamed(path));
  RMQ_CHECK(fill(descriptor.number(), path, size, head, Allocation::whole, Durability::now));
  RMQ_CHECK(give_name(descriptor.number(), path));
  return std::move(descriptor);
}

Result<Descriptor> create_aside(const std::string& path, std::int64_t size, std::span<const std::byte> head) {
  return create_beside(path, size, head, Allocation::whole);
}

Result<Descriptor> create_sparse_aside(const std::string& path, std::int64_t size,
                                       std::span<const std::byte> head) {
  return create_beside(path, size, head, Allocation::head);
}

}  // namespace posix

namespace {

using posix::Descriptor;
using posix::uninterrupted;

std::int64_t page_size() {
  static const std::int64_t size = ::sysconf(_SC_PAGESIZE);
  return size;
}

class PosixWriteMap final : public WriteMap {
 public:
  // `lead`: bytes of the first page before the mapping's first byte.
  PosixWriteMap(std::byte* pages, std::int64_t lead, std::int64_t length, std::string path)
      : pages_(pages), lead_(lead), length_(length), path_(std::move(path)) {}
  ~PosixWriteMap() override { ::munmap(pages_, static_cast<std::size_t>(lead_ + length_)); }
  PosixWriteMap(const PosixWriteMap&) = delete;
  PosixWriteMap& operator=(const PosixWriteMap&) = delete;

  std::span<std::byte> bytes() override { return {pages_ + lead_, static_cast<std::size_t>(length_)}; }

  Status sync(std::int64_t position, std::int64_t length) override {
    if (position < 0 || length < 0 || position > length_ - length)
      return wrong_use("syncing beyond the map of " + path_);
    const auto pages = pages_of(position, length);
    if (uninterrupted([&] { return ::msync(pages.data(), pages.size(), MS_SYNC); }) != 0) {
      return os_error(errno, "syncing " + path_);
    }
    return {};
  }

  void populate(std::int64_t position, std::int64_t length) override {
    position = std::clamp<std::int64_t>(position, 0, length_);
    length = std::clamp<std::int64_t>(length, 0, length_ - position);
    const auto pages = pages_of(position, length);
    ::madvise(pages.data(), pages.size(), MADV_POPULATE_WRITE);
  }

 private:
  [[nodiscard]] std::span<std::byte> pages_of(std::int64_t position, std::int64_t length) {
    const std::int64_t from = (lead_ + position) / page_size() * page_size();
    return {pages_ + from, static_cast<std::size_t>(lead_ + position + length - from)};
  }

  std::byte* pages_;
  std::int64_t lead_;
  std::int64_t length_;
  std::string path_;
};

// Also what open() gives, which then has no right to write: it reads through the page cache only, so that
// bytes written a moment ago are seen, whoever reads how much at once. (The reading side's scans past the
// page cache keep a block.)
class PosixFile final : public WriteFile {
 public:
  PosixFile(Descriptor descriptor, std::int64_t size, std::string path)
      : descriptor_(std::move(descriptor)), size_(size), path_(std::move(path)) {}

  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    return posix::read_bytes(descriptor_.number(), path_, position, out);
  }
  std::int64_t size() const override { return size_; }
  std::int64_t next_data(std::int64_t position) const override {
    return posix::next_data(descriptor_.number(), position, size_);
  }
  std::int64_t next_hole(std::int64_t position) const override {
    return posix::next_hole(descriptor_.number(), position, size_);
  }

  int descriptor() const override { return descriptor_.number(); }

  Status write_at(std::int64_t position, std::span<const std::byte> bytes) override {
    RMQ_CHECK(posix::check_position(position, std::ssize(bytes), path_));
    return posix::write_bytes(descriptor_.number(), path_, position, bytes);
  }

  using WriteFile::write_durable;
  Status write_durable(std::int64_t position, std::span<const std::span<const std::byte>> pieces) override {
    if (pieces.size() > kMostPieces) return wrong_use("more pieces than one write takes");
    std::array<iovec, kMostPieces> left;
    std::int64_t length = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      left[i] = {const_cast<std::byte*>(pieces[i].data()), pieces[i].size()};
      length += std::ssize(pieces[i]);
    }
    RMQ_CHECK(posix::check_position(position, length, path_));
    std::size_t first = 0;
    for (std::int64_t at = position; at < position + length;) {
      const ssize_t done = posix::uninterrupted([&] {
        return ::pwritev2(descriptor_.number(), &left[first], static_cast<int>(pieces.size() - first),
                          static_cast<off_t>(at), RWF_DSYNC);
      });
      if (done < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) return write_and_sync(position, pieces);
      if (done <= 0)
        return os_error(done < 0 ? errno : EIO, "writing " + path_ + " at " + std::to_string(at));
      at += done;
      for (auto taken = static_cast<std::size_t>(done); taken > 0;) {
        const std::size_t part = std::min(taken, left[first].iov_len);
        left[first].iov_base = static_cast<std::byte*>(left[first].iov_base) + part;
        left[first].iov_len -= part;
        taken -= part;
        if (left[first].iov_len == 0) ++first;
      }
    }
    return {};
  }

  Status write_past_cache(std::int64_t position, std::span<const std::byte> bytes) override {
    RMQ_CHECK(posix::check_position(position, std::ssize(bytes), path_));
    if (!direct_tried_) {
      direct_tried_ = true;
      const std::string again = "/proc/self/fd/" + std::to_string(descriptor_.number());
      direct_ = posix::Descriptor(
          posix::uninterrupted([&] { return ::open(again.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC); }));
    }
    // Not every file system takes direct writes, nor every boundary.
    if (direct_.open() && posix::write_bytes(direct_.number(), path_, position, bytes)) return {};
    return posix::write_bytes(descriptor_.number(), path_, position, bytes);
  }

  Status write_zeros(std::int64_t position, std::int64_t length) override {
    RMQ_CHECK(posix::check_position(position, length, path_));
    alignas(4096) static std::array<std::byte, 1 << 20> zeros;
    const std::string again = "/proc/self/fd/" + std::to_string(descriptor_.number());
    const posix::Descriptor direct(
        posix::uninterrupted([&] { return ::open(again.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC); }));
    for (const std::int64_t end = position + length; position < end;) {
      const auto piece =
          std::span(zeros).first(static_cast<std::size_t>(std::min(end - position, std::ssize(zeros))));
      // Not every file system takes direct writes.
      if (!direct.open() || !posix::write_bytes(direct.number(), path_, position, piece))
        RMQ_CHECK(posix::write_bytes(descriptor_.number(), path_, position, piece));
      position += std::ssize(piece);
    }
    return {};
  }

  Status sync() override { return posix::sync_data(descriptor_.number(), path_); }

  Result<std::unique_ptr<WriteMap>> map(std::int64_t position, std::int64_t length) override {
    RMQ_CHECK(posix::check_position(position, length, path_));
    struct stat status{};
    if (::fstat(descriptor_.number(), &status) != 0) return os_error(errno, "mapping " + path_);
    // What lies behind the end can be mapped, but the first store is a signal.
    if (length == 0 || position + length > status.st_size)
      return wrong_use("mapping beyond the end of " + path_);
    const std::int64_t lead = position % page_size();
    void* pages = ::mmap(nullptr, static_cast<std::size_t>(lead + length), PROT_READ | PROT_WRITE, MAP_SHARED,
                         descriptor_.number(), static_cast<off_t>(position - lead));
    if (pages == MAP_FAILED) return os_error(errno, "mapping " + path_);
    return std::make_unique<PosixWriteMap>(static_cast<std::byte*>(pages), lead, length, path_);
  }

  bool removed() const override {
    struct stat ours{};
    struct stat named{};
    if (::fstat(descriptor_.number(), &ours) != 0) return false;
    if (ours.st_nlink == 0) return true;
    if (::stat(path_.c_str(), &named) != 0) return errno == ENOENT || errno == ENOTDIR;
    return named.st_dev != ours.st_dev || named.st_ino != ours.st_ino;
  }

 private:
  // Where the kernel or the file system does not know RWF_DSYNC.
  [[nodiscard]] Status write_and_sync(std::int64_t position,
                                      std::span<const std::span<const std::byte>> pieces) {
    for (const std::span<const std::byte> piece : pieces) {
      RMQ_CHECK(posix::write_bytes(descriptor_.number(), path_, position, piece));
      position += std::ssize(piece);
    }
    return posix::sync_data(descriptor_.number(), path_);
  }

  Descriptor descriptor_;
  Descriptor direct_;  // write_past_cache, by one thread
  bool direct_tried_ = false;
  std::int64_t size_;
  std::string path_;
};

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<ReadFile>> open(const std::string& path) const override {
    RMQ_TRY(file, posix::open_regular(path, O_RDONLY));
    return std::make_unique<PosixFile>(std::move(file.descriptor), file.size, path);
  }
  Result<std::vector<DirectoryEntry>> list(const std::string& directory) const override {
    return posix_read_file_system().list(directory);
  }
  Result<DirectoryEntry> stat(const std::string& path) const override {
    return posix_read_file_system().stat(path);
  }

  Result<std::unique_ptr<WriteFile>> open_for_write(const std::string& path) override {
    RMQ_TRY(file, posix::open_regular(path, O_RDWR));
    return std::make_unique<PosixFile>(std::move(file.descriptor), file.size, path);
  }

  Result<std::unique_ptr<WriteFile>> create(const std::string& path, std::int64_t size,
                                            std::span<const std::byte> head) override {
    if (size < std::ssize(head)) return wrong_use(path + " is smaller than what it is to begin with");
    struct stat status{};
    // Asked before a gigabyte is allocated; what decides is the link.
    if (::lstat(path.c_str(), &status) == 0) return os_error(EEXIST, "creating " + path);
    auto made = posix::create_unnamed(path, size, head);
    if (!made && made.error().os_errno == EOPNOTSUPP) {
      const std::lock_guard lock(aside_mutex_);
      made = posix::create_aside(path, size, head);
    }
    if (!made) return std::move(made).error();
    auto file = std::make_unique<PosixFile>(std::move(*made), size, path);
    if (Status synced = posix::sync_directory(parent_of(path)); !synced) {
      ::unlink(path.c_str());
      return std::move(synced).error();
    }
    return file;
  }

  std::vector<Status> create_sparse(std::span<const NewFile> files) override {
    std::vector<Status> done;
    // A sync of the file system costs about as much as one of a file and its directories.
    constexpr std::size_t kFew = 4;
    if (files.size() <= kFew) {
      for (const NewFile& file : files) done.push_back(create_one_sparse(file));
      return done;
    }
    std::vector<Descriptor> made(files.size());
    for (std::size_t i = 0; i < files.size(); ++i)
      done.push_back(posix::make_sparse(files[i], posix::Durability::later, made[i]));
    const Status contents = sync_descriptors(made);
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (!done[i]) continue;
      done[i] = contents ? posix::give_name(made[i].number(), files[i].path) : contents;
    }
    const Status names = sync_descriptors(made);
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (done[i] && !names) {
        ::unlink(files[i].path.c_str());
        done[i] = names;
      }
      if (!done[i] && done[i].error().os_errno == EOPNOTSUPP) done[i] = create_one_sparse(files[i]);
    }
    return done;
  }

  Result<std::unique_ptr<WriteFile>> create_unsynced(const std::string& path, std::int64_t size) override {
    RMQ_CHECK(posix::make_missing_directories(parent_of(path)));
    Descriptor descriptor(uninterrupted(
        [&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, posix::kFileMode); }));
    if (!descriptor.open()) return os_error(errno, "creating " + path);
    RMQ_CHECK(posix::own_like_directory(descriptor.number(), path));
    RMQ_CHECK(
        posix::fill(descriptor.number(), path, size, {}, posix::Allocation::head, posix::Durability::later));
    return std::make_unique<PosixFile>(std::move(descriptor), size, path);
  }

  Status sync_file_system(const std::string& path) override {
    const Descriptor descriptor(
        uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
    if (!descriptor.open()) return os_error(errno, "opening " + path);
    if (uninterrupted([&] { return ::syncfs(descriptor.number()); }) != 0)
      return os_error(errno, "syncing the file system of " + path);
    return {};
  }

  Status sync_directory(const std::string& path) override { return posix::sync_directory(path); }

  Status replace(const std::string& path, std::span<const std::byte> bytes) override {
    RMQ_TRY(target, behind_links(path));
    struct stat old{};
    const bool exists = ::stat(target.c_str(), &old) == 0;
    RMQ_TRY(aside, open_aside(target));
    Status done = exists ? like(aside.descriptor.number(), old, target)
                         : posix::own_like_directory(aside.descriptor.number(), target);
    if (done) done = posix::write_bytes(aside.descriptor.number(), aside.path, 0, bytes);
    if (done) done = posix::sync_all(aside.descriptor.number(), aside.path);
    if (done && ::rename(aside.path.c_str(), target.c_str()) != 0)
      done = os_error(errno, "replacing " + target);
    if (!done) {
      ::unlink(aside.path.c_str());
      return done;
    }
    return posix::sync_directory(parent_of(target));
  }

  Status make_directories(const std::string& path) override {
    const std::string plain = posix::without_trailing_slashes(path);
    struct stat status{};
    if (::stat(plain.c_str(), &status) == 0) {
      if (!S_ISDIR(status.st_mode)) return os_error(ENOTDIR, "creating the directory " + plain);
      // Perhaps a process was killed between making it and syncing its name. Where we may not look, it was
      // not ours.
      const Status synced = posix::sync_directory(parent_of(plain));
      return !synced && synced.error().code == ErrorCode::permission_denied ? Status{} : synced;
    }
    if (errno != ENOENT) return os_error(errno, "creating the directory " + plain);
    const std::string parent = parent_of(plain);
    if (parent == plain) return os_error(ENOENT, "creating the directory " + plain);
    RMQ_CHECK(make_directories(parent));
    if (const Status made = posix::make_directory(plain); !made) {
      // EEXIST: somebody else was faster, or a link leads nowhere.
      if (made.error().os_errno != EEXIST || ::stat(plain.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
        return made;
    }
    return posix::sync_directory(parent);
  }

  Status rename(const std::string& from, const std::string& to) override {
    RMQ_CHECK(posix::rename_exclusively(from, to));
    const std::string from_directory = parent_of(from);
    const std::string to_directory = parent_of(to);
    RMQ_CHECK(posix::sync_directory(to_directory));
    return from_directory == to_directory ? Status{} : posix::sync_directory(from_directory);
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) {
      const int fault = errno;
      if (fault != EISDIR && fault != EPERM) return os_error(fault, "removing " + path);
      if (::rmdir(path.c_str()) != 0) return os_error(errno == ENOTDIR ? fault : errno, "removing " + path);
    }
    return posix::sync_directory(parent_of(path));
  }

  Status copy(const std::string& from, const std::string& to) override {
    const Descriptor source(uninterrupted([&] { return ::open(from.c_str(), O_RDONLY | O_CLOEXEC); }));
    struct stat was{};
    if (!source.open() || ::fstat(source.number(), &was) != 0) return os_error(errno, "opening " + from);
    Descriptor made(uninterrupted(
        [&] { return ::open(to.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, posix::kFileMode); }));
    if (!made.open()) return os_error(errno, "creating " + to);
    Status done = like(made.number(), was, to);
    if (done && ::ioctl(made.number(), FICLONE, source.number()) != 0)
      done = copy_data(source.number(), made.number(), was.st_size, from + " to " + to);
    const timespec times[2] = {{0, UTIME_OMIT}, was.st_mtim};
    if (done && ::futimens(made.number(), times) != 0) done = os_error(errno, "setting the time of " + to);
    if (done) done = posix::sync_all(made.number(), to);
    if (done) done = posix::sync_directory(parent_of(to));
    if (!done) ::unlink(to.c_str());
    return done;
  }

  Status set_modified(const std::string& path, std::int64_t modified_ms) override {
    timespec times[2] = {};
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = modified_ms / 1000 - (modified_ms % 1000 < 0 ? 1 : 0);
    times[1].tv_nsec = (modified_ms % 1000 + 1000) % 1000 * 1'000'000;
    if (::utimensat(AT_FDCWD, path.c_str(), times, 0) != 0)
      return os_error(errno, "setting the time of " + path);
    return {};
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    Descriptor descriptor(
        uninterrupted([&] { return ::open(path.c_str(), kFlags | O_CREAT | O_EXCL, posix::kFileMode); }));
    if (descriptor.open()) {
      RMQ_CHECK(posix::own_like_directory(descriptor.number(), path));
    } else if (errno == EEXIST) {
      descriptor = Descriptor(uninterrupted([&] { return ::open(path.c_str(), kFlags); }));
    }
    if (!descriptor.open()) return os_error(errno, "opening " + path);
    struct flock range = first_byte();
    if (uninterrupted([&] { return ::fcntl(descriptor.number(), F_OFD_SETLK, &range); }) == 0) {
      return std::make_unique<PosixFileLock>(std::move(descriptor));
    }
    if (errno != EAGAIN && errno != EACCES) return os_error(errno, "locking " + path);
    struct flock holder = first_byte();
    const bool told = ::fcntl(descriptor.number(), F_OFD_GETLK, &holder) == 0 && holder.l_type != F_UNLCK;
    // A lock of an open file description, such as ours, belongs to no process: the kernel says -1.
    return wrong_use(
        path + " is locked by " +
        (told && holder.l_pid > 0 ? "process " + std::to_string(holder.l_pid) : "another owner"));
  }

  Result<Space> space(const std::string& directory) const override {
    struct statvfs status{};
    if (uninterrupted([&] { return ::statvfs(directory.c_str(), &status); }) != 0) {
      return os_error(errno, "asking for the space of " + directory);
    }
    const auto bytes = [&](fsblkcnt_t blocks) {
      return static_cast<std::int64_t>(std::min<fsblkcnt_t>(blocks, INT64_MAX / status.f_frsize) *
                                       status.f_frsize);
    };
    return Space{bytes(status.f_blocks), bytes(status.f_blocks - status.f_bfree), bytes(status.f_bavail)};
  }

 private:
  struct Aside {
    Descriptor descriptor;
    std::string path;
  };

  Status create_one_sparse(const NewFile& file) {
    const std::string directory = parent_of(file.path);
    RMQ_CHECK(make_directories(directory));
    Descriptor descriptor;
    Status done = posix::make_sparse(file, posix::Durability::now, descriptor);
    if (done) done = posix::give_name(descriptor.number(), file.path);
    if (!done && done.error().os_errno == EOPNOTSUPP) {
      const std::lock_guard lock(aside_mutex_);
      const auto made = posix::create_sparse_aside(file.path, file.size, file.head);
      done = made ? Status() : Status(made.error());
    }
    if (!done) return done;
    const Status synced = posix::sync_directory(directory);
    if (!synced) ::unlink(file.path.c_str());
    return synced;
  }

  // One file system at a time: files of a store's queues lie in one.
  static Status sync_descriptors(const std::vector<Descriptor>& made) {
    std::optional<dev_t> synced;
    for (const Descriptor& one : made) {
      struct stat status{};
      if (!one.open() || ::fstat(one.number(), &status) != 0 || synced == status.st_dev) continue;
      if (uninterrupted([&] { return ::syncfs(one.number()); }) != 0)
        return os_error(errno, "syncing the file system of new files");
      synced = status.st_dev;
    }
    return {};
  }

  // Holes stay holes.
  static Status copy_data(int from, int to, off_t size, const std::string& what) {
    if (::ftruncate(to, size) != 0) return os_error(errno, "copying " + what);
    for (off_t at = ::lseek(from, 0, SEEK_DATA); at >= 0 && at < size; at = ::lseek(from, at, SEEK_DATA)) {
      off_t end = ::lseek(from, at, SEEK_HOLE);
      if (end < 0) end = size;
      off_t target = at;
      while (at < end) {
        constexpr off_t kMost = 64 << 20;
        ssize_t done =
            ::copy_file_range(from, &at, to, &target, static_cast<std::size_t>(std::min(end - at, kMost)), 0);
        if (done < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
          done = copy_by_hand(from, at, to, target, std::min(end - at, kMost));
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return os_error(errno, "copying " + what);
        if (done == 0) return {};  // it became shorter
      }
    }
    return {};
  }

  // Between file systems, where the kernel does not do it.
  static ssize_t copy_by_hand(int from, off_t& at, int to, off_t& target, off_t most) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(std::min<off_t>(most, 1 << 20)));
    const ssize_t got = ::pread(from, bytes.data(), bytes.size(), at);
    if (got <= 0) return got;
    const ssize_t put = ::pwrite(to, bytes.data(), static_cast<std::size_t>(got), target);
    if (put <= 0) return put;
    at += put;
    target += put;
    return put;
  }

  static struct flock first_byte() {
    struct flock range{};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = 0;
    range.l_len = 1;
    return range;
  }

  // Where a symbolic link to a file leads: the file is replaced, not the link.
  static Result<std::string> behind_links(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) return path;
    char* resolved = ::realpath(path.c_str(), nullptr);
    if (resolved == nullptr) return os_error(errno, "following " + path);
    std::string target = resolved;
    std::free(resolved);
    return target;
  }

  // A new file under a hidden name of its own in the same directory.
  Result<Aside> open_aside(const std::string& target) {
    const std::string stem = join_path(
        parent_of(target), "." + std::string(name_of(target)) + "." + std::to_string(::getpid()) + ".");
    for (;;) {
      const std::string path = stem + std::to_string(next_aside_++) + ".new";
      Descriptor descriptor(uninterrupted(
          [&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, posix::kFileMode); }));
      if (descriptor.open()) return Aside{std::move(descriptor), path};
      if (errno != EEXIST) return os_error(errno, "creating " + path);
    }
  }

  // Mode and owner of the file that goes. Who may not give a file away keeps the new one as its own.
  static Status like(int descriptor, const struct stat& old, const std::string& path) {
    struct stat made{};
    if (::fstat(descriptor, &made) != 0) return os_error(errno, "replacing " + path);
    if (made.st_uid != old.st_uid || made.st_gid != old.st_gid) {
      if (::fchown(descriptor, old.st_uid, old.st_gid) != 0 && errno != EPERM) {
        return os_error(errno, "giving the new " + path + " its owner");
      }
    }
    if (::fchmod(descriptor, old.st_mode & 07777) != 0)
      return os_error(errno, "giving the new " + path + " its mode");
    return {};
  }

  std::mutex aside_mutex_;  // posix::create_aside
  std::atomic<std::uint64_t> next_aside_{0};
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem instance;
  return instance;
}

}  // namespace rmq::io
