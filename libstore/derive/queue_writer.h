// The consume queues of a store, for whoever writes them: the engine with every message, a rebuild with all
// of them. Units go to user memory first, 128 bytes a queue and a small block where there is something to
// write; no mapping is kept for a queue, and a descriptor only for a few that were read last, so tens of
// thousands of them cost what is written to them.
//
// Kinds and order: put() appends; write_out() brings units to their files, oldest first; sync() brings what
// was written to the disk. durable() says up to where in the log all units are there: what a checkpoint may
// claim. At any moment the units in a queue's files are a prefix of the queue without a gap; a process that
// dies leaves them so (of the last unit perhaps a part). A machine that dies may lose any of what was written
// and not yet synced: open with TailBounds::log_end, it comes again from the log.
//
// Threads: one calls put() and advance(). Everything else may be called by any thread at any time,
// write_out() and sync() by several at once. One mutex guards the tails; no file is touched while it is held.
//
// Errors: a write that fails may be tried again (a disk that was full). After a sync that failed, nothing is
// written any more and every call says so. A file that was removed beneath is an error of the next write or
// sync that needs it.
//
// RocketMQ: ConsumeQueue.putMessagePositionInfo, BatchConsumeQueue.putBatchMessagePositionInfo,
// ConsumeQueueStore, FlushConsumeQueueService.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/derive/deleted_topics.h"
#include "libstore/derive/derived_up_to.h"
#include "libstore/derive/dispatch_request.h"
#include "libstore/derive/queue_table.h"
#include "libstore/derive/queue_tail.h"
#include "libstore/derive/read_files.h"
#include "libstore/derive/unit_blocks.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/io/file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::derive {

// What happens when a message's queue offset lies beyond the end of its queue: messages between are missing.
enum class HoleRule {
  refuse,  // the message gets no unit
  // Units as in front of a queue's first (offset 0, size 2147483647) fill the hole, up to one file's worth.
  // For queues that are built aside: RocketMQ must not find one at a queue's end, where a kill between two
  // files can leave it.
  blank,
};

struct QueueWriterOptions {
  std::string simple_directory;  // .../consumequeue
  std::string batch_directory;   // .../batchconsumequeue
  std::int64_t simple_file_size =
      format::kDefaultConsumeQueueFileSize;  // rounded up to whole units, as stock does
  std::int64_t batch_file_size = format::kDefaultBatchConsumeQueueFileSize;
  // Bytes of units in memory. When they are used up, put() writes the oldest out itself, and fails where it
  // cannot.
  std::int64_t memory_limit = 64 << 20;
  // Names come from the log: how many it may make up.
  std::size_t queue_limit = 4'000'000;
  HoleRule holes = HoleRule::refuse;
  // Asked once for each new queue (topic attribute queue.type); nothing: units of this queue are not wanted.
  // Empty: all are, and simple.
  std::function<std::optional<scan::QueueKind>(std::string_view topic, std::int32_t queue_id)> kind_of;
  // Messages that it covers get no units. Looked at by put() alone; must outlive the writer.
  const DeletedTopics* deleted = nullptr;
};

// A message that does not follow its queue's last one, though it lies behind it in the log.
struct QueueHole {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t expected = 0;  // queue offset
  std::int64_t found = 0;
  std::int64_t log_offset = 0;
  bool appended =
      false;  // it has its unit all the same: HoleRule::blank, or a batch queue, whose units may skip offsets
};

struct PutReport {
  std::size_t taken = 0;      // requests done with; where they are fewer than given, `status` says why
  std::int64_t appended = 0;  // units
  std::int64_t already_there =
      0;  // units of messages that end below the queue's last one, dropped as stock does
  std::int64_t unusable =
      0;  // units that no queue can hold: a name that is no directory, a number that is none
  std::vector<QueueHole> holes;
  Status status;
};

struct FlushLimit {
  std::int64_t bytes = 4 << 20;
  std::int32_t files = 256;
};

struct FlushStep {
  std::int64_t bytes = 0;
  std::int32_t files = 0;
  bool more = false;  // there is more to do
};

struct QueueRange {
  bool batch = false;
  std::int64_t first = 0;  // unit numbers, see QueueTail
  std::int64_t end = 0;    // 0, 0 where there is no unit yet
  std::int64_t min_offset = 0;
  std::int64_t next_offset = 0;
  std::int64_t max_physic = -1;
};

class QueueWriter {
 public:
  // `files` must outlive the writer.
  QueueWriter(io::FileSystem& files, QueueWriterOptions options);
  QueueWriter(const QueueWriter&) = delete;
  QueueWriter& operator=(const QueueWriter&) = delete;

  // A queue that is on disk; before the first put(). Fails with wrong_use where a queue is added twice or its
  // files are of another size.
  [[nodiscard]] Status add_queue(std::string_view topic, std::int32_t queue_id, const QueueTail& tail);

  // Every message of the log, in its order, also those that enter no queue. Allocates only for new queues,
  // for memory of units up to its limit, and for holes.
  [[nodiscard]] PutReport put(std::span<const DispatchRequest> requests);
  // All of the log below has been put; before the first put(), and behind the filler of a file's end.
  void advance(DerivedUpTo end);

  // Phase one: units from memory to their files. A file that is new is on disk at once, units and name; it is
  // sparse, and many are made together.
  [[nodiscard]] Result<FlushStep> write_out(const FlushLimit& limit);
  // Phase two: what was written to the disk: a few files one by one, many by a sync of their file system,
  // whatever the limit says.
  [[nodiscard]] Result<FlushStep> sync(const FlushLimit& limit);
  // Both, until all that was put before the call is durable, whatever comes meanwhile.
  [[nodiscard]] Status flush();
  [[nodiscard]] DerivedUpTo durable() const;
  // A sync that failed: nothing is written any more.
  [[nodiscard]] std::optional<Error> failure() const;

  // Of the queue that is there, or that a message would make; nothing: it would get none.
  [[nodiscard]] std::optional<scan::QueueKind> kind_of(std::string_view topic, std::int32_t queue_id) const;
  [[nodiscard]] std::optional<QueueRange> range(std::string_view topic, std::int32_t queue_id) const;
  // Units from number `unit` on, as they lie on disk, as many as there are and fit into `out`; at most up to
  // the end of a file, or of what is in memory. 0 for a unit that is not there. Returns how many.
  [[nodiscard]] Result<std::size_t> read(std::string_view topic, std::int32_t queue_id, std::int64_t unit,
                                         std::span<std::byte> out) const;
  // The unit of a batch queue whose message or batch has `queue_offset`; nothing if there is none.
  [[nodiscard]] Result<std::optional<std::int64_t>> find_batch(std::string_view topic, std::int32_t queue_id,
                                                               std::int64_t queue_offset) const;

  // Retention: units below `first` are gone. Files are the caller's to remove (remove_expired_queue_files).
  void expire(std::string_view topic, std::int32_t queue_id, std::int64_t first, std::int64_t min_offset);
  // The topic was deleted: the queue has no units and no files any more; if it comes again it begins anew.
  // Waits for writes and syncs of it under way. Files are the caller's to remove, afterwards.
  void forget(std::string_view topic, std::int32_t queue_id);

  // Files of the queue that begin below `start` can go: nothing is in them but expired units, and the queue's
  // last one is another. 0: none can just now.
  struct NeededFile {
    std::string directory;
    std::int64_t start = 0;
    std::int64_t file_size = 0;
  };
  [[nodiscard]] NeededFile first_needed_file(std::string_view topic, std::int32_t queue_id) const;
  // Where the files of the queue lie.
  [[nodiscard]] std::string directory_of(std::string_view topic, std::int32_t queue_id) const;

  // All that are known, in no order, but for those that were forgotten.
  struct QueueName {
    std::string topic;
    std::int32_t queue_id = 0;
  };
  [[nodiscard]] std::vector<QueueName> names() const;
  // Where the file lies that has this unit.
  [[nodiscard]] std::string path_of_unit(std::string_view topic, std::int32_t queue_id,
                                         std::int64_t unit) const;

  struct Usage {
    std::size_t queues = 0;
    std::int64_t unit_memory = 0;  // bytes
    std::int64_t unit_memory_limit = 0;
  };
  [[nodiscard]] Usage usage() const;

 private:
  using Lock = std::unique_lock<std::mutex>;

  // One piece of one queue on its way to one file.
  struct WriteJob {
    QueueNumber queue = kNoQueue;
    Waiting since;
    bool rest_waits = false;  // older than what comes from now on
    bool create = false;
    std::int64_t units = 0;
    std::int64_t blanks = 0;  // in front of them
    std::int64_t unit_size = 0;
    std::int64_t position = 0;  // in the file, of the first byte
    std::int64_t file_size = 0;
    std::vector<std::byte> bytes;
    std::string path;
    std::string path_before;  // a file to be synced before a new one appears
  };

  [[nodiscard]] std::int64_t unit_size(const QueueState& state) const;
  [[nodiscard]] std::int64_t file_size(const QueueState& state) const;
  [[nodiscard]] std::int64_t units_in_block(const QueueState& state) const;
  [[nodiscard]] std::string directory_of(const QueueState& state) const;
  [[nodiscard]] std::string path_of(const QueueState& state, std::int64_t file_start) const;

  // queue_writer.cc: appending and reading.
  Status put_one(const DispatchRequest& request, PutReport& report, Lock& lock);
  // kNoQueue where none can have this name, or it is not wanted.
  [[nodiscard]] Result<QueueNumber> queue_for(std::string_view topic, std::int32_t queue_id,
                                              PutReport& report);
  Status append_simple(QueueNumber queue, std::int64_t queue_offset, const DispatchRequest& request,
                       PutReport& report, Lock& lock);
  Status append_batch(QueueNumber queue, const DispatchRequest& request, PutReport& report, Lock& lock);
  void settle_kind(QueueState& state) const;
  [[nodiscard]] bool begin_simple(QueueState& state, std::int64_t first) const;
  void report_hole(const QueueState& state, std::int64_t found, const DispatchRequest& request, bool appended,
                   PutReport& report) const;
  // Sees to it that there is room for `units` more; may let go of the lock for a while.
  Status reserve(QueueNumber queue, std::int64_t units, Lock& lock);
  [[nodiscard]] std::size_t blocks_missing(const QueueState& state, std::int64_t units) const;
  // Room for one unit, which reserve() has seen to.
  [[nodiscard]] std::byte* add_unit(QueueNumber queue, const DispatchRequest& request);
  struct Place {
    BlockNumber block = kNoBlock;
    std::int64_t index = 0;
  };
  [[nodiscard]] Place place_of(const QueueState& state, std::int64_t unit) const;
  // Copies units [unit, unit + count), which are in memory.
  void copy_units(const QueueState& state, std::int64_t unit, std::int64_t count, std::byte* out) const;

  // queue_flush.cc: to files and to the disk.
  [[nodiscard]] std::optional<WriteJob> take_dirty(std::int64_t most_bytes);
  [[nodiscard]] Status write_to_file(const WriteJob& job);
  [[nodiscard]] std::vector<Status> create_files(std::span<const WriteJob> jobs);
  [[nodiscard]] bool many_unsynced() const;
  [[nodiscard]] Result<FlushStep> sync_together(Lock& lock);
  void finish(const WriteJob& job, bool written);
  void drop_units(QueueState& state, std::int64_t units);
  [[nodiscard]] Status sync_file(const std::string& path);
  [[nodiscard]] Status note_failure(Status synced);
  void under_way(const Waiting& since);
  void arrived(const Waiting& since);
  [[nodiscard]] DerivedUpTo settled() const;

  io::FileSystem& files_;
  QueueWriterOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // a write or a sync has ended
  QueueTable queues_;
  UnitBlocks blocks_;
  mutable ReadFiles read_files_;
  QueueLine<&QueueState::dirty> dirty_{queues_};
  QueueLine<&QueueState::unsynced> unsynced_{queues_};
  std::vector<Waiting> under_way_;  // what threads in write_out() and sync() hold just now
  DerivedUpTo put_;                 // everything below has been put
  std::optional<Error> failed_;     // a sync failed: what is on disk is unknown for good
  DerivedUpTo durable_when_failed_;
};

}  // namespace rmq::derive
