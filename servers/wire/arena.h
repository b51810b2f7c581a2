// Memory that is given out piece by piece and taken back all at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace rmq::wire {

// Not for sharing between threads.
class Arena {
 public:
  // Aligned for any type; lives until clear().
  std::byte* take(std::size_t bytes) {
    bytes = rounded(bytes);
    while (current_ < chunks_.size() && chunks_[current_].size - used_ < bytes) {
      ++current_;
      used_ = 0;
    }
    if (current_ == chunks_.size()) {
      const std::size_t size = std::max(bytes, kChunk);
      chunks_.push_back({std::make_unique_for_overwrite<std::byte[]>(size), size});
    }
    std::byte* piece = chunks_[current_].bytes.get() + used_;
    used_ += bytes;
    return piece;
  }

  // Takes back all but the first `used` bytes of the piece that was taken last and had `taken`.
  void shrink(std::size_t taken, std::size_t used) { used_ -= rounded(taken) - rounded(used); }

  // Takes everything back, and gives back to the system what is over `kept` bytes.
  void clear(std::size_t kept) {
    current_ = 0;
    used_ = 0;
    while (!chunks_.empty() && memory() > kept) chunks_.pop_back();
  }

  [[nodiscard]] std::size_t memory() const {
    std::size_t total = 0;
    for (const Chunk& chunk : chunks_) total += chunk.size;
    return total;
  }

 private:
  static constexpr std::size_t kChunk = 16 * 1024;
  static std::size_t rounded(std::size_t bytes) {
    constexpr std::size_t kAlign = alignof(std::max_align_t);
    return (bytes + kAlign - 1) / kAlign * kAlign;
  }
  struct Chunk {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;
  };
  std::vector<Chunk> chunks_;
  std::size_t current_ = 0;
  std::size_t used_ = 0;  // of the current chunk
};

}  // namespace rmq::wire
