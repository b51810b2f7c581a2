#include "libstore/derive/queue_tail.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"

namespace rmq::derive {
namespace {

constexpr std::int64_t kLargestPosition = std::int64_t{1} << 60;  // no queue grows that long
constexpr std::int64_t kBlock = 4096;                             // bytes read at once near the end
constexpr std::int64_t kScanBlock = 1 << 18;                      // and where everything has to be looked at

// What both kinds of units have in common.
struct Unit {
  std::int64_t log_offset = 0;
  std::int32_t size = 0;
  std::int64_t base_offset = 0;  // batch only
  std::int16_t batch_size = 1;
  bool used = false;
  bool blank = false;  // fills a file's beginning, leads nowhere

  // Units of a queue lie in the order of the log. Blanks come before everything else, but for those that fill
  // a hole.
  [[nodiscard]] bool may_follow(const Unit& before) const {
    return blank || before.blank || log_offset - before.log_offset >= before.size;
  }
};

class QueueFile {
 public:
  static Result<QueueFile> open(const io::ReadFileSystem& files, const scan::MappedFile& info, bool batch) {
    RMQ_TRY(file, files.open(info.path));
    return QueueFile(std::move(file), info, batch);
  }

  [[nodiscard]] std::int64_t units() const { return info_.size / unit_size(); }
  [[nodiscard]] std::int64_t start() const { return info_.start; }

  // Units [from, from + count), fewer if the file ends there.
  Result<std::vector<Unit>> read(std::int64_t from, std::int64_t count) const {
    std::vector<std::byte> bytes(static_cast<std::size_t>(count * unit_size()));
    RMQ_TRY(got, file_->read_at(from * unit_size(), bytes));
    std::vector<Unit> found;
    found.reserve(static_cast<std::size_t>(count));
    for (std::size_t at = 0; at + static_cast<std::size_t>(unit_size()) <= got;
         at += static_cast<std::size_t>(unit_size()))
      found.push_back(load(bytes.data() + at));
    return found;
  }
  Result<Unit> read_one(std::int64_t number) const {
    RMQ_TRY(found, read(number, 1));
    return found.empty() ? Unit{} : found.front();
  }

 private:
  QueueFile(std::unique_ptr<io::ReadFile> file, const scan::MappedFile& info, bool batch)
      : file_(std::move(file)), info_(info), batch_(batch) {}

  [[nodiscard]] std::int64_t unit_size() const {
    return batch_ ? format::kBatchConsumeQueueEntrySize : format::kConsumeQueueEntrySize;
  }
  [[nodiscard]] Unit load(const std::byte* at) const {
    if (batch_) {
      const auto entry = format::BatchConsumeQueueEntry::load(at);
      return {entry.commit_log_offset, entry.size,      entry.base_offset,
              entry.batch_size,        entry.is_used(), false};
    }
    const auto entry = format::ConsumeQueueEntry::load(at);
    return {entry.commit_log_offset, entry.size, 0, 1, entry.is_used(), entry.is_pre_blank()};
  }

  std::unique_ptr<io::ReadFile> file_;
  scan::MappedFile info_;
  bool batch_;
};

bool counts(const Unit& unit, const TailBounds& bounds) {
  return unit.used && unit.log_offset < bounds.log_end;
}

struct Prefix {
  std::int64_t units = 0;
  Unit last;
};

// How many units stand at the file's beginning, one behind the other: every one looked at.
Result<Prefix> scan_prefix(const QueueFile& file, const TailBounds& bounds) {
  Prefix prefix;
  while (prefix.units < file.units()) {
    RMQ_TRY(block, file.read(prefix.units, kScanBlock / format::kConsumeQueueEntrySize));
    for (const Unit& unit : block) {
      if (!counts(unit, bounds) || (prefix.units > 0 && !unit.may_follow(prefix.last))) return prefix;
      prefix.last = unit;
      ++prefix.units;
    }
    if (block.empty()) break;
  }
  return prefix;
}

// The same by halving: the units that count stand at the beginning, unless the file is damaged.
Result<Prefix> find_prefix(const QueueFile& file, const TailBounds& bounds) {
  const std::int64_t block_units = kBlock / format::kBatchConsumeQueueEntrySize;
  std::int64_t low = 0;  // units below count
  std::int64_t high = file.units();
  Unit below;
  if (high == 0) return Prefix{};
  RMQ_TRY(first, file.read_one(0));
  if (!counts(first, bounds)) return Prefix{};
  below = first;
  low = 1;
  while (high - low > block_units / 2) {
    const std::int64_t middle = low + (high - low) / 2;
    RMQ_TRY(unit, file.read_one(middle));
    if (counts(unit, bounds) && unit.may_follow(below)) {
      below = unit;
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  // Units before and behind the place must bear it out.
  const std::int64_t from = std::max<std::int64_t>(0, low - block_units / 2);
  RMQ_TRY(block, file.read(from, std::min(block_units, file.units() - from)));
  Prefix prefix{from, {}};
  for (const Unit& unit : block) {
    if (!counts(unit, bounds) || (prefix.units > from && !unit.may_follow(prefix.last))) break;
    prefix.last = unit;
    ++prefix.units;
  }
  if (prefix.units < low) return scan_prefix(file, bounds);
  return prefix;
}

// The first unit at or above `from` that leads to a message at or above bounds.log_begin; the file's end if
// none does.
Result<std::int64_t> find_live(const QueueFile& file, std::int64_t end, const TailBounds& bounds) {
  std::int64_t low = 0;
  std::int64_t high = end;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    RMQ_TRY(unit, file.read_one(middle));
    if (unit.blank || unit.log_offset < bounds.log_begin) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Status check_files(const scan::Queue& queue, std::int64_t unit_size) {
  const auto& set = queue.files;
  for (std::size_t i = 0; i < set.files.size(); ++i) {
    const scan::MappedFile& file = set.files[i];
    if (file.size != set.file_size || file.size % unit_size != 0)
      return wrong_use(file.shown + ": " + std::to_string(file.size) + " bytes, not " +
                       std::to_string(set.file_size));
    if (file.start < 0 || file.start > kLargestPosition || file.start % file.size != 0)
      return wrong_use(file.shown + ": a name that no file of this size can have");
    if (i > 0 && file.start != set.files[i - 1].start + set.file_size)
      return wrong_use(file.shown + ": does not follow " + set.files[i - 1].shown);
  }
  return {};
}

}  // namespace

Result<QueueTail> find_queue_tail(const io::ReadFileSystem& files, const scan::Queue& queue,
                                  const TailBounds& bounds) {
  QueueTail tail;
  tail.batch = queue.kind == scan::QueueKind::batch;
  const auto& set = queue.files.files;
  if (set.empty()) return tail;
  const std::int64_t unit_size =
      tail.batch ? format::kBatchConsumeQueueEntrySize : format::kConsumeQueueEntrySize;
  RMQ_CHECK(check_files(queue, unit_size));
  tail.files_begin = set.front().start;
  tail.files_end = set.back().start + queue.files.file_size;

  // Files from the end that have no unit are there ahead of time, or hold what came to nothing.
  std::size_t last = set.size();
  Prefix prefix;
  while (last > 0 && prefix.units == 0) {
    --last;
    RMQ_TRY(file, QueueFile::open(files, set[last], tail.batch));
    RMQ_TRY(found, find_prefix(file, bounds));
    prefix = found;
  }
  tail.end = set[last].start / unit_size + prefix.units;
  tail.next_offset = tail.batch ? 0 : tail.end;
  if (prefix.units == 0) return tail;
  const Unit& newest = prefix.last;
  if (tail.batch) {
    tail.next_offset = newest.base_offset + newest.batch_size;
    tail.max_physic = newest.log_offset;
  } else if (!newest.blank) {
    tail.max_physic = newest.log_offset + newest.size;
  }

  tail.first = tail.end;
  tail.min_offset = tail.next_offset;
  if (newest.blank || newest.log_offset < bounds.log_begin) return tail;
  for (std::size_t i = 0; i <= last; ++i) {
    RMQ_TRY(file, QueueFile::open(files, set[i], tail.batch));
    const std::int64_t end = i == last ? prefix.units : file.units();
    RMQ_TRY(live, find_live(file, end, bounds));
    if (live == end) continue;
    tail.first = set[i].start / unit_size + live;
    RMQ_TRY(unit, file.read_one(live));
    tail.min_offset = tail.batch ? unit.base_offset : tail.first;
    break;
  }
  return tail;
}

}  // namespace rmq::derive
