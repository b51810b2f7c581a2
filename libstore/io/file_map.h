// A file mapped for reading. What a failing disk or somebody who cuts the file takes away reads as zeros, and
// failed() says so: the signal (SIGBUS) ends nobody. Private to room io.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace rmq::io::posix {

// Takes SIGBUS for the process, for addresses in a FileMap; others go to whoever had it before. The first
// call does it, the others wait for that.
void guard_file_maps();

// Thread-safe.
class FileMap {
 public:
  // nullptr where the file cannot be mapped, or where too many maps are there already. After
  // guard_file_maps().
  [[nodiscard]] static std::unique_ptr<FileMap> map(int descriptor, std::int64_t size);
  ~FileMap();
  FileMap(const FileMap&) = delete;
  FileMap& operator=(const FileMap&) = delete;

  // Maps the pages of [position, position + length) in; false where one of them cannot be read now.
  [[nodiscard]] bool load(std::int64_t position, std::int64_t length);
  // What lies there may be mapped out again; it still can be looked at.
  void unload(std::int64_t position, std::int64_t length);
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  // Some of what was looked at could not be read.
  [[nodiscard]] bool failed() const;

 private:
  FileMap(std::span<std::byte> bytes, std::size_t guard) : bytes_(bytes), guard_(guard) {}

  std::span<std::byte> bytes_;
  std::size_t guard_;  // its place among those that the signal handler knows
};

}  // namespace rmq::io::posix
