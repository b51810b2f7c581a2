#include "libstore/preflight/stock_queue.h"

#include <algorithm>
#include <array>
#include <limits>

namespace rmq::preflight {
namespace {

// Blocks grow from a page, which is what a short queue fills, to this.
constexpr std::int64_t kFirstBlockUnits = 204;
constexpr std::int64_t kMaxBlockUnits = 3276;
constexpr QueueUnit kPreBlank{0, std::numeric_limits<std::int32_t>::max()};

}  // namespace

void SimpleQueue::read_units(const QueueFile& file, std::int64_t first, std::span<QueueUnit> out,
                             FilePool& pool) const {
  const auto count = static_cast<std::int64_t>(out.size());
  const std::int64_t written_end = file.written_from + static_cast<std::int64_t>(file.written.size());
  const bool all_written = first >= file.written_from && first + count <= written_end;
  if (file.path.empty()) {
    for (std::int64_t i = 0; i < count; ++i) {
      out[static_cast<std::size_t>(i)] = first + i < file.pre_blanks ? kPreBlank : QueueUnit{};
    }
  } else if (!all_written) {
    std::array<std::byte, kMaxBlockUnits * kUnit> bytes;
    for (std::int64_t done = 0; done < count;) {
      const std::int64_t part = std::min(count - done, kMaxBlockUnits);
      pool.read(file.path, (first + done) * kUnit,
                std::span(bytes).first(static_cast<std::size_t>(part * kUnit)));
      for (std::int64_t i = 0; i < part; ++i) {
        const auto entry = format::ConsumeQueueEntry::load(bytes.data() + i * kUnit);
        out[static_cast<std::size_t>(done + i)] = {entry.commit_log_offset, entry.size};
      }
      done += part;
    }
  }
  const std::int64_t begin = std::max<std::int64_t>(first, file.written_from);
  for (std::int64_t at = begin; at < std::min(first + count, written_end); ++at) {
    out[static_cast<std::size_t>(at - first)] =
        file.written[static_cast<std::size_t>(at - file.written_from)].unpack();
  }
}

QueueUnit SimpleQueue::read_unit(const QueueFile& file, std::int64_t number, FilePool& pool) const {
  QueueUnit unit;
  read_units(file, number, std::span(&unit, 1), pool);
  return unit;
}

template <class Visit>
void SimpleQueue::for_each_unit(const QueueFile& file, FilePool& pool, Visit&& visit) const {
  std::vector<QueueUnit> block;
  std::int64_t block_units = kFirstBlockUnits;
  for (std::int64_t first = 0; first < units_per_file() && !pool.fault();) {
    block.resize(static_cast<std::size_t>(std::min(block_units, units_per_file() - first)));
    read_units(file, first, block, pool);
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (!visit(block[i], first + static_cast<std::int64_t>(i))) return;
    }
    first += static_cast<std::int64_t>(block.size());
    block_units = std::min(block_units * 2, kMaxBlockUnits);
  }
}

std::int64_t SimpleQueue::recover(FilePool& pool) {
  auto& files = files_.files;
  if (files.empty()) return 0;
  std::int64_t units_read = 0;
  std::int64_t end = 0;
  for (std::size_t index = files.size() < 3 ? 0 : files.size() - 3; index < files.size(); ++index) {
    std::int64_t used = 0;
    std::int64_t highest = -1;
    for_each_unit(files[index], pool, [&](const QueueUnit& unit, std::int64_t number) {
      if (!unit.is_used()) return false;
      used = number + 1;
      highest = std::max(highest, unit.offset);
      max_physic_offset_ = wrap_add(unit.offset, unit.size);
      return true;
    });
    units_read += std::min(used + 1, units_per_file());
    end = wrap_add(files[index].start, used * kUnit);
    highest_in_last_file_.reset();
    if (used > 0 && files[index].start % files_.file_size == 0) highest_in_last_file_ = highest;
    if (used < units_per_file()) {
      // Units behind the hole: recovery cuts them off.
      std::array<QueueUnit, kMaxBlockUnits> behind;
      const auto count = std::min(kMaxBlockUnits, units_per_file() - used);
      if (pool.has_data(files[index].path, used * kUnit, count * kUnit)) {
        const auto units = std::span(behind).first(static_cast<std::size_t>(count));
        read_units(files[index], used, units, pool);
        truncated_ = std::ranges::any_of(units, &QueueUnit::is_used);
      }
      break;
    }
  }
  const std::size_t before = files.size();
  files_.truncate(end);
  truncated_ = truncated_ || files.size() != before;
  return units_read * kUnit;
}

StockFate SimpleQueue::truncate_dirty(std::int64_t log_end, FilePool& pool) {
  auto& files = files_.files;
  const bool untouched = highest_in_last_file_ && !files.empty() && !files.back().path.empty() &&
                         files.back().written.empty() && *highest_in_last_file_ < log_end;
  if (untouched) return StockFate::goes_on;
  max_physic_offset_ = log_end;
  const std::int64_t before = files_.max_offset();
  while (!files.empty()) {
    QueueFile& file = files.back();
    bool drop = false;
    bool done = false;
    file.wrote = 0;
    for_each_unit(file, pool, [&](const QueueUnit& unit, std::int64_t number) {
      if (number == 0 && unit.offset >= log_end) {
        drop = true;
        return false;
      }
      // The first unit is kept without a look at its size: a file of zeros ends up with one unit.
      if (number > 0 && (!unit.is_used() || unit.offset >= log_end)) {
        done = true;
        return false;
      }
      file.wrote = static_cast<std::int32_t>((number + 1) * kUnit);
      max_physic_offset_ = wrap_add(unit.offset, unit.size);
      done = number > 0 && file.wrote == files_.file_size;
      return !done;
    });
    if (done || pool.fault()) break;
    if (!drop) return StockFate::hangs;  // a file of a single unit that stays
    files_.drop_last();
  }
  truncated_ = truncated_ || files_.max_offset() < before;
  return StockFate::goes_on;
}

void SimpleQueue::write(QueueFile& file, const QueueUnit& unit, FilePool& pool) {
  const std::int64_t number = file.wrote / kUnit;
  if (file.written.empty()) file.written_from = static_cast<std::int32_t>(number);
  if (number < file.written_from) {
    // A cut went below what was written before it: keep what lies between as it is now.
    std::vector<QueueUnit> between(static_cast<std::size_t>(file.written_from - number));
    read_units(file, number, between, pool);
    std::vector<PackedUnit> packed(between.begin(), between.end());
    file.written.insert(file.written.begin(), packed.begin(), packed.end());
    file.written_from = static_cast<std::int32_t>(number);
  }
  const auto at = static_cast<std::size_t>(number - file.written_from);
  if (at < file.written.size()) {
    file.written[at] = PackedUnit(unit);
  } else {
    file.written.push_back(PackedUnit(unit));
  }
  file.wrote += static_cast<std::int32_t>(kUnit);
}

bool SimpleQueue::put(const QueueUnit& unit, std::int64_t queue_offset, bool can_create_files,
                      FilePool& pool) {
  if (wrap_add(unit.offset, unit.size) <= max_physic_offset_) return true;
  const std::int64_t expected = wrap_mul(queue_offset, kUnit);
  if (!can_create_files && (files_.empty() || files_.files.back().wrote == files_.file_size)) return false;
  QueueFile& file = files_.last_or_new(expected);
  if (file.first_in_queue && queue_offset != 0 && file.wrote == 0) {
    min_logic_offset_ = expected;
    const std::int64_t blanks = (expected % files_.file_size + kUnit - 1) / kUnit;
    file.pre_blanks = static_cast<std::int32_t>(std::max<std::int64_t>(blanks, 0));
    file.wrote = static_cast<std::int32_t>(file.pre_blanks * kUnit);
  }
  // Already there, as far as the queue offset tells; a gap is logged by stock and filled with whatever comes.
  if (queue_offset != 0 && expected < wrap_add(file.start, file.wrote)) return true;
  max_physic_offset_ = wrap_add(unit.offset, unit.size);
  if (file.wrote + kUnit > files_.file_size) return false;
  write(file, unit, pool);
  return true;
}

StockFate SimpleQueue::correct_min_offset(std::int64_t log_start, const RecoveryRules& rules,
                                          FilePool& pool) {
  if (rules.min_offset_by_search) return min_by_search(log_start, pool);
  min_by_scan(log_start, pool);
  return StockFate::goes_on;
}

// 5.x
StockFate SimpleQueue::min_by_search(std::int64_t log_start, FilePool& pool) {
  if (files_.empty() || min_logic_offset_ >= files_.max_offset()) return StockFate::goes_on;
  const QueueFile& last = files_.files.back();
  // selectMappedBuffer of a negative position: IllegalArgumentException that nobody catches before load.
  if (last.wrote < kUnit) return StockFate::throws;
  if (read_unit(last, last.wrote / kUnit - 1, pool).offset < log_start) {
    min_logic_offset_ = wrap_add(last.start, last.wrote);
    return StockFate::goes_on;
  }
  const QueueFile& first = files_.files.front();
  std::int64_t start = min_logic_offset_ - first.start;
  const bool intact = start >= 0;
  start = std::max<std::int64_t>(start, 0);
  if (start >= first.wrote) return StockFate::goes_on;
  const std::int64_t base = start / kUnit;
  const std::int64_t count = (first.wrote - start) / kUnit;
  const auto offset_of = [&](std::int64_t number) { return read_unit(first, base + number, pool).offset; };
  if (count == 0 || (intact && offset_of(0) >= log_start)) return StockFate::goes_on;
  std::int64_t low = 0;
  std::int64_t high = count - 1;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    const std::int64_t offset = offset_of(middle);
    if (offset == log_start) {
      low = high = middle;
    } else if (offset > log_start) {
      high = middle;
    } else {
      low = middle;
    }
  }
  for (std::int64_t number = low; number <= high; ++number) {
    if (offset_of(number) >= log_start) {
      min_logic_offset_ = wrap_add(first.start, start + number * kUnit);
      break;
    }
  }
  return StockFate::goes_on;
}

// 4.x
void SimpleQueue::min_by_scan(std::int64_t log_start, FilePool& pool) {
  if (files_.empty()) return;
  const QueueFile& first = files_.files.front();
  for_each_unit(first, pool, [&](const QueueUnit& unit, std::int64_t number) {
    if ((number + 1) * kUnit > first.wrote) return false;
    if (unit.offset < log_start) return true;
    min_logic_offset_ = wrap_add(first.start, number * kUnit);
    return false;
  });
}

void SimpleQueue::destroy() {
  max_physic_offset_ = -1;
  min_logic_offset_ = 0;
  truncated_ = truncated_ || !files_.empty();
  files_.destroy();
}

std::int64_t SimpleQueue::skip_hole(std::int64_t queue_offset) const {
  const std::int64_t offset = wrap_mul(queue_offset, kUnit);
  std::int64_t next = max_offset();
  for (const QueueFile& file : files_.files) {
    if (file.start > offset) next = std::min(next, file.start / kUnit + (file.start % kUnit == 0 ? 0 : 1));
  }
  return std::max(next, queue_offset + 1);
}

std::size_t SimpleQueue::read_from(std::int64_t queue_offset, std::span<QueueUnit> out,
                                   const RecoveryRules& rules, FilePool& pool) const {
  const std::int64_t offset = wrap_mul(queue_offset, kUnit);
  if (offset < min_logic_offset_) return 0;
  const auto index = files_.find(offset, false);
  if (!index) return 0;
  const QueueFile& file = files_.files[*index];
  const std::int64_t position = offset % files_.file_size;
  if (position < 0 || position >= file.wrote) return 0;
  const bool iterator_counts_itself = rules.version == StockVersion::v5_3;
  if (iterator_counts_itself && wrap_add(file.start, position) / kUnit != queue_offset) return 0;
  const std::int64_t left = (file.wrote - position) / kUnit;
  const auto units = out.first(
      static_cast<std::size_t>(std::min<std::int64_t>(left, static_cast<std::int64_t>(out.size()))));
  read_units(file, position / kUnit, units, pool);
  return units.size();
}

}  // namespace rmq::preflight
