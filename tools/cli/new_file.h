// What a reading command writes where the user says: a new file, never one of the store, never over another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "libstore/base/status.h"

namespace rmq::cli {

// Whether `inner` is `outer` or lies below it, symbolic links followed.
[[nodiscard]] bool lies_in(const std::string& inner, const std::string& outer);

// A file that has its name only once it is whole; until then, and where it is not finished, nothing of that
// name is there.
class NewFile {
 public:
  explicit NewFile(std::string path) : path_(std::move(path)), part_(path_ + ".part") {}
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // Fails with wrong_use where the file is there already, or would lie in `store`.
  [[nodiscard]] Status create(const std::string& store);
  // False once the operating system refused; finish() tells why.
  bool write(std::span<const std::byte> bytes);
  [[nodiscard]] Status finish();

  [[nodiscard]] int fault() const { return fault_; }
  [[nodiscard]] std::int64_t size() const { return size_; }

 private:
  std::string path_;
  std::string part_;
  int descriptor_ = -1;
  int fault_ = 0;
  std::int64_t size_ = 0;
};

}  // namespace rmq::cli
