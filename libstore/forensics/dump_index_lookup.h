// Looking keys up in the index files the way a broker does. RocketMQ: IndexService.queryOffset.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/forensics/dump.h"
#include "libstore/scan/index_file_reader.h"
#include "libstore/scan/index_geometry.h"

namespace rmq::forensics {

using scan::IndexFileReader;
using scan::TimeRange;

struct IndexHit : scan::IndexHit {
  std::string file;
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
