// One walk over the log: where it is damaged, and which queue slots its records claim, run by run, with what
// the queues and the index have for them. Several files at a time; what is kept is small.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/recovery/index_check.h"
#include "libstore/recovery/log_layout.h"
#include "libstore/recovery/plan.h"

namespace rmq::recovery {

// Records that lie one behind the other in the log and in a queue, and whose units are alike: there and
// right, or not.
struct RecordRun {
  std::int64_t queue_offset = 0;
  std::int64_t messages = 0;         // queue offsets that they take
  std::int64_t first_offset = 0;     // of the log
  std::int64_t last_offset = 0;      // of the last record
  std::int64_t store_timestamp = 0;  // the latest of them
  bool confirmed = false;

  [[nodiscard]] std::int64_t end() const { return queue_offset + messages; }
};

struct QueueId {
  std::string topic;
  std::int32_t queue_id = 0;
  auto operator<=>(const QueueId&) const = default;
};
using QueueRuns = std::map<QueueId, std::vector<RecordRun>>;  // in the order of the log

// Bytes of the log that are no record, though the log goes on behind them, or its end is to come.
struct Wound {
  std::int64_t from = 0;  // log offsets
  std::int64_t to = 0;
  bool unreadable = false;
  bool stale = false;
  bool unwritten = false;            // zeros up to the end of its file
  std::size_t part = 0;              // of LogLayout::parts
  std::int64_t store_timestamp = 0;  // of the last record before it; 0: there is none in its part
};

// A record that says one thing wrong: how its bytes should be.
struct RecordMend {
  std::int64_t log_offset = 0;
  std::int64_t position = 0;  // of the first byte that changes, in the file
  std::vector<std::byte> bytes;
  std::size_t part = 0;
  std::string what;
};

struct PartScan {
  QueueRuns runs;
  std::vector<Wound> wounds;
  std::vector<RecordMend> mends;
  std::int64_t records = 0;
  std::int64_t data_end = 0;     // log offset behind the last record, or the end of the part behind a BLANK
  std::int64_t records_end = 0;  // behind the last record, BLANK or not
  std::int64_t last_store_timestamp = 0;  // of the last record
  std::int64_t newest_timestamp = 0;
  std::int64_t not_indexed_from =
      kEverything;  // the first record whose index entries are not what they should be
  std::int64_t bytes_read = 0;
  std::optional<Error> error;
};

// Scans parts [first, end) of the layout, `options.jobs` at a time, and hands each to `take` in their order.
[[nodiscard]] Status scan_log(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                              const LogLayout& layout, std::size_t first, const derive::DispatchRules& rules,
                              const IndexCheck& index, const PlanOptions& options,
                              const std::function<void(PartScan&&)>& take);

// Appends `run` to the runs of a queue, or to the last of them.
void add_run(std::vector<RecordRun>& runs, const RecordRun& run);

}  // namespace rmq::recovery
