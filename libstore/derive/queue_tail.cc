#include "libstore/derive/queue_tail.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "libstore/base/status.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"

namespace rmq::derive {
namespace {

constexpr std::int64_t kLargestPosition = std::int64_t{1} << 60;  // no queue grows that long
constexpr std::int64_t kBlock = 4096;                             // bytes read at once

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

// A file of units, read by blocks; the first block and the one looked at last are kept. One thread.
class QueueFile {
 public:
  static Result<QueueFile> open(const io::ReadFileSystem& files, const scan::MappedFile& info, bool batch) {
    RMQ_TRY(file, files.open(info.path));
    return QueueFile(std::move(file), info.size, batch);
  }

  [[nodiscard]] std::int64_t unit_size() const {
    return batch_ ? format::kBatchConsumeQueueEntrySize : format::kConsumeQueueEntrySize;
  }
  [[nodiscard]] std::int64_t units() const { return size_ / unit_size(); }
  [[nodiscard]] std::int64_t units_in_block() const { return kBlock / unit_size(); }

  // `number` in [0, units()).
  Result<Unit> unit(std::int64_t number) {
    const std::int64_t block = number / units_in_block();
    Block& kept = block == 0 ? first_ : latest_;
    if (kept.number != block) RMQ_CHECK(read(block, kept));
    return load(kept.bytes.data() + (number - block * units_in_block()) * unit_size());
  }

 private:
  struct Block {
    std::int64_t number = -1;
    std::array<std::byte, kBlock> bytes{};  // zeros behind the end of the file
  };

  QueueFile(std::unique_ptr<io::ReadFile> file, std::int64_t size, bool batch)
      : file_(std::move(file)), size_(size), batch_(batch) {}

  Status read(std::int64_t number, Block& block) const {
    block.number = -1;
    block.bytes.fill(std::byte());
    RMQ_TRY(got, file_->read_at(number * units_in_block() * unit_size(), block.bytes));
    if (got < block.bytes.size())
      std::fill(block.bytes.begin() + static_cast<std::ptrdiff_t>(got), block.bytes.end(), std::byte());
    block.number = number;
    return {};
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
  std::int64_t size_;
  bool batch_;
  Block first_;
  Block latest_;
};

bool counts(const Unit& unit, const TailBounds& bounds) {
  return unit.used && unit.log_offset < bounds.log_end;
}

struct Prefix {
  std::int64_t units = 0;
  Unit last;
};

// How many units stand one behind the other from `from` on, at most up to `end`: every one looked at.
Result<Prefix> walk(QueueFile& file, std::int64_t from, std::int64_t end, const TailBounds& bounds) {
  Prefix prefix{from, {}};
  while (prefix.units < end) {
    RMQ_TRY(unit, file.unit(prefix.units));
    if (!counts(unit, bounds) || (prefix.units > from && !unit.may_follow(prefix.last))) break;
    prefix.last = unit;
    ++prefix.units;
  }
  return prefix;
}

// How many units stand at the file's beginning, by halving: those that count are the first ones, unless the
// file is damaged.
Result<Prefix> find_prefix(QueueFile& file, const TailBounds& bounds) {
  if (file.units() == 0) return Prefix{};
  RMQ_TRY(first, file.unit(0));
  if (!counts(first, bounds)) return Prefix{};
  Unit below = first;
  std::int64_t low = 1;  // units below count
  std::int64_t high = file.units();
  while (high - low > file.units_in_block() / 2) {
    // Most queues end within their first block, which is here already.
    const std::int64_t middle =
        low == 1 && high > file.units_in_block() ? file.units_in_block() - 1 : low + (high - low) / 2;
    RMQ_TRY(unit, file.unit(middle));
    if (counts(unit, bounds) && unit.may_follow(below)) {
      below = unit;
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  // Units before and behind the place must bear it out.
  const std::int64_t from = std::max<std::int64_t>(0, low - file.units_in_block() / 2);
  RMQ_TRY(prefix, walk(file, from, std::min(file.units(), low + file.units_in_block() / 2), bounds));
  if (prefix.units >= low) return prefix;
  return walk(file, 0, file.units(), bounds);
}

// The first of the units below `end`, which is above 0, that leads to a message at or above bounds.log_begin;
// `end` if none does.
Result<std::int64_t> find_live(QueueFile& file, std::int64_t end, const TailBounds& bounds) {
  const auto is_dead = [&](const Unit& unit) { return unit.blank || unit.log_offset < bounds.log_begin; };
  RMQ_TRY(first, file.unit(0));
  if (!is_dead(first)) return std::int64_t{0};
  RMQ_TRY(last, file.unit(end - 1));
  if (is_dead(last)) return end;
  std::int64_t low = 1;
  std::int64_t high = end - 1;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    RMQ_TRY(unit, file.unit(middle));
    if (is_dead(unit)) {
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
  std::optional<QueueFile> last_file;
  while (last > 0 && prefix.units == 0) {
    --last;
    RMQ_TRY(file, QueueFile::open(files, set[last], tail.batch));
    RMQ_TRY(found, find_prefix(last_file.emplace(std::move(file)), bounds));
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
    std::optional<QueueFile> opened;
    if (i < last) {
      RMQ_TRY(file, QueueFile::open(files, set[i], tail.batch));
      opened.emplace(std::move(file));
    }
    QueueFile& file = i < last ? *opened : *last_file;
    const std::int64_t end = i < last ? file.units() : prefix.units;
    RMQ_TRY(live, find_live(file, end, bounds));
    if (live == end) continue;
    tail.first = set[i].start / unit_size + live;
    RMQ_TRY(unit, file.unit(live));
    tail.min_offset = tail.batch ? unit.base_offset : tail.first;
    break;
  }
  return tail;
}

}  // namespace rmq::derive
