// What a store needs before it can be written to again, found out without changing it: survey -> plan ->
// apply (apply.h). One place for the engine's start and for rmq-repair. A start applies only steps that
// cannot lose a message; where more is needed the plan says so, and nothing is done. RocketMQ:
// CommitLog.recoverNormally and recoverAbnormally, ConsumeQueue.recover, truncateDirtyFiles.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::recovery {

enum class Depth {
  tail,  // from where the checkpoint says that everything before is on disk
  full,  // the whole log
};

// Bytes that become zeros. What they were goes to lost+found/ first.
struct ZeroRange {
  std::string path;
  std::string shown;
  std::int64_t from = 0;  // positions in the file
  std::int64_t to = 0;
  std::string why;
};

// A file that is moved to lost+found/ as a whole, because what is derived from the log is made again.
struct MoveAside {
  std::string path;
  std::string shown;
  std::string why;
};

struct Plan {
  // Why the store cannot be opened by safe steps alone; empty: it can.
  std::vector<std::string> refusals;
  std::vector<ZeroRange> zero;
  std::vector<MoveAside> move;
  bool was_closed_cleanly = false;        // no abort file
  std::int64_t commit_log_file_size = 0;  // as the files prove; 0: no file yet
  std::int64_t log_begin = 0;
  std::int64_t log_end = 0;        // behind the last record, where appending goes on
  std::int64_t walked_from = 0;    // records before it were not looked at (Depth::tail)
  std::int64_t dispatch_from = 0;  // queue units and index entries of records from here on may be missing
  std::int64_t records = 0;        // looked at
  std::int64_t last_store_timestamp = 0;
  std::int64_t bytes_read = 0;

  [[nodiscard]] bool possible() const { return refusals.empty(); }
  [[nodiscard]] bool changes_nothing() const { return zero.empty() && move.empty(); }
};

struct PlanOptions {
  Depth depth = Depth::full;
  std::size_t jobs = 1;
  std::function<bool()> cancelled;
};

// Fails where the store cannot be read or `cancelled` said so; damage is no failure but a refusal in the
// plan.
[[nodiscard]] Result<Plan> make_plan(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                     const PlanOptions& options);

}  // namespace rmq::recovery
