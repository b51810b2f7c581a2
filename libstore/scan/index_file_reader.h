// One index file, read through a small window, and the chain of a key in it: for those who look keys up and
// those who show what is there. RocketMQ: IndexFile.selectPhyOffset, with the loops cut that it hangs in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "libstore/format/index_file.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/index_geometry.h"

namespace rmq::scan {

// Store times; ends that are not given are open.
struct TimeRange {
  std::optional<std::int64_t> since_ms;
  std::optional<std::int64_t> until_ms;  // the first that does not count any more
};

struct IndexHit {
  std::int64_t number = 0;  // of the entry
  std::int64_t phy_offset = 0;
  std::int64_t store_time_ms = 0;  // to the second, as the entry has it
};

// One thread at a time.
class IndexFileReader {
 public:
  // `window`: bytes read at once. Whoever reads on and on wants many, whoever follows a chain few.
  IndexFileReader(std::unique_ptr<io::ReadFile> file, const IndexGeometry& geometry,
                  std::int64_t window = 64 << 10);

  [[nodiscard]] const format::IndexHeader& header() const { return header_; }
  [[nodiscard]] const IndexGeometry& geometry() const { return geometry_; }
  [[nodiscard]] bool has_header() const { return has_header_; }
  // Entries that are there: what the header says, no more than the file has room for.
  [[nodiscard]] std::int64_t entry_end() const { return entry_end_; }
  [[nodiscard]] std::optional<std::int32_t> slot(std::int64_t number);
  [[nodiscard]] std::optional<format::IndexEntry> entry(std::int64_t number);
  // Entries of this hash within the range, newest first, until `take` says no. Hashes collide: the messages
  // have to be asked for their keys. Nothing where the file's geometry is not known.
  void find(std::int32_t hash, const TimeRange& range, const std::function<bool(const IndexHit&)>& take);
  // A read failed: what was told is not all.
  [[nodiscard]] bool failed() const { return fault_.has_value(); }
  [[nodiscard]] const std::optional<Error>& fault() const { return fault_; }

 private:
  const std::byte* at(std::int64_t position, std::size_t size);

  std::unique_ptr<io::ReadFile> file_;
  IndexGeometry geometry_;
  std::int64_t window_size_;
  format::IndexHeader header_;
  bool has_header_ = false;
  std::optional<Error> fault_;
  std::int64_t entry_end_ = 1;
  std::vector<std::byte> window_;
  std::int64_t window_position_ = 0;
};

}  // namespace rmq::scan
