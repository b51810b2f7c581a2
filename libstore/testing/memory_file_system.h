// A file system in memory for tests: what a store looks like to a reader, with faults where a test wants them.
// Not thread-safe while it is changed; reading is.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libstore/io/read_file_system.h"

namespace rmq::testing {

struct MemoryFile {
  std::vector<std::byte> bytes;
  std::int64_t size_when_opened = -1;                          // larger than bytes: the file shrank under the reader
  std::vector<std::pair<std::int64_t, std::int64_t>> bad;      // [from, to) cannot be read (EIO)
  std::int64_t hole = 0;                                       // bytes of a hole (zeros) behind `bytes`
};

class MemoryFileSystem final : public io::ReadFileSystem {
 public:
  // Paths are absolute; directories come from them.
  std::map<std::string, MemoryFile> files;

  // Everything below a directory of the real file system, under the same paths.
  void load(const std::string& root);

  [[nodiscard]] Result<std::unique_ptr<io::ReadFile>> open(const std::string& path) const override;
  [[nodiscard]] Result<std::vector<io::DirectoryEntry>> list(const std::string& directory) const override;
  [[nodiscard]] Result<io::DirectoryEntry> stat(const std::string& path) const override;
};

}  // namespace rmq::testing
