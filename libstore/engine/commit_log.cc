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
constexpr std::int64_t kLargestWrite = 4 << 20;    // of one durable write
constexpr std::int64_t kPopulateAhead = 64 << 20;  // pages taken in before the appenders come
constexpr std::int64_t kPopulateStep = 8 << 20;
constexpr std::int64_t kZeroStep = 1 << 20;
constexpr std::int64_t kZeroStepBesideFlush = 256 << 10;  // flushes wait for it
constexpr std::int64_t kReleaseStep = 8 << 20;            // memory is given back in such pieces

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
  std::int64_t populated = 0;  // by prepare(); async flush
  std::int64_t zeroed = 0;     // by prepare(); sync flush
  std::int64_t released = 0;   // by forget_before()

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
  tail->populated = end - start;
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
  if (offset >= limit) return std::size_t{0};
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
  if (size < worth_a_file) {
    const std::lock_guard lock(tails_mutex_);
    for (const auto& tail : unflushed_) {
      if (!tail->map || offset < tail->start || offset + size > tail->end()) continue;
      piece.emplace();
      piece->bytes = tail->at(offset, size);
      piece->owner = tail;
      return piece;
    }
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

// Async flush: the pages are dirty in the page cache already.
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
    RMQ_CHECK(tail->file->sync());
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
    for (; at + kLargestWrite < end; at += kLargestWrite)
      RMQ_CHECK(tail->file->write_durable(at, tail->at(tail->start + at, kLargestWrite)));
    const std::int64_t whole = page_floor(end) - at;
    std::array<std::byte, kPage> last_page{};
    std::ranges::copy(tail->at(tail->start + at + whole, end - at - whole), last_page.begin());
    const std::int64_t last =
        end == page_floor(end) ? 0 : std::min(kPage, std::ssize(tail->bytes) - at - whole);
    const std::array<std::span<const std::byte>, 2> pieces{
        tail->at(tail->start + at, whole), std::span(last_page).first(static_cast<std::size_t>(last))};
    RMQ_CHECK(tail->file->write_durable(at, pieces));
  }
  return {};
}

void CommitLog::forget_before(std::int64_t offset) {
  const std::lock_guard lock(tails_mutex_);
  for (const auto& tail : unflushed_) {
    const std::int64_t whole = page_floor(std::min({offset, durable(), tail->end()}) - tail->start);
    if (!tail->memory || whole - tail->released < kReleaseStep) continue;
    tail->memory->release(static_cast<std::size_t>(tail->released),
                          static_cast<std::size_t>(whole - tail->released));
    tail->released = whole;
  }
}

bool CommitLog::prepare() {
  const auto at_hand = tail();
  if (!at_hand || failed_.load(std::memory_order_acquire)) return false;
  const std::int64_t used = reserved() - at_hand->start;
  if (at_hand->memory ? zero_tail(*at_hand, used) : populate(*at_hand, used)) return true;
  const std::lock_guard making(making_mutex_);
  // The next file's zeros are on disk before it is needed, but not all at once beside the appenders' writes.
  if (next_)
    return next_->start == at_hand->end() &&
           (next_->memory ? zero(*next_, 2 * used, kZeroStep) : populate(*next_, 0));
  if (tail() != at_hand) return true;
  auto made = make_file(at_hand->end());
  if (!made) return false;  // whoever needs it will try again, and tell
  next_ = std::move(*made);
  return true;
}

bool CommitLog::populate(Tail& tail, std::int64_t used) {
  const std::int64_t size = std::ssize(tail.bytes);
  tail.populated = std::max(tail.populated, page_floor(used));
  if (tail.populated >= std::min(used + kPopulateAhead, size)) return false;
  const std::int64_t piece = std::min(kPopulateStep, size - tail.populated);
  tail.map->populate(tail.populated, piece);
  tail.populated += piece;
  return true;
}

// The file that is being appended to: only behind the last durable page, where no flush has come to.
bool CommitLog::zero_tail(Tail& tail, std::int64_t used) {
  const std::lock_guard lock(flush_mutex_);
  if (failed_.load(std::memory_order_acquire)) return false;
  tail.zeroed = std::max(tail.zeroed, page_floor(durable() - tail.start + kPage - 1));
  return zero(tail, used + kPopulateAhead, kZeroStepBesideFlush);
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
