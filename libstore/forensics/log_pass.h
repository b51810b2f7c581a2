// The pass over the commit log: every record's header, its queue unit, at the deep level its checksums and index
// entries. Works file by file in parallel; what it gathers is small: damage, and runs of records that no queue
// unit leads to. Judging them needs all files, so that is left to verify_queues.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "libstore/forensics/queue_table.h"
#include "libstore/forensics/verify_index.h"
#include "libstore/scan/commit_log_walker.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

// A commit log file where its records prove it to be. `start` is the log offset of its first byte.
struct LogFile {
  const scan::MappedFile* file = nullptr;
  std::int64_t start = 0;
  bool has_records = false;
  // Another file holds the same records under the right name, or the same name in another directory.
  const scan::MappedFile* duplicate_of = nullptr;
};

// Bytes of the log that are damaged: a gap, or a record that is not what was written.
struct LogDamage {
  enum class Kind {
    gap,
    body_crc,      // the body does not match its checksum
    property_crc,  // the record does not match its __CRC32# property
    bad_port,      // an address with a port that there is not: stock cannot decode the message
    zeroed_text,   // zero bytes in topic or properties, which no writer puts there and no body CRC covers
  };
  Kind kind = Kind::gap;
  std::int64_t position = 0;  // in the file
  std::int64_t length = 0;
  scan::GapLook look = scan::GapLook::damaged;
  std::int64_t records = 0;  // whole records in it
};

struct FieldDamage {  // a record with a field that cannot be right
  std::int64_t position = 0;
  std::int64_t length = 0;
  std::int64_t stored = 0;
};

// Records that lie one behind the other in a queue, and whose unit does not lead to them.
struct RecordRun {
  std::string topic;
  std::int32_t queue_id = 0;
  QueueState* queue = nullptr;    // nullptr: no such queue in the store
  std::int64_t queue_offset = 0;  // of the first
  std::int64_t count = 0;
  std::int64_t first_offset = 0;  // log offsets
  std::int64_t last_offset = 0;
};

struct TagsDamage {
  QueueState* queue = nullptr;
  UnitNumber unit = 0;
  std::int64_t found = 0;
  std::int64_t expected = 0;
};

struct LogFileReport {
  LogFile file;
  std::int64_t records = 0;
  std::int64_t data_end = 0;        // behind the last record (position in the file)
  std::int64_t unwritten_from = -1;  // where zeros up to the end begin; -1: none
  bool ends_in_blank = false;
  std::int64_t min_store_timestamp = 0;
  std::int64_t max_store_timestamp = 0;
  std::int64_t time_regressions = 0;
  std::int64_t first_regression = 0;  // position of the first record older than the one before it
  // Records that recovery put where messages were lost.
  std::int64_t placeholders = 0;
  std::int64_t fillers = 0;
  std::int64_t first_stand_in = 0;  // positions of the first and behind the last of both
  std::int64_t stand_ins_end = 0;
  std::vector<LogDamage> damage;
  std::vector<FieldDamage> own_offsets;    // PHYSICALOFFSET is not where it lies
  std::vector<FieldDamage> queue_offsets;  // QUEUEOFFSET is one that no queue can have
  std::vector<RecordRun> unconfirmed;
  std::vector<TagsDamage> tags;
  IndexMatchReport index;
  std::int64_t bytes_checked = 0;
  std::int64_t dropped = 0;  // details left out because there are too many of them
};

struct LogPassOptions {
  bool cross_check = true;   // records against queue units
  bool checksums = false;    // deep
  bool index = false;        // deep: records against index entries
  std::size_t jobs = 1;
  std::function<bool()> cancelled;
  std::atomic<std::int64_t>* progress = nullptr;  // bytes walked
};

// The index files: the pass checks them first, with the same workers. A log file that is begun meanwhile keeps what it
// expects of the index until all of them are known.
struct IndexPass {
  std::vector<IndexFileCheck>& checks;     // one a file; `check` fills them
  std::function<void(std::size_t)> check;  // called once for each, from several threads
};

// Finds out where each file belongs; opens each once. Sorted by (start, name).
[[nodiscard]] std::vector<LogFile> place_log_files(const io::ReadFileSystem& files, const scan::StoreSurvey& survey);

// One report per entry of `log`, in its order. Confirms units in `queues`.
[[nodiscard]] std::vector<LogFileReport> run_log_pass(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                                      const std::vector<LogFile>& log, const QueueTable& queues,
                                                      const IndexPass& index,
                                                      const LogPassOptions& options);

}  // namespace rmq::forensics
