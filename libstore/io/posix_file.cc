#include "libstore/io/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace rmq::io::posix {

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Result<OpenFile> open_regular(const std::string& path, int access) {
  // O_NONBLOCK: a FIFO left in a store must not make the open wait; O_NOATIME is the owner's right only.
  const int flags = access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  Descriptor descriptor(uninterrupted([&] { return ::open(path.c_str(), flags | O_NOATIME); }));
  if (!descriptor.open() && errno == EPERM) {
    descriptor = Descriptor(uninterrupted([&] { return ::open(path.c_str(), flags); }));
  }
  if (!descriptor.open()) return os_error(errno, "opening " + path);
  struct stat status{};
  if (::fstat(descriptor.number(), &status) != 0) return os_error(errno, "looking at " + path);
  if (S_ISBLK(status.st_mode) && access == O_RDONLY) {  // a disk to look for messages on
    const off_t size = ::lseek(descriptor.number(), 0, SEEK_END);
    if (size < 0) return os_error(errno, "asking for the size of " + path);
    return OpenFile{std::move(descriptor), size};
  }
  if (!S_ISREG(status.st_mode)) return wrong_use(path + " is not a regular file");
  return OpenFile{std::move(descriptor), status.st_size};
}

Result<std::size_t> read_bytes(int descriptor, const std::string& path, std::int64_t position,
                               std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor, out.data() + done, out.size() - done,
                                static_cast<off_t>(position + static_cast<std::int64_t>(done)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error(errno, "reading " + path + " at " + std::to_string(position));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

std::int64_t next_data(int descriptor, std::int64_t position, std::int64_t size) {
  const off_t at = ::lseek(descriptor, static_cast<off_t>(position), SEEK_DATA);
  if (at >= 0) return at;
  return errno == ENXIO ? size : position;
}

std::int64_t next_hole(int descriptor, std::int64_t position, std::int64_t size) {
  const off_t at = ::lseek(descriptor, static_cast<off_t>(position), SEEK_HOLE);
  return at >= 0 ? std::min<std::int64_t>(at, size) : size;
}

}  // namespace rmq::io::posix
