// Consume queues and index files made anew from the log, all of them or some: the log is read once, by
// several threads, judged as recovery judges it (recovery/plan.h), and what it says is written aside and
// swapped in. What comes out is what stock builds while messages arrive: queues byte for byte, index files
// but for their names.
//
// Nothing is written where the log itself is damaged: that is repair's. Queues of which the log has no
// message any more stay as they are, since they still know the next queue offset; messages of topics that
// were deleted do not come back.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/io/file_system.h"
#include "libstore/recovery/plan.h"
#include "libstore/reindex/swap.h"
#include "libstore/scan/store_survey.h"

namespace rmq::reindex {

enum class Mode {
  rebuild,  // everything that was asked for is made again
  fill,     // units and entries that are there stay, wrong ones too; what is missing is added
  verify,   // nothing is written
};

struct ReindexOptions {
  Mode mode = Mode::rebuild;
  bool queues = false;
  bool index = false;
  // Which queues; empty: all.
  std::function<bool(std::string_view topic, std::int32_t queue_id)> wants_queue;
  std::string out;  // a directory for what is made; empty: it goes into the store
  std::size_t jobs = 1;
  // Bytes for units and keys on their way; what is more goes through files. A thread's buffers and an index
  // file's slots (4 bytes each) come on top.
  std::int64_t memory_limit = 64 << 20;
  std::string spill_directory;  // for verify, which writes nothing into the store; empty: there is none
  // Reads the log and what is there, where that has a better way than what writes; nullptr: it has not.
  const io::ReadFileSystem* log_files = nullptr;
  std::int64_t now_ms = 0;
  std::function<std::int64_t(std::int64_t ms)> local_time_ms;  // of a time in UTC: names of index files
  std::function<bool()> cancelled;
  std::function<void(std::int64_t bytes)> progress;  // of the log, as they are read; from several threads
};

enum class Outcome {
  rebuilt,
  filled,   // with what was missing
  same,     // as the log says
  differs,  // verify, and fill where units are wrong
  kept,     // the log has no message of it
};
[[nodiscard]] std::string_view to_string(Outcome outcome);

struct QueueReport {
  std::string topic;
  std::int32_t queue_id = 0;
  Outcome outcome = Outcome::rebuilt;
  std::int64_t units = 0;       // that the log says it has
  std::int64_t min_offset = 0;  // queue offsets
  std::int64_t max_offset = 0;  // behind the last one
  std::int64_t missing = 0;     // units; verify and fill
  std::int64_t wrong = 0;
  std::int64_t extra = 0;    // units that the log has no message for
  std::int64_t dropped = 0;  // messages of which the queue can hold no unit: two records claim a slot
  std::string first_difference;
};

struct IndexReport {
  std::string file;
  Outcome outcome = Outcome::rebuilt;
  std::int64_t entries = 0;
  std::int64_t missing = 0;  // keys
  std::int64_t wrong = 0;
  std::string first_difference;
};

struct ReindexReport {
  // Why nothing was done: what the log needs first.
  std::vector<std::string> refusals;
  bool log_is_damaged = false;  // repair comes first
  std::vector<QueueReport> queues;
  std::vector<IndexReport> index;
  std::int64_t records = 0;
  std::int64_t units = 0;
  std::int64_t keys = 0;
  std::int64_t unusable =
      0;  // units that no queue can hold: a name that is no directory, a number that is none
  std::int64_t bytes_read = 0;  // of the log
  std::int64_t bytes_written = 0;
  std::int64_t bytes_spilled = 0;
  std::string kept_in;  // where the old files are; empty: there were none
  // Of Harvest, queues and index, and swap.
  double seconds_reading = 0;
  double seconds_writing = 0;
  double seconds_swapping = 0;

  [[nodiscard]] bool problems_left() const;
};

// The caller holds the store's lock, unless nothing is written into it. Fails with wrong_use where a path or
// an option makes no sense, with cancelled, and where something cannot be read or written; the store is then
// as it was.
[[nodiscard]] Result<ReindexReport> run_reindex(io::FileSystem& files, const scan::StoreSurvey& survey,
                                                const ReindexOptions& options);

// What earlier runs that were killed left is taken back: see take_back_unfinished(). The caller holds the
// store's lock; before the survey.
[[nodiscard]] Result<std::vector<std::string>> take_back_earlier_runs(io::FileSystem& files,
                                                                      const scan::StoreConfig& config);

}  // namespace rmq::reindex
