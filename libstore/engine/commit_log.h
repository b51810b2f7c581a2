// The commit log as something to append to: which bytes belong to whom, when others may see them, and when
// they are on disk. Knows files and offsets, nothing of messages. RocketMQ: MappedFileQueue,
// DefaultMappedFile, AllocateMappedFileService, CommitLog.GroupCommitService and FlushRealTimeService.
//
// Threads: reserve() by one thread at a time (the caller's append lock); everything else from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/engine/status.h"
#include "libstore/io/file_system.h"

namespace rmq::engine {

// flushDiskType, and what each promises once a message is acknowledged:
enum class FlushDiskType {
  // It survives the process, however it ends: it lies in a shared map. A power loss may take what was not
  // flushed yet.
  async_flush,
  // It survives a power loss: it was acknowledged after the disk had it.
  sync_flush,
};

struct CommitLogOptions {
  // Absolute; new files take turns (storePathCommitLog with several paths), but for those that are read only.
  std::vector<std::string> directories;
  std::vector<std::string> read_only_directories;
  std::int64_t file_size = 1 << 30;  // mappedFileSizeCommitLog
  FlushDiskType flush = FlushDiskType::async_flush;
};

struct CommitLogFile {
  std::int64_t start = 0;
  std::string path;
};

class CommitLog {
 public:
  // Goes on at `end` with the files that are there, sorted by start and without gaps; everything before `end`
  // counts as durable. Bytes behind `end` in its file must be zeros: recovery has seen to that.
  [[nodiscard]] static Result<std::unique_ptr<CommitLog>> open(io::FileSystem& files,
                                                               CommitLogOptions options,
                                                               std::vector<CommitLogFile> existing,
                                                               std::int64_t end);
  ~CommitLog();
  CommitLog(const CommitLog&) = delete;
  CommitLog& operator=(const CommitLog&) = delete;

  // Bytes to fill, then to complete(). Nobody sees them before, nor anything reserved after them.
  struct Extent {
    std::int64_t offset = 0;
    std::span<std::byte> bytes;
    std::uint64_t ticket = 0;
    std::shared_ptr<void> owner;  // keeps `bytes` valid
  };
  // How many bytes fit behind each other into the file at hand, leaving room for the BLANK that ends it.
  [[nodiscard]] std::int64_t room() const;
  // `size` bytes in one piece. Where they do not fit any more, the file is ended by a BLANK and the next one
  // begun. Fails when the next file cannot be made (disk full: comes right again by itself) or after a failed
  // sync (for good).
  [[nodiscard]] Result<Extent> reserve(std::int64_t size);
  void complete(const Extent& extent);
  // Until everything before `offset` has been completed too. Only then may it be acknowledged: behind a hole
  // nothing is found again after a kill.
  void wait_written(std::int64_t offset) const;

  // [begin, written) can be read; [begin, durable) is on disk.
  [[nodiscard]] std::int64_t begin() const { return begin_.load(std::memory_order_acquire); }
  [[nodiscard]] std::int64_t reserved() const { return reserved_.load(std::memory_order_acquire); }
  [[nodiscard]] std::int64_t written() const { return written_.load(std::memory_order_acquire); }
  [[nodiscard]] std::int64_t durable() const { return durable_.load(std::memory_order_acquire); }

  // Bytes that were written (in sync mode: made durable), from one file. Returns how many there were.
  [[nodiscard]] Result<std::size_t> read(std::int64_t offset, std::span<std::byte> out) const;
  // The bytes at `offset` where they lie in memory, while the log still holds them there; empty otherwise.
  // Valid while `owner` is held, until forget_before(). For the dispatcher, which comes right behind the
  // append.
  struct View {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  };
  [[nodiscard]] View view(std::int64_t offset, std::int64_t limit) const;
  // `size` bytes from one file that read() would give, for as long as one likes: of the file at hand in
  // memory, where they are fewer than `worth_a_file`, and otherwise of the file itself (owner: a ReadFile,
  // `file` its descriptor). Nothing where they are not all there; `file` < 0 and no bytes where they have to
  // be read().
  [[nodiscard]] Result<std::optional<LogPiece>> pin(std::int64_t offset, std::int64_t size,
                                                    std::int64_t worth_a_file) const;
  // Nobody will ask for a view of what lies before `offset`: memory that is on disk is given back.
  void forget_before(std::int64_t offset);

  // Makes everything durable that is written now. Any number of callers: one works, the others find it done.
  [[nodiscard]] Status flush();
  // Until `offset` is durable.
  [[nodiscard]] Status flush_to(std::int64_t offset);

  // What may be removed from the beginning of the log, oldest first: files that are on disk and end at
  // `limit` or below. Never the one at hand.
  [[nodiscard]] std::vector<CommitLogFile> removable_files(std::int64_t limit) const;
  // The log begins at `offset`, where one of its files does: nothing before it is read any more.
  void drop_before(std::int64_t offset);
  // Removes what was dropped, oldest first, so that what a kill leaves has no gap. What could not be removed
  // is tried again with the next call. Returns how many are gone.
  [[nodiscard]] Result<int> remove_dropped();
  // Directories whose disks are nearly full: no new file in them, unless all are.
  void avoid(std::vector<std::string> directories);

  // Work that can be done ahead, in small steps by one thread: makes the next file, takes in the pages that
  // come next. True while there is more to do.
  [[nodiscard]] bool prepare();

  [[nodiscard]] const std::vector<std::string>& directories() const { return options_.directories; }

  // Why nothing can be appended any more; empty while all is well.
  [[nodiscard]] std::optional<Error> failure() const;

 private:
  struct Tail;
  struct Flight {
    std::int64_t end = 0;
    bool done = false;
  };
  struct KnownFile {
    std::string path;
    std::shared_ptr<io::ReadFile> reader;  // opened when first read
  };

  CommitLog(io::FileSystem& files, CommitLogOptions options) : files_(files), options_(std::move(options)) {}

  [[nodiscard]] Status adopt(std::vector<CommitLogFile> existing, std::int64_t end);
  [[nodiscard]] std::string path_of(std::int64_t start);
  [[nodiscard]] Result<std::shared_ptr<Tail>> make_file(std::int64_t start);
  [[nodiscard]] Status roll();
  std::uint64_t take_off(std::int64_t end);
  [[nodiscard]] Status write_pages(std::int64_t from, std::int64_t to);
  [[nodiscard]] Status sync_files(std::int64_t to);
  [[nodiscard]] static bool populate(Tail& tail, std::int64_t used);
  [[nodiscard]] bool zero_tail(Tail& tail, std::int64_t used);
  [[nodiscard]] static bool zero(Tail& tail, std::int64_t up_to, std::int64_t step);
  void fail(const Error& error);
  [[nodiscard]] std::shared_ptr<Tail> tail() const;
  [[nodiscard]] std::int64_t readable() const {
    return options_.flush == FlushDiskType::sync_flush ? durable() : written();
  }
  struct Reader {
    std::int64_t start = 0;
    std::shared_ptr<io::ReadFile> file;  // none: the log does not have it (any more)
  };
  [[nodiscard]] Result<Reader> reader_at(std::int64_t offset) const;

  io::FileSystem& files_;
  CommitLogOptions options_;
  std::atomic<std::int64_t> begin_{0};
  std::atomic<std::int64_t> reserved_{0};
  std::atomic<std::int64_t> written_{0};
  std::atomic<std::int64_t> durable_{0};

  std::mutex making_mutex_;     // held while a file is made
  std::shared_ptr<Tail> next_;  // made ahead
  std::mutex avoid_mutex_;
  std::vector<std::string> avoid_;
  mutable std::mutex tails_mutex_;
  std::shared_ptr<Tail> tail_;  // the file at hand; none in a log without files
  std::deque<std::shared_ptr<Tail>>
      unflushed_;  // files that hold bytes behind `durable`, the tail among them

  std::mutex flights_mutex_;
  std::deque<Flight> flights_;  // reserved and not yet visible, in order
  std::uint64_t first_ticket_ = 0;

  std::mutex flush_mutex_;

  mutable std::mutex failure_mutex_;
  std::optional<Error> failure_;
  std::atomic<bool> failed_{false};

  mutable std::shared_mutex known_mutex_;
  mutable std::map<std::int64_t, KnownFile> known_;  // by start
  std::deque<CommitLogFile> dropped_;                // by start; not removed yet
};

}  // namespace rmq::engine
