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
#include <span>
#include <string>
#include <string_view>
#include <utility>
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
  std::int64_t cut_off =
      0;  // entries that the header counts and that lie behind the end of a file that is too short
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
  std::int64_t last_guide = 0;  // the same around the last entry
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

// Entries that lead to no record with their key: [number, number + count) of one file, with no record between
// what they lead to. The reader of the log judges: a damaged or missing part of the log, or its lost end,
// explains them.
struct DanglingIndexEntry {
  std::size_t file = 0;  // which of the IndexFileChecks
  std::int64_t number = 0;
  std::int64_t count = 1;
  std::int64_t phy_offset = 0;  // of the first and of the last
  std::int64_t last_phy_offset = 0;
  std::int32_t hash = 0;      // of the first
  bool at_record = false;     // a record starts there, but it has no such key
  bool out_of_order = false;  // phy_offset does not fit between its neighbours': more likely a wrong offset
};

// Keys that no index file has, of records that lie one behind the other (records with all their keys do not
// lie between them).
struct MissingIndexRun {
  std::int64_t first_offset = 0;
  std::int64_t last_offset = 0;
  std::int64_t records = 0;
  std::int64_t keys = 0;
  std::int32_t first_hash = 0;
};

// What the records of one part of the log tell about an index file.
struct IndexFileEvidence {
  struct End {
    std::int64_t offset = 0;  // of the record that the entry belongs to, whatever the entry says
    std::int64_t timestamp = 0;
  };
  struct WrongTime {
    std::int64_t number = 0;
    std::int32_t found = 0;
    std::int64_t timestamp = 0;  // of its record
  };
  std::size_t file = 0;
  std::optional<End> first;          // entry 1
  std::int32_t first_time_diff = 0;  // as stored
  std::optional<End> before;         // the last but one
  std::optional<End> last;
  std::int64_t times_compared = 0;
  std::int64_t times_wrong = 0;
  std::vector<WrongTime> wrong_times;  // the first of them
};

struct IndexMatchReport {
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::vector<Finding> findings;  // IX-OFFSET, IX-ENTRY
  std::vector<DanglingIndexEntry> dangling;
  std::vector<MissingIndexRun> missing;
  std::vector<IndexFileEvidence> evidence;
  // (file, entry) of entries that the part before owns by their place, and whose record lies in this one.
  std::vector<std::pair<std::size_t, std::int64_t>> claimed;
  std::int64_t keys = 0;        // expected
  std::int64_t matched = 0;     // found
  std::int64_t duplicates = 0;  // keys that are there twice: a start dispatches the last record again
  std::int64_t folded =
      0;  // missing keys whose entries were lost to damage that check_index_file has reported
  std::int64_t dropped = 0;  // details left out because there were too many
  std::optional<Error> error;
};

// Compares the index with the records of one part of the log, told in log order. One instance a thread; it
// opens the index files it needs and holds about 0.5 MiB (more where index files overlap).
class IndexMatcher {
 public:
  // Part of the log: records that start in [from, to). `checks` must outlive the matcher.
  IndexMatcher(const io::ReadFileSystem& files, const std::vector<IndexFileCheck>& checks, std::int64_t from,
               std::int64_t to);
  ~IndexMatcher();
  IndexMatcher(IndexMatcher&&) noexcept;
  IndexMatcher& operator=(IndexMatcher&&) noexcept;

  // A record that stock puts into the index (every one but ROLLBACK messages), in ascending order of offsets.
  // `key_hashes`: what format::append_index_key_hashes makes of it. Borrows nothing.
  void expect(std::int64_t phy_offset, std::int64_t store_timestamp, std::span<const std::int32_t> key_hashes);

  // After the last record. Without any expect() before: every entry that leads into [from, to) dangles.
  [[nodiscard]] IndexMatchReport finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Joins what the files say with what the parts of the log say (in log order; empty when nobody matched):
// headers that differ from their first and last records, wrong times, and entries whose record lies in
// another part. Takes what it explains out of `reports`.
[[nodiscard]] std::vector<Finding> resolve_index_doubts(const std::vector<IndexFileCheck>& checks,
                                                        std::vector<IndexMatchReport>& reports);

}  // namespace rmq::forensics
