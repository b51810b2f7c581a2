#include "libstore/engine/commit_log.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include "libstore/format/commit_log_record.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/io/anonymous_memory.h"

namespace rmq::engine {
namespace {

constexpr std::int64_t kPage = 4096;
constexpr std::int64_t kLargestWrite = 4 << 20;   // of one durable write
constexpr std::int64_t kPrepareAhead = 64 << 20;  // made ready before the appenders come
constexpr std::int64_t kPopulateStep = 1 << 20;
constexpr std::int64_t kPopulateStepInLine = 256 << 10;  // a put waits for it
constexpr std::int64_t kZeroStep = 1 << 20;
constexpr int kUnsyncedFiles =
    2;  // that a killed process may leave behind: one fills up within a flush's interval
constexpr std::int64_t kZeroStepBesideFlush = 256 << 10;  // flushes wait for it
constexpr std::int64_t kReleaseStep = 8 << 20;            // memory is given back in such pieces
// Sync flush. What was appended last is read from memory, so that large groups can be written past the page
// cache: bringing fresh pages into it takes longer than the disk does.
constexpr std::int64_t kKeptMemory = 64 << 20;
constexpr std::int64_t kLargeGroup = 256 << 10;

std::int64_t page_floor(std::int64_t at) { return at / kPage * kPage; }

}  // namespace

// A file that is being appended to. Async flush: its bytes are a shared map. Sync flush: they are private
// memory, and only flush() writes the file, so that no page is ever dirty but by it.
struct CommitLog::Tail {
  std::int64_t start = 0;
  std::string path;
  std::shared_ptr<io::WriteFile> file;
  std::unique_ptr<io::WriteMap> map;
  std::optional<io::AnonymousMemory> memory;
  std::span<std::byte> bytes;
  // Async flush: bytes below are the appenders' to fill; behind, make_ready() may be writing zeros.
  std::atomic<std::int64_t> ready{0};
  std::mutex ready_mutex;
  std::int64_t zeroed = 0;    // by prepare(); sync flush
  std::int64_t released = 0;  // by forget_before(), which takes memory_mutex for it
  std::shared_mutex memory_mutex;
  std::atomic<std::int64_t> past_cache{
      0};  // in the file: where the last group ends that went past the page cache

  bool make_ready(std::int64_t up_to, std::int64_t step);
  void make_ready_up_to(std::int64_t up_to);
  // Sync flush: log bytes from `offset` on as far as `out` and `limit` go, where they are still in memory.
  [[nodiscard]] std::optional<std::size_t> read_memory(std::int64_t offset, std::int64_t limit,
                                                       std::span<std::byte> out);
  // Among files that are being appended to.
  [[nodiscard]] static std::shared_ptr<Tail> with(const std::deque<std::shared_ptr<Tail>>& tails,
                                                  std::int64_t offset) {
    for (const auto& tail : tails) {
      if (offset >= tail->start && offset < tail->end()) return tail;
    }
    return nullptr;
  }

  [[nodiscard]] std::int64_t end() const { return start + static_cast<std::int64_t>(bytes.size()); }
  [[nodiscard]] std::span<std::byte> at(std::int64_t offset, std::int64_t size) const {
    return bytes.subspan(static_cast<std::size_t>(offset - start), static_cast<std::size_t>(size));
  }

  [[nodiscard]] static Result<std::shared_ptr<Tail>> over(std::shared_ptr<io::WriteFile> file,
                                                          std::int64_t start, std::string path,
                                                          FlushDiskType flush) {
    auto tail = std::make_shared<Tail>();
    tail->start = start;
    tail->path = std::move(path);
    tail->file = std::move(file);
    if (flush == FlushDiskType::async_flush) {
      RMQ_TRY(map, tail->file->map(0, tail->file->size()));
      tail->map = std::move(map);
      tail->bytes = tail->map->bytes();
    } else {
      RMQ_TRY(memory, io::AnonymousMemory::reserve(static_cast<std::size_t>(tail->file->size())));
      tail->memory = std::move(memory);
      tail->bytes = tail->memory->bytes();
    }
    return tail;
  }
};

Result<std::unique_ptr<CommitLog>> CommitLog::open(io::FileSystem& files, CommitLogOptions options,
                                                   std::vector<CommitLogFile> existing, std::int64_t end) {
  std::unique_ptr<CommitLog> log(new CommitLog(files, std::move(options)));
  RMQ_CHECK(log->adopt(std::move(existing), end));
  return log;
}

CommitLog::~CommitLog() = default;

Status CommitLog::adopt(std::vector<CommitLogFile> existing, std::int64_t end) {
  begin_ = existing.empty() ? end : existing.front().start;
  reserved_ = written_ = durable_ = end;
  for (CommitLogFile& file : existing) known_[file.start].path = std::move(file.path);
  const auto behind = known_.upper_bound(end);
  if (behind == known_.begin()) return {};
  // A process that was killed has left bytes that are on no disk yet, and flush() only looks at what comes
  // now.
  auto file_to_sync = behind;
  for (int files = 0; files < kUnsyncedFiles && file_to_sync != known_.begin(); ++files) {
    --file_to_sync;
    RMQ_TRY(file, files_.open_for_write(file_to_sync->second.path));
    RMQ_CHECK(file->sync());
  }
  const auto& [start, known] = *std::prev(behind);
  if (end >= start + options_.file_size) return {};  // exactly at the end of the last file
  RMQ_TRY(file, files_.open_for_write(known.path));
  RMQ_TRY(tail, Tail::over(std::move(file), start, known.path, options_.flush));
  if (tail->memory) {
    const std::int64_t page = page_floor(end - start);
    RMQ_TRY(got, tail->file->read_at(page, tail->at(start + page, end - start - page)));
    if (static_cast<std::int64_t>(got) < end - start - page)
      return wrong_use(known.path + " is shorter than the log");
    tail->released = page;
  }
  tail->ready = std::min(page_floor(end - start + kPage - 1), std::ssize(tail->bytes));
  tail_ = tail;
  unflushed_.push_back(tail);
  return {};
}

// MultiPathMappedFileQueue.tryCreateMappedFile.
std::string CommitLog::path_of(std::int64_t start) {
  std::vector<std::string> directories = options_.directories;
  const auto leave_out = [&](const std::vector<std::string>& some) {
    std::vector<std::string> others;
    std::ranges::copy_if(directories, std::back_inserter(others), [&](const std::string& directory) {
      return std::ranges::find(some, directory) == some.end();
    });
    if (!others.empty()) directories = std::move(others);
  };
  leave_out(options_.read_only_directories);
  {
    const std::lock_guard lock(avoid_mutex_);
    leave_out(avoid_);
  }
  std::ranges::sort(directories);
  const auto turn = static_cast<std::size_t>(start / options_.file_size) % directories.size();
  return io::join_path(directories[turn], format::mapped_file_name(start));
}

void CommitLog::avoid(std::vector<std::string> directories) {
  const std::lock_guard lock(avoid_mutex_);
  avoid_ = std::move(directories);
}

std::vector<CommitLogFile> CommitLog::removable_files(std::int64_t limit) const {
  std::vector<CommitLogFile> files;
  const auto at_hand = tail();
  if (!at_hand) return files;
  limit = std::min({limit, durable(), at_hand->start});
  const std::shared_lock lock(known_mutex_);
  for (const auto& [start, known] : known_) {
    if (start + options_.file_size > limit) break;
    files.push_back({start, known.path});
  }
  return files;
}

void CommitLog::drop_before(std::int64_t offset) {
  const std::unique_lock lock(known_mutex_);
  begin_.store(std::max(begin(), offset), std::memory_order_release);
  while (!known_.empty() && known_.begin()->first < offset) {
    dropped_.push_back({known_.begin()->first, known_.begin()->second.path});
    known_.erase(known_.begin());
  }
}

Result<int> CommitLog::remove_dropped() {
  int removed = 0;
  for (;; ++removed) {
    std::string path;
    {
      const std::shared_lock lock(known_mutex_);
      if (dropped_.empty()) return removed;
      path = dropped_.front().path;
    }
    if (const Status gone = files_.remove(path); !gone && gone.error().code != ErrorCode::not_found)
      return gone.error();
    const std::unique_lock lock(known_mutex_);
    dropped_.pop_front();
  }
}

Result<std::shared_ptr<CommitLog::Tail>> CommitLog::make_file(std::int64_t start) {
  const std::string path = path_of(start);
  const std::shared_lock lock(known_mutex_);
  // An empty file that was made ahead before the store was opened.
  if (const auto known = known_.find(start); known != known_.end()) {
    RMQ_TRY(file, files_.open_for_write(known->second.path));
    return Tail::over(std::move(file), start, known->second.path, options_.flush);
  }
  RMQ_TRY(file, files_.create(path, options_.file_size, {}));
  return Tail::over(std::move(file), start, path, options_.flush);
}

std::shared_ptr<CommitLog::Tail> CommitLog::tail() const {
  const std::lock_guard lock(tails_mutex_);
  return tail_;
}

std::int64_t CommitLog::room() const {
  const auto at_hand = tail();
  return at_hand ? at_hand->end() - reserved() - format::kBlankSize : 0;
}

// Ends the file at hand and begins the next one.
Status CommitLog::roll() {
  // Until the new file is the one at hand: prepare() must not take the old one for it and make the new one
  // again.
  const std::lock_guard making(making_mutex_);
  const std::shared_ptr<Tail> last = tail();
  const std::int64_t start = last ? last->end() : reserved();
  if (!next_) {
    RMQ_TRY(made, make_file(start));
    next_ = std::move(made);
  }
  std::shared_ptr<Tail> next = std::move(next_);
  if (last) {
    const std::int64_t from = reserved();
    const std::int64_t left = last->end() - from;
    if (left >= format::kBlankSize) {
      last->make_ready_up_to(from - last->start + format::kBlankSize);
      const auto blank = format::encode_blank(static_cast<std::int32_t>(left));
      std::ranges::copy(blank, last->at(from, format::kBlankSize).begin());
    }
    Extent ending;
    ending.ticket = take_off(last->end());
    complete(ending);
  }
  {
    const std::unique_lock lock(known_mutex_);
    known_[start].path = next->path;
  }
  const std::lock_guard lock(tails_mutex_);
  tail_ = next;
  unflushed_.push_back(std::move(next));
  return {};
}

Result<CommitLog::Extent> CommitLog::reserve(std::int64_t size) {
  if (failed_.load(std::memory_order_acquire)) return *failure();
  if (size > options_.file_size - format::kBlankSize) return wrong_use("larger than a commit log file");
  auto at_hand = tail();
  if (!at_hand || reserved() + size + format::kBlankSize > at_hand->end()) {
    RMQ_CHECK(roll());
    at_hand = tail();
  }
  at_hand->make_ready_up_to(reserved() - at_hand->start + size);
  Extent extent;
  extent.offset = reserved();
  extent.bytes = at_hand->at(extent.offset, size);
  extent.ticket = take_off(extent.offset + size);
  extent.owner = std::move(at_hand);
  return extent;
}

std::uint64_t CommitLog::take_off(std::int64_t end) {
  reserved_.store(end, std::memory_order_release);
  const std::lock_guard lock(flights_mutex_);
  flights_.push_back({end, false});
  return first_ticket_ + flights_.size() - 1;
}

void CommitLog::complete(const Extent& extent) {
  const std::lock_guard lock(flights_mutex_);
  flights_[extent.ticket - first_ticket_].done = true;
  while (!flights_.empty() && flights_.front().done) {
    written_.store(flights_.front().end, std::memory_order_release);
    flights_.pop_front();
    ++first_ticket_;
  }
  written_.notify_all();
}

void CommitLog::wait_written(std::int64_t offset) const {
  for (std::int64_t now = written(); now < offset; now = written())
    written_.wait(now, std::memory_order_acquire);
}

Result<CommitLog::Reader> CommitLog::reader_at(std::int64_t offset) const {
  if (offset < begin()) return Reader{};
  std::shared_lock lock(known_mutex_);
  const auto behind = known_.upper_bound(offset);
  if (behind == known_.begin()) return Reader{};
  const auto& [start, known] = *std::prev(behind);
  Reader reader{start, known.reader};
  if (reader.file) return reader;
  const std::string path = known.path;
  lock.unlock();
  auto opened = files_.open(path);
  if (!opened) {
    if (offset < begin()) return Reader{};  // dropped since
    return std::move(opened).error();
  }
  reader.file = std::move(*opened);
  const std::unique_lock writing(known_mutex_);
  if (const auto still = known_.find(reader.start); still != known_.end()) still->second.reader = reader.file;
  return reader;
}

Result<std::size_t> CommitLog::read(std::int64_t offset, std::span<std::byte> out) const {
  const std::int64_t limit = readable();
  if (offset < begin() || offset >= limit) return std::size_t{0};
  std::shared_ptr<Tail> tail;
  {
    const std::lock_guard lock(tails_mutex_);
    tail = Tail::with(unflushed_, offset);
  }
  if (const auto got = tail ? tail->read_memory(offset, limit, out) : std::nullopt) return *got;
  RMQ_TRY(reader, reader_at(offset));
  if (!reader.file) return std::size_t{0};
  const std::int64_t end = std::min(limit, reader.start + options_.file_size);
  const auto wanted = static_cast<std::size_t>(std::clamp<std::int64_t>(end - offset, 0, std::ssize(out)));
  return reader.file->read_at(offset - reader.start, out.first(wanted));
}

Result<std::optional<LogPiece>> CommitLog::pin(std::int64_t offset, std::int64_t size,
                                               std::int64_t worth_a_file) const {
  std::optional<LogPiece> piece;
  if (offset < begin() || offset + size > readable()) return piece;
  std::shared_ptr<Tail> tail;
  {
    const std::lock_guard lock(tails_mutex_);
    tail = Tail::with(unflushed_, offset);
  }
  if (tail && tail->memory) {
    const bool cached = offset - tail->start >= tail->past_cache.load(std::memory_order_relaxed);
    if ((size < worth_a_file || !cached) && tail->read_memory(offset, offset, {})) {
      piece.emplace();  // read() does not ask the disk
      return piece;
    }
  } else if (tail && size < worth_a_file && offset + size <= tail->end()) {
    piece.emplace();
    piece->bytes = tail->at(offset, size);
    piece->owner = tail;
    return piece;
  }
  RMQ_TRY(reader, reader_at(offset));
  if (!reader.file || offset + size > reader.start + options_.file_size) return piece;
  piece.emplace();
  if (size < worth_a_file || reader.file->descriptor() < 0) return piece;
  piece->file = reader.file->descriptor();
  piece->offset = offset - reader.start;
  piece->size = size;
  piece->owner = std::move(reader.file);
  return piece;
}

std::optional<std::size_t> CommitLog::Tail::read_memory(std::int64_t offset, std::int64_t limit,
                                                        std::span<std::byte> out) {
  if (!memory) return std::nullopt;
  const std::shared_lock lock(memory_mutex);
  if (offset < start + released) return std::nullopt;
  const std::int64_t there = std::min({std::ssize(out), limit - offset, end() - offset});
  std::ranges::copy(at(offset, there), out.begin());
  return static_cast<std::size_t>(there);
}

CommitLog::View CommitLog::view(std::int64_t offset, std::int64_t limit) const {
  const std::lock_guard lock(tails_mutex_);
  for (const auto& tail : unflushed_) {
    if (offset < tail->start || offset >= tail->end() || offset < tail->start + tail->released) continue;
    return {tail->at(offset, std::min(limit, tail->end()) - offset), tail};
  }
  return {};
}

Status CommitLog::flush() { return flush_to(written()); }

Status CommitLog::flush_to(std::int64_t offset) {
  if (durable() >= offset) return {};
  const std::lock_guard lock(flush_mutex_);
  if (durable() >= offset) return {};
  if (failed_.load(std::memory_order_acquire)) return *failure();
  const std::int64_t to = written();  // whoever waited for the lock is served with this one
  const Status done =
      options_.flush == FlushDiskType::sync_flush ? write_pages(durable(), to) : sync_files(to);
  if (!done) {
    fail(done.error());
    return done;
  }
  durable_.store(to, std::memory_order_release);
  const std::lock_guard tails(tails_mutex_);
  while (!unflushed_.empty() && unflushed_.front() != tail_ && unflushed_.front()->end() <= to)
    unflushed_.pop_front();
  return {};
}

// Async flush: the pages are dirty in the page cache already. Those made ready ahead are left alone: they
// would be written twice, and cost a fault each afterwards.
Status CommitLog::sync_files(std::int64_t to) {
  std::vector<std::shared_ptr<Tail>> dirty;
  {
    const std::lock_guard lock(tails_mutex_);
    for (const auto& tail : unflushed_) {
      if (tail->start < to && tail->end() > durable()) dirty.push_back(tail);
    }
  }
  for (const auto& tail : dirty) {
    if (tail->file->removed()) return os_error(ENOENT, tail->path + " was removed while it was written to");
    const std::int64_t from = std::max<std::int64_t>(durable() - tail->start, 0);
    RMQ_CHECK(tail->map->sync(from, std::min(to, tail->end()) - tail->start - from));
  }
  return {};
}

// Sync flush: whole pages from private memory, so that none needs to be read first. The last one may still be
// written to by appenders, behind `to`: it is copied up to there.
Status CommitLog::write_pages(std::int64_t from, std::int64_t to) {
  std::vector<std::shared_ptr<Tail>> dirty;
  {
    const std::lock_guard lock(tails_mutex_);
    for (const auto& tail : unflushed_) {
      if (tail->start < to && tail->end() > from) dirty.push_back(tail);
    }
  }
  for (const auto& tail : dirty) {
    if (tail->file->removed()) return os_error(ENOENT, tail->path + " was removed while it was written to");
    const std::int64_t end = std::min(to, tail->end()) - tail->start;
    std::int64_t at = page_floor(std::max<std::int64_t>(from - tail->start, 0));
    const bool large = end - at >= kLargeGroup;
    if (large) tail->past_cache.store(end, std::memory_order_relaxed);
    const auto write = [&](std::int64_t position, std::span<const std::byte> piece) {
      return large ? tail->file->write_past_cache(position, piece)
                   : tail->file->write_durable(position, piece);
    };
    for (; at + kLargestWrite < end; at += kLargestWrite)
      RMQ_CHECK(write(at, tail->at(tail->start + at, kLargestWrite)));
    const std::int64_t whole = page_floor(end) - at;
    alignas(kPage) std::array<std::byte, kPage> last_page{};
    std::ranges::copy(tail->at(tail->start + at + whole, end - at - whole), last_page.begin());
    const std::int64_t last =
        end == page_floor(end) ? 0 : std::min(kPage, std::ssize(tail->bytes) - at - whole);
    const std::array<std::span<const std::byte>, 2> pieces{
        tail->at(tail->start + at, whole), std::span(last_page).first(static_cast<std::size_t>(last))};
    if (!large) {
      RMQ_CHECK(tail->file->write_durable(at, pieces));
      continue;
    }
    if (whole > 0) RMQ_CHECK(write(at, pieces[0]));
    if (last > 0) RMQ_CHECK(write(at + whole, pieces[1]));
    RMQ_CHECK(tail->file->sync());
  }
  return {};
}

void CommitLog::forget_before(std::int64_t offset) {
  const std::lock_guard lock(tails_mutex_);
  for (const auto& tail : unflushed_) {
    const std::int64_t whole = page_floor(
        std::max<std::int64_t>(std::min({offset, durable(), tail->end()}) - tail->start - kKeptMemory, 0));
    if (!tail->memory || whole - tail->released < kReleaseStep) continue;
    const std::unique_lock memory(tail->memory_mutex);
    tail->memory->release(static_cast<std::size_t>(tail->released),
                          static_cast<std::size_t>(whole - tail->released));
    tail->released = whole;
  }
}

bool CommitLog::prepare() {
  const auto at_hand = tail();
  if (!at_hand || failed_.load(std::memory_order_acquire)) return false;
  const std::int64_t used = reserved() - at_hand->start;
  if (at_hand->memory ? zero_tail(*at_hand, used) : at_hand->make_ready(used + kPrepareAhead, kPopulateStep))
    return true;
  const std::lock_guard making(making_mutex_);
  // The next file's zeros are on disk before it is needed, but not all at once beside the appenders' writes.
  if (next_)
    return next_->start == at_hand->end() &&
           (next_->memory ? zero(*next_, 2 * used, kZeroStep)
                          : next_->make_ready(kPrepareAhead, kPopulateStep));
  if (tail() != at_hand) return true;
  auto made = make_file(at_hand->end());
  if (!made) return false;  // whoever needs it will try again, and tell
  next_ = std::move(*made);
  return true;
}

// Async flush. Pages of a map that come one by one, as they are touched, cost five times what they cost when
// zeros are written first, in pieces so large that the kernel takes large folios for them, and then mapped.
bool CommitLog::Tail::make_ready(std::int64_t up_to, std::int64_t step) {
  alignas(kPage) static std::array<std::byte, kPopulateStep> zeros;
  const std::lock_guard lock(ready_mutex);
  const std::int64_t size = std::ssize(bytes);
  const std::int64_t from = ready.load(std::memory_order_relaxed);
  if (from >= std::min(up_to, size)) return false;
  const std::int64_t piece = std::min(step - from % step, size - from);
  const bool written =
      file->write_at(from, std::span(zeros).first(static_cast<std::size_t>(piece))).has_value();
  if (written) map->populate(from, piece);
  // Where zeros cannot be written, pages come one by one: slower, but no worse.
  ready.store(written ? from + piece : size, std::memory_order_release);
  return true;
}

// What nobody has made ready in time, the appender makes ready itself.
void CommitLog::Tail::make_ready_up_to(std::int64_t up_to) {
  if (memory) return;
  while (ready.load(std::memory_order_acquire) < up_to) (void)make_ready(up_to, kPopulateStepInLine);
}

// The file that is being appended to: only behind the last durable page, where no flush has come to.
bool CommitLog::zero_tail(Tail& tail, std::int64_t used) {
  const std::lock_guard lock(flush_mutex_);
  if (failed_.load(std::memory_order_acquire)) return false;
  tail.zeroed = std::max(tail.zeroed, page_floor(durable() - tail.start + kPage - 1));
  return zero(tail, used + kPrepareAhead, kZeroStepBesideFlush);
}

// A durable write to what was never written costs the file system more than the write itself.
bool CommitLog::zero(Tail& tail, std::int64_t up_to, std::int64_t step) {
  const std::int64_t size = page_floor(std::ssize(tail.bytes));
  if (tail.zeroed >= std::min(up_to, size)) return false;
  const std::int64_t piece = std::min(step, size - tail.zeroed);
  if (!tail.file->write_zeros(tail.zeroed, piece)) {
    tail.zeroed = size;  // slower without, but no worse
    return false;
  }
  tail.zeroed += piece;
  return true;
}

std::optional<Error> CommitLog::failure() const {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

void CommitLog::fail(const Error& error) {
  const std::lock_guard lock(failure_mutex_);
  if (!failure_) failure_ = error;
  failed_.store(true, std::memory_order_release);
}

}  // namespace rmq::engine
