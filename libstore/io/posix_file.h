// What the reading and the writing side have in common over the operating system's files. Private to room io.
#pragma once

#include <cerrno>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "libstore/base/status.h"

namespace rmq::io::posix {

// An open file, closed when destroyed.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] bool open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// A system call, made again when a signal came in between.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

struct OpenFile {
  Descriptor descriptor;
  std::int64_t size = 0;
};

// A regular file that exists, or a block device that is only read; `access` is O_RDONLY or O_RDWR. No access time where the kernel allows it.
[[nodiscard]] Result<OpenFile> open_regular(const std::string& path, int access);

// Fills `out` from `position`; fewer bytes only at the end of the file. `path` is for the error's text.
[[nodiscard]] Result<std::size_t> read_bytes(int descriptor, const std::string& path, std::int64_t position,
                                             std::span<std::byte> out);
// As ReadFile has them.
[[nodiscard]] std::int64_t next_data(int descriptor, std::int64_t position, std::int64_t size);
[[nodiscard]] std::int64_t next_hole(int descriptor, std::int64_t position, std::int64_t size);

// The two ways of FileSystem::create, without the directory sync at their end.
// Unnamed until it is whole (O_TMPFILE). EOPNOTSUPP where the file system or the process cannot do that.
[[nodiscard]] Result<Descriptor> create_unnamed(const std::string& path, std::int64_t size,
                                                std::span<const std::byte> head);
// Under a hidden name beside the file's directory, not in it: a broker that was started after a kill would
// refuse a stray file or directory among a log's or a queue's files (MappedFileQueue.doLoad), and looks past
// one in the store's root and beside queue directories. What a kill left there is used up by the next call
// for the same path, so two calls for one path must not run at the same time.
[[nodiscard]] Result<Descriptor> create_aside(const std::string& path, std::int64_t size,
                                              std::span<const std::byte> head);
// The same for FileSystem::create_sparse.
[[nodiscard]] Result<Descriptor> create_sparse_aside(const std::string& path, std::int64_t size,
                                                     std::span<const std::byte> head);

}  // namespace rmq::io::posix
