// Judges the key index: single files by themselves (check_index_file), and entries against the records of the
// commit log (IndexMatcher, fed by the log pass). resolve_index_doubts joins both.
//
// A file by itself proves more than it seems to: entries are written in order, and each takes over the head
// of its slot's chain. Playing that through again gives the one right value of every link and every slot, so
// a wrong one is named where it lies, and nothing else is. RocketMQ: IndexFile.putKey,
// IndexService.buildIndex.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/forensics/finding.h"
#include "libstore/format/index_file.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/index_geometry.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

// Codes of this part. What they mean, why they happen and how to mend them is said in finding_table.cc.
inline constexpr std::string_view kIndexSize = "IX-SIZE";  // the file has another length than it must have
inline constexpr std::string_view kIndexGeometry = "IX-GEOMETRY";     // its number of slots cannot be found
inline constexpr std::string_view kIndexCount = "IX-COUNT";           // indexCount
inline constexpr std::string_view kIndexSlotCount = "IX-SLOT-COUNT";  // hashSlotCount
inline constexpr std::string_view kIndexTimes = "IX-TIMES";           // beginTimestamp, endTimestamp
inline constexpr std::string_view kIndexRange = "IX-RANGE";           // beginPhyOffset, endPhyOffset
inline constexpr std::string_view kIndexSlot = "IX-SLOT";  // a slot leads elsewhere than to its newest entry
inline constexpr std::string_view kIndexChain =
    "IX-CHAIN";  // an entry leads elsewhere than to the one before
inline constexpr std::string_view kIndexOffset =
    "IX-OFFSET";  // an entry leads to another offset than its record's
inline constexpr std::string_view kIndexEntry = "IX-ENTRY";      // an entry's hash, or all of it, is damaged
inline constexpr std::string_view kIndexTime = "IX-TIME";        // an entry's time difference
inline constexpr std::string_view kIndexMissing = "IX-MISSING";  // records whose keys are in no index file
inline constexpr std::string_view kIndexDangling =
    "IX-DANGLING";  // an entry leads to no record with that key
inline constexpr std::string_view kIndexUnreadable =
    "IX-UNREADABLE";  // the operating system could not read it

enum class IndexDepth {
  quick,  // header against size and a few entries
  full,   // every link and every slot
};

// Entries [first, first + count) of a file.
struct IndexEntryRun {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// Keys of records in [from, to] that the file held and holds no more: `entries` of them.
struct LostIndexKeys {
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::int64_t entries = 0;
};

struct IndexFileCheck {
  scan::IndexFileInfo file;
  scan::IndexGeometry geometry;
  format::IndexHeader header;  // as stored
  bool readable = false;       // header and geometry are known: what follows is filled in
  std::int64_t used = 0;  // entries 1..used hold keys, whatever the header says; not beyond the file's end
  // Written by a put that a crash cut short: entry used + 1 is there, but was never counted. No damage.
  bool uncounted_entry = false;

  std::vector<Finding> findings;  // by offset
  std::int64_t dropped = 0;  // findings left out because there were too many; the last one covers their range
  std::vector<IndexEntryRun> damaged;  // entries that hold nothing believable, sorted
  std::vector<LostIndexKeys> lost;     // what they, and what was cut off, led to; sorted
  // Entries (sorted) with a finding about their hash, offset or time: the log pass does not report them
  // again.
  std::vector<std::int64_t> flagged;
  std::int64_t out_of_order =
      0;  // entries whose offset is not between their neighbours': the log pass decides

  // The physical offset around entry 1 + i * kGuideStep: the median of five, so one wrong entry misleads
  // nobody.
  static constexpr std::int64_t kGuideStep = 4096;
  std::vector<std::int64_t> guides;
  std::int64_t bytes_checked = 0;
  std::optional<Error> error;  // reading failed, or `cancelled`; what was found until then is kept

  // Header against first and last entry: either may be wrong. resolve_index_doubts decides.
  bool begin_offset_in_doubt = false;
  bool end_offset_in_doubt = false;
  bool times_in_doubt = false;
};

// Reads one index file in one pass from front to back (its slots twice). Memory: 4 bytes a slot and a few
// blocks. Thread-safe: calls for different files may run in parallel. `cancelled` (may be empty) is asked
// once per block.
[[nodiscard]] IndexFileCheck check_index_file(const io::ReadFileSystem& files,
                                              const scan::IndexFileInfo& info,
                                              const scan::IndexGeometry& geometry, IndexDepth depth,
                                              const std::function<bool()>& cancelled = {});

}  // namespace rmq::forensics
