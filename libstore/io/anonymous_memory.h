// A large piece of the process's own memory whose pages come when they are touched and can be given back one
// by one.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "libstore/base/status.h"

namespace rmq::io {

class AnonymousMemory {
 public:
  // Address space only; zeros.
  [[nodiscard]] static Result<AnonymousMemory> reserve(std::size_t size);
  ~AnonymousMemory();
  AnonymousMemory(AnonymousMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  AnonymousMemory& operator=(AnonymousMemory&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  // Gives whole pages back; they read as zeros from now on. Both numbers are multiples of the page size.
  void release(std::size_t position, std::size_t length);

 private:
  explicit AnonymousMemory(std::span<std::byte> bytes) : bytes_(bytes) {}
  std::span<std::byte> bytes_;
};

}  // namespace rmq::io
