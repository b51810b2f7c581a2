#include "tools/cli/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace rmq::cli {

bool lies_in(const std::string& inner, const std::string& outer) {
  std::error_code ignored;
  const auto in = std::filesystem::weakly_canonical(inner, ignored);
  const auto out = std::filesystem::weakly_canonical(outer, ignored);
  return std::mismatch(out.begin(), out.end(), in.begin(), in.end()).first == out.end();
}

NewFile::~NewFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(part_.c_str());
}

Status NewFile::create(const std::string& store) {
  if (lies_in(path_, store))
    return wrong_use(path_ + " lies in the store, which is only read; give another place");
  struct stat there = {};
  if (::lstat(path_.c_str(), &there) == 0) return wrong_use(path_ + " is there already; give another name");
  descriptor_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor_ < 0 && errno == EEXIST)
    return wrong_use(part_ + " is there already, of another run or one that was killed; remove it");
  if (descriptor_ < 0) return os_error(errno, "creating " + part_);
  return {};
}

bool NewFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(descriptor_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) {
      fault_ = errno;
      return false;
    }
    size_ += done;
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
  return true;
}

Status NewFile::finish() {
  if (fault_ != 0) return os_error(fault_, "writing " + path_);
  if (::fsync(descriptor_) != 0 || ::link(part_.c_str(), path_.c_str()) != 0)
    return os_error(errno, "writing " + path_);
  return {};  // the destructor takes the other name away
}

}  // namespace rmq::cli
