// Damages a store in memory at random, and tells what it did: the same seed damages the same store in the same way,
// on every machine. For tests and fuzzers.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "libstore/testing/memory_file_system.h"

namespace rmq::testing {

// Bytes of one file that a mutation changed in place; the whole file where it is not that simple.
struct DamagedRange {
  std::string path;
  std::int64_t from = 0;
  std::int64_t to = 0;
  bool in_place = true;  // the file kept its name and its size, and can be read
};

struct StoreDamage {
  std::vector<DamagedRange> ranges;
  std::string description;  // one line a mutation
};

class StoreDamager {
 public:
  explicit StoreDamager(std::uint64_t seed) : random_(seed) {}

  // Applies `mutations` mutations to `files`, all below one root.
  [[nodiscard]] StoreDamage damage(MemoryFileSystem& files, int mutations);

 private:
  void mutate(MemoryFileSystem& files, StoreDamage& told);
  void change_bytes(const std::string& path, MemoryFile& file, StoreDamage& told);
  void change_size(const std::string& path, MemoryFile& file, StoreDamage& told);
  void change_files(MemoryFileSystem& files, const std::string& path, StoreDamage& told);
  [[nodiscard]] std::string pick_file(const MemoryFileSystem& files);
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> pick_range(std::int64_t size);
  // A number in [0, limit); 0 for an empty range.
  [[nodiscard]] std::int64_t below(std::int64_t limit);

  std::mt19937_64 random_;  // and no distributions: those differ between libraries
};

}  // namespace rmq::testing
