// Looking keys up in the index files the way a broker does, with the loops cut that a broker hangs in.
// RocketMQ: IndexService.queryOffset, IndexFile.selectPhyOffset.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/forensics/dump.h"
#include "libstore/format/index_file.h"
#include "libstore/scan/index_geometry.h"

namespace rmq::forensics {

struct IndexHit {
  std::string file;
  std::int64_t number = 0;  // of the entry
  std::int64_t phy_offset = 0;
  std::int64_t store_time_ms = 0;  // to the second, as the entry has it
};

struct TimeRange {
  std::optional<std::int64_t> since_ms;
  std::optional<std::int64_t> until_ms;
};

// One open index file: its header, slots and entries through a small window. One thread at a time.
class IndexFileReader {
 public:
  IndexFileReader(std::unique_ptr<io::ReadFile> file, const scan::IndexGeometry& geometry);

  [[nodiscard]] const format::IndexHeader& header() const { return header_; }
  [[nodiscard]] const scan::IndexGeometry& geometry() const { return geometry_; }
  [[nodiscard]] bool has_header() const { return has_header_; }
  // Entries that are there: what the header says, no more than the file has room for.
  [[nodiscard]] std::int64_t entry_end() const { return entry_end_; }
  [[nodiscard]] std::optional<std::int32_t> slot(std::int64_t number);
  [[nodiscard]] std::optional<format::IndexEntry> entry(std::int64_t number);
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  const std::byte* at(std::int64_t position, std::size_t size);

  std::unique_ptr<io::ReadFile> file_;
  scan::IndexGeometry geometry_;
  format::IndexHeader header_;
  bool has_header_ = false;
  bool failed_ = false;
  std::int64_t entry_end_ = 1;
  std::vector<std::byte> window_;
  std::int64_t window_position_ = 0;
};

class IndexLookup {
 public:
  // All must outlive the lookup; faults go to the summary.
  IndexLookup(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, DumpSummary& summary);

  // What the key's chain leads to, newest file and newest entry first.
  [[nodiscard]] std::vector<IndexHit> find(std::string_view topic, std::string_view key,
                                           const TimeRange& range);

 private:
  void find_in(std::size_t file_index, std::int32_t hash, const TimeRange& range,
               std::vector<IndexHit>& hits);

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  DumpSummary& summary_;
  std::vector<scan::IndexGeometry> geometries_;
  std::vector<std::unique_ptr<IndexFileReader>> open_;  // by file, opened when needed
};

}  // namespace rmq::forensics
