// Reads pieces of many files with few open at a time. A read behind a file's end gives zeros, as Java's
// mapping of a file gives; so does one that fails, but then fault() says so and the whole forecast is void.
// Not for sharing between threads.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libstore/io/read_file_system.h"
#include "libstore/preflight/preflight.h"

namespace rmq::preflight {

class FilePool {
 public:
  FilePool(const io::ReadFileSystem& files, const PreflightOptions& options);

  void read(const std::string& path, std::int64_t position, std::span<std::byte> out);

  // False when the file system knows the range to be a hole, and for an empty path (a file that does not
  // exist yet).
  [[nodiscard]] bool has_data(const std::string& path, std::int64_t position, std::int64_t length);

  // The first failure, or `cancelled` once the caller asked to stop. Loops over a store end when this is set.
  [[nodiscard]] const std::optional<Error>& fault() const { return fault_; }

  // Counts bytes that somebody else read, for progress and cancellation.
  void account(std::int64_t bytes);
  // Tells the progress and asks about cancellation now; account() does so every few megabytes.
  void report();

 private:
  struct Open {
    std::string path;
    std::unique_ptr<io::ReadFile> file;
  };
  const io::ReadFile* open(const std::string& path);

  const io::ReadFileSystem& files_;
  const PreflightOptions& options_;
  std::list<Open> recent_;  // most recently used first
  std::unordered_map<std::string_view, std::list<Open>::iterator> by_path_;
  std::optional<Error> fault_;
  std::int64_t unreported_ = 0;
};

// One file (or part of one) read forward in blocks: a window that moves.
class BlockWindow {
 public:
  explicit BlockWindow(FilePool& pool, std::size_t block = std::size_t{256} << 10)
      : pool_(pool), block_(block) {}

  // `count` bytes at `position` of `path`; lives until the next call. `count` is at most the block size;
  // `limit` is where reading ahead ends.
  std::span<const std::byte> view(const std::string& path, std::int64_t position, std::size_t count,
                                  std::int64_t limit);
  void forget() { size_ = 0; }
  [[nodiscard]] std::size_t block_size() const { return block_; }

 private:
  FilePool& pool_;
  std::size_t block_;
  std::string path_;
  std::int64_t position_ = 0;
  std::size_t size_ = 0;
  std::vector<std::byte> bytes_;
};

}  // namespace rmq::preflight
