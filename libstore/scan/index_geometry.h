// How many slots and entries an index file has. No file says it: the size only gives 4 * slots + 20 *
// entries, so the place of entry 1 is looked for by what must stand there, and each candidate is judged by
// its chains. RocketMQ: IndexFile (maxHashSlotNum and maxIndexNum of MessageStoreConfig).
#pragma once

#include <cstdint>
#include <vector>

#include "libstore/format/index_file.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::scan {

struct IndexGeometry {
  std::int64_t slots = 0;    // 0: unknown
  std::int64_t entries = 0;  // room for entries, the unused entry 0 included
  bool ambiguous = false;    // another number of slots explains the file as well as this one

  [[nodiscard]] bool known() const { return slots > 0 && entries > 0; }
  [[nodiscard]] std::int64_t file_size() const {
    return known() ? format::index_entry_position(slots, entries) : 0;
  }
  bool operator==(const IndexGeometry&) const = default;
};

// One for each of survey.index_files, in their order. What broker.conf says wins; stock's default is tried
// before anything else (a few reads); other sizes are streamed once. A file that proves nothing (damaged,
// cut, empty) has the geometry that the other files of the store prove. A file that cannot be read counts as
// damaged.
[[nodiscard]] std::vector<IndexGeometry> infer_index_geometries(const io::ReadFileSystem& files,
                                                                const StoreSurvey& survey);

}  // namespace rmq::scan
