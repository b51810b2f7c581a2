// A RocketMQ store to write to and read from: the front door of the engine. RocketMQ: DefaultMessageStore.
//
//   auto store = MessageStore::open(io::posix_file_system(), options);
//   const PutResult put = (*store)->put(message);
//   const GetResult got = (*store)->get("Orders", 0, put.queue_offset, {.max_messages = 32});
//   (*store)->close();
//
// Threads: every function from any thread, but open and close. A message that put() acknowledged can be got
// at once, by any thread. What an acknowledgement promises is said at FlushDiskType.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/derive/deleted_topics.h"
#include "libstore/derive/dispatch_request.h"
#include "libstore/derive/index_writer.h"
#include "libstore/derive/queue_writer.h"
#include "libstore/engine/arrivals.h"
#include "libstore/engine/clock.h"
#include "libstore/engine/commit_log.h"
#include "libstore/engine/put_properties.h"
#include "libstore/engine/retention.h"
#include "libstore/engine/status.h"
#include "libstore/engine/store_statistics.h"
#include "libstore/engine/waiting_puts.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/index_file.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/format/tags_code.h"
#include "libstore/io/file_system.h"
#include "libstore/recovery/plan.h"
#include "libstore/scan/index_geometry.h"
#include "libstore/scan/store_config.h"
#include "libstore/scan/store_survey.h"

namespace rmq::engine {

struct StoreOptions {
  // Where the parts lie. File sizes given here hold for a new store; an existing store's own sizes win.
  scan::StoreConfig config;
  FlushDiskType flush = FlushDiskType::async_flush;
  recovery::Depth check = recovery::Depth::tail;  // of recovery, when the store is opened
  std::int32_t max_message_size = 4 << 20;  // maxMessageSize: of the body; 64 KiB more for all of the record
  std::int64_t flush_interval_ms = 500;     // flushIntervalCommitLog, async flush
  std::int64_t queue_flush_interval_ms = 1000;  // flushIntervalConsumeQueue
  ArrivalListener arriving;                     // empty: nobody waits
  // What a topic's new queues are (its attribute queue.type); called by any thread that puts, also while the
  // store holds locks. Empty: as
  // topics.json had it when the store was opened.
  std::function<scan::QueueKind(std::string_view topic)> kind_of;
  // Nothing: no file is ever removed, and the disks are not looked at.
  std::optional<RetentionOptions> retention;
  // Without threads of its own, for tests that decide what happens when: work() does a round of everything.
  bool background = true;
  std::size_t jobs = 2;  // threads of recovery
  // The store's, where the caller has taken it already.
  std::shared_ptr<io::FileLock> lock;
  // Makes recovery's plan instead of recovery::make_plan, when the lock is held and nothing has been written;
  // the store is not opened where it fails.
  std::function<Result<recovery::Plan>(const scan::StoreSurvey& survey, const recovery::PlanOptions& options)>
      planner;
  // The file system keeps what recovery changes (recovery::UndoJournal), or nobody needs it: no lost+found.
  bool files_keep = false;
  const Clock* clock = &system_clock();
};

// How much one get gives; one message is always given.
struct TransferLimit {
  std::int32_t messages = std::numeric_limits<std::int32_t>::max();
  std::int64_t bytes = std::numeric_limits<std::int64_t>::max();
};

struct GetOptions {
  std::int32_t max_messages = 32;
  std::int64_t max_bytes = 4 << 20;
  // Limits beside those, by how far behind the log's end a message lies: stock guesses that what is within
  // `in_memory_bytes` of it comes from memory.
  std::int64_t in_memory_bytes = std::numeric_limits<std::int64_t>::max();
  TransferLimit in_memory = {};  // maxTransferCountOnMessageInMemory, maxTransferBytesOnMessageInMemory
  TransferLimit on_disk = {};    // ...InDisk
  // Asked with the tags code of the queue's unit; empty takes all.
  std::function<bool(std::int64_t tags_code)> wants = {};
};

// When put_async() answers.
enum class Acknowledge {
  when_promised,  // what flushDiskType says
  when_placed,    // at once; with sync flush a power loss may take it (WAIT=false)
};

// Which of the messages around a time is meant. Asked for 20 where messages have the times 10, 10, 30, 30:
enum class TimeBoundary {
  lower,  // the third: the first one stored then or later; the queue's end where there is none
  upper,  // the second: the last one stored then or earlier; the queue's beginning where there is none
};

// Which messages with a key query() is to find: stored in [since_ms, until_ms], at most `most`.
struct QueryOptions {
  std::size_t most = 64;  // maxMsgsNumBatch
  std::int64_t since_ms = 0;
  std::int64_t until_ms = std::numeric_limits<std::int64_t>::max();
};

// What a round of clean() removed.
struct CleanReport {
  int log_files = 0;
  int queue_files = 0;
  int index_files = 0;
};

// What opening found and did.
struct OpenReport {
  scan::StoreSurvey survey;  // what was there, once the plan was carried out
  recovery::Plan plan;
  double seconds = 0;
};

class MessageStore {
 public:
  // Takes the store's lock, recovers, leaves an abort file. A store that needs more than steps that cannot
  // lose anything is refused with wrong_use, and the context says what is wrong and what mends it. A
  // directory that does not exist is made.
  [[nodiscard]] static Result<std::unique_ptr<MessageStore>> open(io::FileSystem& files,
                                                                  StoreOptions options);
  ~MessageStore();  // without close() the store is left as after a kill
  MessageStore(const MessageStore&) = delete;
  MessageStore& operator=(const MessageStore&) = delete;

  // Queue offset, log offset, store time, CRC and record version are the store's to give; everything else is
  // taken from the message as it is, but that an inner batch gets INNER_BASE, and a message with
  // INNER_MULTI_DISPATCH gets INNER_MULTI_QUEUE_OFFSET and loses WAIT (enableMultiDispatch, enableLmq and
  // maxLmqConsumeQueueNum of StoreConfig::keys). Refused as message_illegal is what stock stores and then
  // makes no queue of, or the wrong one: names that no directory can have, inner batches for simple queues,
  // and multi-dispatches to LMQ queues and others at once. With sync flush back when it is on disk.
  [[nodiscard]] PutResult put(const format::MessageView& message);
  // In order and without others between them, as long as they fit into one commit log file. `results` is as
  // long.
  void put(std::span<const format::MessageView> messages, std::span<PutResult> results);
  // The same without waiting for the disk. `done` is called when flushDiskType's promise holds: with async
  // flush before this returns, with sync flush by the store's flusher, which it must not keep waiting. Puts
  // that one thread made are answered in order.
  void put_async(std::span<const format::MessageView> messages, PutDone done);
  // Many puts at once, each for itself: one is messages [ends[i - 1], ends[i]), and one that is refused does
  // not hold up the others. Results come for all messages, refused ones too.
  void put_async(std::span<const format::MessageView> messages, std::span<const std::size_t> ends,
                 Acknowledge when, PutDone done);

  // Fails only where reading does.
  [[nodiscard]] Result<GetResult> get(std::string_view topic, std::int32_t queue_id,
                                      std::int64_t queue_offset, const GetOptions& options = {});
  // The same without copying what need not be: pieces of 16 KiB and more that lie together are given as parts
  // of a file, others in memory.
  [[nodiscard]] Result<GetView> view(std::string_view topic, std::int32_t queue_id, std::int64_t queue_offset,
                                     const GetOptions& options = {});
  // The record that begins at `log_offset`; empty where none does.
  [[nodiscard]] Result<std::vector<std::byte>> look_up(std::int64_t log_offset) const;
  // The same where it lies; nothing where none does.
  [[nodiscard]] Result<std::optional<LogPiece>> pin(std::int64_t log_offset) const;
  // Units of the queue from this offset on, at most `most` and one file's; a batch queue's say what they are
  // of.
  [[nodiscard]] Result<std::vector<QueueUnit>> units(std::string_view topic, std::int32_t queue_id,
                                                     std::int64_t queue_offset, std::int64_t most);
  // Up to where messages can be found by their keys.
  [[nodiscard]] derive::DerivedUpTo indexed_up_to() const;
  // Messages with this key (UNIQ_KEY, or one of KEYS), newest first: where they lie in the log.
  [[nodiscard]] Result<std::vector<std::int64_t>> query(std::string_view topic, std::string_view key,
                                                        const QueryOptions& options = {});
  // When the oldest message of the log was stored; nothing where there is none.
  [[nodiscard]] Result<std::optional<std::int64_t>> earliest_store_time() const;
  // When this message was stored; nothing where it is not there.
  [[nodiscard]] Result<std::optional<std::int64_t>> store_time(std::string_view topic, std::int32_t queue_id,
                                                               std::int64_t queue_offset);
  // The queue offset of the message that `boundary` says; 0 where there is no such queue. Store times do not
  // go back within a queue.
  [[nodiscard]] Result<std::int64_t> offset_by_time(std::string_view topic, std::int32_t queue_id,
                                                    std::int64_t store_timestamp,
                                                    TimeBoundary boundary = TimeBoundary::lower);
  [[nodiscard]] std::optional<std::int64_t> min_offset(std::string_view topic, std::int32_t queue_id) const;
  [[nodiscard]] std::optional<std::int64_t> max_offset(std::string_view topic, std::int32_t queue_id) const;

  // Bytes of the log that are in no queue yet.
  [[nodiscard]] std::int64_t dispatch_behind() const;
  [[nodiscard]] StoreStatistics statistics();

  // Everything that was acknowledged is on disk: log, queues, index, checkpoint.
  [[nodiscard]] Status flush();
  // Finishes what is under way, flushes, and removes the abort file: the next start has nothing to recover.
  [[nodiscard]] Status close();

  // One round of what the threads of a store with `background` do, without clean().
  [[nodiscard]] Status work();

  // One round of clean-up, as StoreOptions::retention says: looks at the disks, removes expired log files and
  // the queue and index files that lead nowhere then. A queue's smallest offset is raised before its messages
  // go. What cannot be removed is an error, and is tried again with the next round.
  [[nodiscard]] Result<CleanReport> clean();
  // The next 20 rounds remove files whose time is up, whatever the hour (DELETE_EXPIRED_COMMITLOG).
  void delete_expired_files();
  // Their queues are gone, files and all. Their messages stay in the log and never come back into queues, not
  // after a kill either (derive::DeletedTopics); a topic that is put to again begins at 0. Returns how many
  // there were. An error while files are removed leaves the topics deleted, and clean() goes on with it.
  [[nodiscard]] Result<int> delete_topics(std::span<const std::string> topics);
  // All but these, system topics and LMQ queues (CLEAN_UNUSED_TOPIC).
  [[nodiscard]] Result<int> delete_unused_topics(std::span<const std::string> retained);
  // Queues of which the log has no message any more begin anew at 0 (CLEAN_EXPIRED_CONSUMEQUEUE). Returns how
  // many there were.
  [[nodiscard]] Result<int> delete_expired_queues();
  // Why puts are refused just now; empty: they are not. A full disk heals by itself.
  [[nodiscard]] std::string why_not_writable() const;

  [[nodiscard]] FlushDiskType flush_disk_type() const { return options_.flush; }
  [[nodiscard]] const OpenReport& report() const { return report_; }
  [[nodiscard]] const CommitLog& log() const { return *log_; }

 private:
  struct QueueKey {
    std::string topic;
    std::int32_t queue_id = 0;
  };
  struct QueueKeyView {
    std::string_view topic;
    std::int32_t queue_id = 0;
  };
  struct QueueKeyHash {
    using is_transparent = void;
    std::size_t operator()(const QueueKeyView& key) const;
    std::size_t operator()(const QueueKey& key) const {
      return (*this)(QueueKeyView{key.topic, key.queue_id});
    }
  };
  struct QueueKeyEqual {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return a.queue_id == b.queue_id && std::string_view(a.topic) == std::string_view(b.topic);
    }
  };

  // What the append lock guards of a queue.
  struct QueueEnd {
    std::int64_t next_offset = 0;
    std::int64_t messages = 0;  // put since the store was opened
    std::int64_t bytes = 0;
  };
  // A message as it will be written. What the first thread finds out alone, then what queue offsets decide.
  struct Prepared {
    std::int32_t size = 0;
    std::int32_t crc = 0;
    std::int32_t count = 1;  // queue offsets that it takes
    std::int8_t version = 1;
    bool enters_queue = true;
    bool inner_batch = false;
    std::string_view multi_dispatch;  // INNER_MULTI_DISPATCH, where it applies
    std::string properties;           // where they are not the message's own
    [[nodiscard]] bool needs_offsets() const { return inner_batch || !multi_dispatch.empty(); }
  };
  struct PutScratch;
  struct TimedUnit {
    std::int64_t queue_offset = 0;
    std::int64_t store_timestamp = 0;
  };

  MessageStore(io::FileSystem& files, StoreOptions options);
  [[nodiscard]] Status start();
  [[nodiscard]] Result<scan::StoreSurvey> survey();
  [[nodiscard]] Status plan_recovery(const scan::StoreSurvey& survey);
  [[nodiscard]] Status open_log(const scan::StoreSurvey& survey);
  [[nodiscard]] Status open_queues(const scan::StoreSurvey& survey);
  [[nodiscard]] Status open_index(const scan::StoreSurvey& survey);
  [[nodiscard]] Status open_checkpoint();
  void prepare_puts(std::span<const format::MessageView> messages, std::span<const std::size_t> ends,
                    std::span<PutResult> results) const;
  void reserve_puts(std::span<const format::MessageView> messages, std::span<const std::size_t> ends,
                    std::span<PutResult> results);
  [[nodiscard]] std::int64_t place(std::span<const format::MessageView> messages,
                                   std::span<const std::size_t> ends, std::span<PutResult> results);
  void dispatch_in_line();
  void count_put(std::chrono::steady_clock::time_point began, std::span<const PutResult> results);
  // What was put by now is dispatched when this returns; the caller holds no lock.
  [[nodiscard]] Status catch_up();
  [[nodiscard]] Status dispatch_locked(std::int64_t to, Arrivals& arrivals);
  // A piece of the log, read for dispatch.
  struct Block {
    std::int64_t end = 0;
    std::int64_t newest = 0;  // store time
    CommitLog::View view;     // what requests_ borrows from
  };
  [[nodiscard]] Result<Block> read_block(std::int64_t from, std::int64_t to);
  [[nodiscard]] Status put_keys();
  struct Wanted;  // a message that a queue's unit leads to
  [[nodiscard]] Result<GetHeader> find(std::string_view topic, std::int32_t queue_id,
                                       std::int64_t queue_offset, const GetOptions& options,
                                       std::vector<Wanted>& wanted);
  [[nodiscard]] Status read_messages(std::span<const Wanted> wanted, GetResult& result) const;
  [[nodiscard]] Status pin_messages(std::span<const Wanted> wanted, GetView& result) const;
  [[nodiscard]] Result<std::size_t> pin_run(std::span<const Wanted> wanted, GetView& result) const;
  void note_problems(const derive::PutReport& report);
  [[nodiscard]] Status flush_log();
  [[nodiscard]] Status flush_derived();
  [[nodiscard]] Status save_checkpoint();
  [[nodiscard]] static PutScratch& scratch();
  [[nodiscard]] PutStatus prepare(const format::MessageView& message, Prepared& prepared) const;
  [[nodiscard]] PutStatus prepare_offsets(const format::MessageView& message, Prepared& prepared) const;
  [[nodiscard]] PutStatus write_offsets(const format::MessageView& message, Prepared& prepared);
  [[nodiscard]] PutStatus measure(const format::MessageView& message, Prepared& prepared) const;
  void take_offsets(const format::MessageView& message, const Prepared& prepared, PutResult& result);
  [[nodiscard]] QueueEnd& queue_end(std::string_view topic, std::int32_t queue_id);
  [[nodiscard]] Result<std::optional<std::int64_t>> store_time_at(std::int64_t log_offset) const;
  [[nodiscard]] Result<std::optional<TimedUnit>> timed_unit(std::string_view topic, std::int32_t queue_id,
                                                            bool batch, std::int64_t unit) const;
  [[nodiscard]] std::int64_t visible() const;
  [[nodiscard]] DiskJudgement look_at_disks();
  [[nodiscard]] std::int64_t expired_up_to(bool regardless_of_age);
  void forget_queue(const derive::QueueWriter::QueueName& name);
  [[nodiscard]] Status remove_forgotten();
  [[nodiscard]] Status load_deleted_topics();
  void stop_threads();
  void run_preparer();
  void run_committer();
  void run_flusher();
  void run_keeper();
  [[nodiscard]] bool wait_for_work(std::int64_t milliseconds);

  io::FileSystem& files_;
  StoreOptions options_;
  std::string root_;
  OpenReport report_;
  std::shared_ptr<io::FileLock> lock_;
  std::unique_ptr<CommitLog> log_;
  derive::DispatchRules rules_;
  derive::DispatchRules
      put_rules_;  // as configured; a store with LMQ queues is dispatched by them in any case
  std::unique_ptr<derive::QueueWriter> queues_;
  std::unique_ptr<derive::IndexWriter> index_;  // none: messageIndexEnable=false
  std::string index_directory_;
  scan::IndexGeometry index_geometry_;
  std::mutex derived_mutex_;  // one flushes queues and index at a time
  std::mutex checkpoint_mutex_;
  std::unique_ptr<io::WriteFile> checkpoint_file_;
  format::StoreCheckpoint checkpoint_;

  std::mutex append_mutex_;  // reservations, queue offsets, store time
  std::unordered_map<QueueKey, QueueEnd, QueueKeyHash, QueueKeyEqual> queue_ends_;
  std::int64_t messages_put_ = 0;  // those of queues that are not in queue_ends_ any more, too
  std::int64_t bytes_put_ = 0;
  std::int64_t lmq_queues_ = 0;
  std::int64_t max_lmq_queues_ = 20'000;  // maxLmqConsumeQueueNum
  std::int64_t last_store_timestamp_ = 0;
  std::atomic<bool> opened_{false};
  std::atomic<bool> closed_{false};
  std::atomic<bool> disk_full_{false};    // as retention sees it
  std::atomic<bool> sync_failed_{false};  // of queues or index

  mutable std::mutex dispatch_mutex_;
  std::atomic<std::int64_t> dispatched_{0};  // in queues
  std::atomic<std::int64_t> indexed_{0};
  std::atomic<std::int64_t> dispatched_timestamp_{0};
  std::vector<std::byte> read_buffer_;
  std::vector<derive::DispatchRequest> requests_;
  format::StorePropertiesReader properties_;
  derive::IndexBatch keys_;
  derive::DeletedTopics deleted_;
  std::int64_t undispatched_ = 0;
  std::vector<derive::QueueHole> holes_;  // the first of them
  StoreCounters counters_;

  std::mutex clean_mutex_;  // taken before dispatch_mutex_, and that before append_mutex_
  std::vector<int> delete_hours_;
  std::atomic<int> manual_rounds_{0};
  std::int64_t queues_begin_at_ = -1;  // where the log began when queue files were last removed
  bool queue_files_left_ = false;
  std::vector<std::string> forgotten_directories_;  // to be removed
  std::string queue_directory_;
  std::string deleted_path_;

  std::mutex work_mutex_;
  std::condition_variable work_wanted_;
  bool stopping_ = false;
  WaitingPuts waiting_;
  std::thread committer_;  // sync flush only
  std::thread preparer_;
  std::thread flusher_;
  std::thread keeper_;
};

}  // namespace rmq::engine
