// What a store needs before it can be written to again, found out without changing it: survey -> plan ->
// apply (apply.h). One place for the engine's start and for rmq-repair. A start applies only steps that
// cannot lose a message; where more is needed the plan says so, and nothing is done. RocketMQ:
// CommitLog.recoverNormally and recoverAbnormally, ConsumeQueue.recover, truncateDirtyFiles,
// IndexService.load.
//
// Queues and index are cut back to what the log proves, and the caller makes the rest again by dispatching
// the log from Plan::dispatch_from on (QueueWriter and IndexWriter leave out what is there).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/derive/dispatch_request.h"
#include "libstore/io/read_file_system.h"
#include "libstore/recovery/bridge.h"
#include "libstore/scan/store_survey.h"

namespace rmq::recovery {

enum class Depth {
  tail,  // from where the checkpoint says that everything before is on disk
  full,  // the whole log, all of its queues and index files
};

// One change of one file. Positions are bytes in the file. Paths are those at the time of the step: steps are
// carried out in their order.
struct Step {
  enum class Kind {
    rename,     // the file gets the name `target`
    set_aside,  // the file moves to lost+found
    make,       // a new file of `to` bytes; the first ones are those of the file `source`, if there is one
    write,      // [from, to) become `bytes`
    copy,       // [from, to) become those of the file `source`, from `source_from` on
    replace,    // the whole file becomes `bytes`; it is made where there is none
    bridge,     // [from, to) become `records`, so that a reader walks across
    zero,       // [from, to) become zeros
  };
  Kind kind = Kind::zero;
  std::string path;
  std::string shown;
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::string target;
  std::string source;
  std::int64_t source_from = 0;
  std::vector<std::byte> bytes;
  std::vector<BridgeRecord> records;
  std::int64_t modified_ms = 0;  // make, bridge: of the file afterwards; 0: as it comes
  // CRC-32 of what [from, to) was, where bytes change: apply() refuses a file that is another by then.
  std::optional<std::uint32_t> crc_before;
  std::string why;
};
[[nodiscard]] std::string_view to_string(Step::Kind kind);

// Messages of this queue that begin below `log_offset` are history (a topic that was deleted, or deleted and
// created again): they must not come back when the log is dispatched.
struct QueueFloor {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t log_offset = 0;
};

// A message whose bytes are gone, and what stands in its slot now.
struct LostMessage {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
  std::int64_t log_offset = 0;  // of the placeholder
};

// What a queue holds when the plan has been carried out.
struct QueueOutcome {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t min_offset = 0;    // queue offsets
  std::int64_t max_offset = 0;    // behind the last one
  std::int64_t readable = 0;      // of those between, how many lead to a record; placeholders are among them
  std::int64_t placeholders = 0;  // messages that they stand for
  std::int64_t found = 0;         // of the readable: no right unit leads to them now
  std::int64_t was_max = 0;       // behind the last unit that is used now
};

struct Plan {
  // Why the store cannot be opened by safe steps alone; empty: it can.
  std::vector<std::string> refusals;
  std::vector<Step> steps;
  std::vector<std::int64_t> mended;  // log offsets of records that are whole again
  std::vector<LostMessage> placeholders;
  std::vector<std::int64_t> lost;         // log offsets that units of lost messages tell, at most a million
  std::vector<QueueOutcome> queues;       // Depth::full only: of every queue that has a unit or a record
  std::int64_t units_behind = 0;          // queue units that led behind the log's end: its messages are lost
  bool was_closed_cleanly = false;        // no abort file
  std::int64_t commit_log_file_size = 0;  // as the files prove; 0: no file yet
  std::int64_t log_begin = 0;
  std::int64_t log_end = 0;      // behind the last record, where appending goes on
  std::int64_t stock_end = 0;    // where stock says that it ends: in front of a BLANK with no file behind it
  std::int64_t walked_from = 0;  // records before it were not looked at (Depth::tail)
  // Queue units and index entries of records from here on may be missing, or may not be on disk.
  std::int64_t dispatch_from = 0;
  std::vector<QueueFloor> floors;      // sorted
  std::set<std::string> batch_topics;  // whose queues are batch queues, also where none is there
  derive::DispatchRules rules;
  std::int64_t records = 0;  // looked at
  std::int64_t last_store_timestamp = 0;
  std::int64_t bytes_read = 0;

  [[nodiscard]] bool possible() const { return refusals.empty(); }
  [[nodiscard]] bool changes_nothing() const { return steps.empty(); }
  // QueueFloor::log_offset of the queue; 0 where it has none.
  [[nodiscard]] std::int64_t floor_of(std::string_view topic, std::int32_t queue_id) const;
};

// Takes every record that counts while the log is walked: whoever needs all of them reads the log once.
class RecordTap {
 public:
  virtual ~RecordTap() = default;
  // `request` borrows from the record's bytes. In the order of the log within a part.
  virtual void take(const derive::DispatchRequest& request) = 0;
};

class RecordTaps {
 public:
  virtual ~RecordTaps() = default;
  // Before a walk, which may come more than once: `known` has the rules and the batch topics.
  virtual void begin(const Plan& known, std::size_t parts) = 0;
  // Called by one thread for a part of the log from its first record to its last, and then end_part. A thread
  // is at one part at a time; parts come in any order.
  [[nodiscard]] virtual RecordTap& begin_part(std::size_t worker, std::size_t part, std::int64_t start) = 0;
  virtual void end_part(std::size_t worker) = 0;
};

struct PlanOptions {
  Depth depth = Depth::full;
  std::size_t jobs = 1;
  bool judge_index = true;  // false: index files are neither looked at nor changed
  RecordTaps* taps = nullptr;
  std::function<bool()> cancelled;
  std::atomic<std::int64_t>* progress = nullptr;  // bytes of the log, each time that it is walked
  // The log is to end here, or before it where no record ends here: what lies behind goes. Depth::full.
  std::optional<std::int64_t> cut_at;
};

// Fails where the store cannot be read or `cancelled` said so; damage is no failure but a step or a refusal
// in the plan.
[[nodiscard]] Result<Plan> make_plan(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                     const PlanOptions& options);

// What Step::crc_before holds: of the bytes [from, to) that the file has.
[[nodiscard]] Result<std::uint32_t> crc_of_range(const io::ReadFileSystem& files, const std::string& path,
                                                 std::int64_t from, std::int64_t to);

}  // namespace rmq::recovery
