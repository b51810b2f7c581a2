#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "libstore/io/file_map.h"
#include "libstore/io/posix_file.h"
#include "libstore/io/read_file_system.h"

namespace rmq::io {
namespace {

constexpr std::int64_t kDirectBlock = 2 << 20;  // a virtual disk reads at full speed from here on
constexpr std::int64_t kDirectAlignment = 4096;
constexpr std::int64_t kCacheSample =
    64 << 10;  // asked about first: counting every page of what is cached costs 3 % of a scan
constexpr std::size_t kScanRead = 64 << 10;  // reads of this size and more belong to a scan

// How much of a range of a file lies in the page cache (cachestat, Linux 6.5).
struct CacheState {
  bool known = false;
  std::uint64_t cached_pages = 0;
  std::uint64_t dirty_pages = 0;
};

CacheState cache_state([[maybe_unused]] int descriptor, [[maybe_unused]] std::int64_t position,
                       [[maybe_unused]] std::int64_t length) {
  constexpr long kCachestat =
      451;  // the same number on every architecture; Debian 12's headers do not have it
  struct {
    std::uint64_t offset;
    std::uint64_t length;
  } range{static_cast<std::uint64_t>(position), static_cast<std::uint64_t>(length)};
  struct {
    std::uint64_t cache, dirty, writeback, evicted, recently_evicted;
  } state{};
  if (::syscall(kCachestat, descriptor, &range, &state, 0U) != 0) return {};
  return {true, state.cache, state.dirty + state.writeback};
}

// One block read past the page cache, kept by each thread: a scan of a cold store then does not evict the
// pages that a broker beside it works with. The buffer belongs to the file whose `owner` number it carries.
struct DirectBlock {
  ~DirectBlock() { std::free(bytes); }
  std::uint64_t owner = 0;
  std::int64_t position = 0;
  std::int64_t size = 0;
  bool direct = false;  // false: this part of the file is read through the page cache
  std::byte* bytes = nullptr;
};
thread_local DirectBlock direct_block;
std::atomic<std::uint64_t> next_owner{1};

class PosixReadFile final : public ReadFile {
 public:
  PosixReadFile(posix::OpenFile file, std::string path, bool maps)
      : descriptor_(std::move(file.descriptor)), size_(file.size), path_(std::move(path)), maps_(maps) {}
  ~PosixReadFile() override {
    if (direct_ >= 0) ::close(direct_);
  }
  PosixReadFile(const PosixReadFile&) = delete;
  PosixReadFile& operator=(const PosixReadFile&) = delete;

  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    if (out.size() >= kScanRead && size_ > kDirectBlock) {
      std::size_t done = 0;
      while (done < out.size() && take_direct(position + static_cast<std::int64_t>(done), out, done)) {
      }
      if (done == out.size()) return done;
      const auto rest = read_cached(position + static_cast<std::int64_t>(done), out.subspan(done));
      if (!rest) return rest.error();
      return done + *rest;
    }
    return read_cached(position, out);
  }

  std::span<const std::byte> view(std::int64_t position, std::int64_t length) const override {
    if (!maps_ || size_ <= kDirectBlock || position < 0 || position >= size_) return {};
    length = std::min({length, size_ - position, kDirectBlock - kDirectAlignment});
    DirectBlock& block = direct_block;
    const bool is_within =
        block.owner == owner_ && position >= block.position && position < block.position + block.size;
    if (!is_within || (!block.direct && position + length > block.position + block.size))
      load_direct(position);
    if (block.direct) return {};
    std::call_once(mapping_, [&] {
      owned_map_ = posix::FileMap::map(descriptor_.number(), size_);
      map_.store(owned_map_.get(), std::memory_order_release);
    });
    posix::FileMap* const map = map_.load(std::memory_order_acquire);
    if (map == nullptr || map->failed() || !map->load(position, length)) return {};
    map_out_before(*map, position);
    return map->bytes().subspan(static_cast<std::size_t>(position), static_cast<std::size_t>(length));
  }

  bool view_failed() const override {
    const posix::FileMap* const map = map_.load(std::memory_order_acquire);
    return map != nullptr && map->failed();
  }

  std::int64_t size() const override { return size_; }

  std::int64_t next_data(std::int64_t position) const override {
    return posix::next_data(descriptor_.number(), position, size_);
  }

  std::int64_t next_hole(std::int64_t position) const override {
    return posix::next_hole(descriptor_.number(), position, size_);
  }

  int descriptor() const override { return descriptor_.number(); }

 private:
  Result<std::size_t> read_cached(std::int64_t position, std::span<std::byte> out) const {
    return posix::read_bytes(descriptor_.number(), path_, position, out);
  }

  // A scan leaves little mapped behind it: the pages are the page cache's, not this process's.
  void map_out_before(posix::FileMap& map, std::int64_t position) const {
    const std::int64_t from = mapped_from_.load(std::memory_order_relaxed);
    if (position - from < kMostMapped) return;
    const std::int64_t to = (position - kMostMapped / 2) / kDirectAlignment * kDirectAlignment;
    map.unload(from, to - from);
    mapped_from_.store(to, std::memory_order_relaxed);
  }

  // Copies what this thread's direct block holds at `position`; false where the page cache has to serve.
  bool take_direct(std::int64_t position, std::span<std::byte> out, std::size_t& done) const {
    DirectBlock& block = direct_block;
    if (block.owner != owner_ || position < block.position || position >= block.position + block.size) {
      load_direct(position);
    }
    if (!block.direct) return false;
    const std::int64_t there = block.position + block.size - position;
    if (there <= 0) return false;
    const auto count = std::min(static_cast<std::size_t>(there), out.size() - done);
    std::memcpy(out.data() + done, block.bytes + (position - block.position), count);
    done += count;
    return true;
  }

  // Decides for the block around `position`: past the page cache if next to nothing of it is in there (and
  // nothing is dirty: reading that directly would force the broker's pages to disk).
  void load_direct(std::int64_t position) const {
    DirectBlock& block = direct_block;
    block.owner = owner_;
    block.position = position / kDirectAlignment * kDirectAlignment;
    block.size = std::min(kDirectBlock, size_ - block.position);
    block.direct = false;
    if (mostly_cached(block.position, kCacheSample) &&
        mostly_cached(block.position + block.size - kCacheSample, kCacheSample)) {
      return;
    }
    if (mostly_cached(block.position, block.size) || !open_direct()) return;
    if (block.bytes == nullptr) {
      block.bytes = static_cast<std::byte*>(std::aligned_alloc(kDirectAlignment, kDirectBlock));
      if (block.bytes == nullptr) return;
    }
    const ssize_t got = ::pread(direct_, block.bytes, static_cast<std::size_t>(kDirectBlock),
                                static_cast<off_t>(block.position));
    if (got <= position - block.position) return;  // an error is told by the plain read that follows
    block.size = std::min<std::int64_t>(got, block.size);
    block.direct = true;
  }

  // Also where the kernel cannot tell, and where pages are dirty.
  [[nodiscard]] bool mostly_cached(std::int64_t position, std::int64_t length) const {
    const CacheState state = cache_state(descriptor_.number(), position, length);
    const auto pages = static_cast<std::uint64_t>(length / kDirectAlignment);
    return !state.known || state.dirty_pages > 0 || state.cached_pages > pages / 8;
  }

  [[nodiscard]] bool open_direct() const {
    int expected = kNotTried;
    if (direct_.load() == kNotTried) {
      int opened = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT | O_NOATIME);
      if (opened < 0 && errno == EPERM) opened = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
      if (opened < 0) opened = kImpossible;
      if (!direct_.compare_exchange_strong(expected, opened) && opened >= 0) ::close(opened);
    }
    return direct_ >= 0;
  }

  static constexpr int kNotTried = -1;
  static constexpr int kImpossible = -2;
  static constexpr std::int64_t kMostMapped = 32 << 20;

  posix::Descriptor descriptor_;
  std::int64_t size_;
  std::string path_;
  std::uint64_t owner_ = next_owner++;
  mutable std::atomic<int> direct_{kNotTried};
  bool maps_;
  mutable std::once_flag mapping_;
  mutable std::unique_ptr<posix::FileMap> owned_map_;
  mutable std::atomic<posix::FileMap*> map_{nullptr};
  mutable std::atomic<std::int64_t> mapped_from_{0};
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
  explicit PosixReadFileSystem(bool maps) : maps_(maps) {}

  Result<std::unique_ptr<ReadFile>> open(const std::string& path) const override {
    RMQ_TRY(file, posix::open_regular(path, O_RDONLY));
    return std::make_unique<PosixReadFile>(std::move(file), path, maps_);
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
      struct stat status{};
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
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return os_error(errno, path);
    return entry_of(path.substr(path.find_last_of('/') + 1), status);
  }

 private:
  bool maps_;
};

}  // namespace

const ReadFileSystem& posix_read_file_system() {
  static const PosixReadFileSystem instance(false);
  return instance;
}

const ReadFileSystem& mapping_read_file_system() {
  static const PosixReadFileSystem instance = [] {
    posix::guard_file_maps();
    return PosixReadFileSystem(true);
  }();
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

namespace {

std::string_view without_trailing_slashes(std::string_view path) {
  const auto last = path.find_last_not_of('/');
  return path.substr(0, last == std::string_view::npos ? 1 : last + 1);
}

}  // namespace

std::string parent_of(std::string_view path) {
  const std::string_view plain = without_trailing_slashes(path);
  const auto slash = plain.find_last_of('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : without_trailing_slashes(plain.substr(0, slash)));
}

std::string_view name_of(std::string_view path) {
  const std::string_view plain = without_trailing_slashes(path);
  return plain.substr(plain.find_last_of('/') + 1);
}

}  // namespace rmq::io
