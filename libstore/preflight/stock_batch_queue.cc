#include "libstore/preflight/stock_batch_queue.h"

#include <algorithm>
#include <array>

namespace rmq::preflight {
namespace {

constexpr std::int64_t kBlockUnits = 1024;

}  // namespace

BatchQueue::Entry BatchQueue::entry_at(const BatchFile& file, std::int64_t unit, FilePool& pool) const {
  const std::int64_t written = unit - file.written_from;
  if (written >= 0 && written < static_cast<std::int64_t>(file.written.size())) {
    return file.written[static_cast<std::size_t>(written)];
  }
  std::array<std::byte, kUnit> bytes{};
  if (!file.path.empty()) pool.read(file.path, unit * kUnit, bytes);
  return Entry::load(bytes.data());
}

BatchQueue::Entry BatchQueue::entry_at(const BatchPlace& place, FilePool& pool) const {
  return entry_at(files_.files[place.file], place.unit, pool);
}

template <class Visit>
void BatchQueue::for_each_unit(const BatchFile& file, std::int64_t units, FilePool& pool,
                               Visit&& visit) const {
  std::vector<std::byte> block;
  for (std::int64_t first = 0; first < units && !pool.fault(); first += kBlockUnits) {
    const std::int64_t count = std::min(kBlockUnits, units - first);
    block.assign(static_cast<std::size_t>(count * kUnit), std::byte{0});
    if (!file.path.empty()) pool.read(file.path, first * kUnit, block);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t written = first + i - file.written_from;
      const bool in_memory = written >= 0 && written < static_cast<std::int64_t>(file.written.size());
      const Entry entry =
          in_memory ? file.written[static_cast<std::size_t>(written)] : Entry::load(block.data() + i * kUnit);
      if (!visit(entry, first + i)) return;
    }
  }
}

std::int64_t BatchQueue::recover(FilePool& pool) {
  auto& files = files_.files;
  if (files.empty()) return 0;
  std::int64_t units_read = 0;
  std::int64_t end = 0;
  for (std::size_t index = files.size() < 3 ? 0 : files.size() - 3; index < files.size(); ++index) {
    std::int64_t used = 0;
    for_each_unit(files[index], units_per_file(), pool, [&](const Entry& entry, std::int64_t number) {
      if (!entry.is_used()) return false;
      used = number + 1;
      max_physic_offset_ = entry.commit_log_offset;
      return true;
    });
    units_read += std::min(used + 1, units_per_file());
    end = wrap_add(files[index].start, used * kUnit);
    if (used < units_per_file()) break;
  }
  const std::size_t before = files.size();
  files_.truncate(end);
  truncated_ = files.size() != before;
  revise_min(pool);
  revise_max(pool);
  return units_read * kUnit;
}

void BatchQueue::revise_min(FilePool& pool) {
  if (files_.empty()) {
    max_offset_ = 0;
    min_offset_ = -1;
    return;
  }
  const BatchFile& first = files_.files.front();
  min_offset_ = first.wrote < kUnit ? -1 : entry_at(first, 0, pool).base_offset;
}

void BatchQueue::revise_max(FilePool& pool) {
  max_offset_ = 0;
  const auto& files = files_.files;
  for (std::size_t back = 1; back <= std::min<std::size_t>(2, files.size()); ++back) {
    const BatchFile& file = files[files.size() - back];
    if (file.wrote < kUnit) continue;
    const Entry last = entry_at(file, file.wrote / kUnit - 1, pool);
    max_offset_ = wrap_add(last.base_offset, last.batch_size);
    return;
  }
}

StockFate BatchQueue::truncate_dirty(std::int64_t log_end, FilePool& pool) {
  auto& files = files_.files;
  max_physic_offset_ = wrap_add(log_end, -1);
  const std::int64_t before = files_.max_offset();
  while (!files.empty()) {
    BatchFile& file = files.back();
    bool drop = false;
    bool done = false;
    file.wrote = 0;
    for_each_unit(file, units_per_file(), pool, [&](const Entry& entry, std::int64_t number) {
      if (number == 0 && entry.commit_log_offset >= log_end) {
        drop = true;
        return false;
      }
      if (number > 0 && (!entry.is_used() || entry.commit_log_offset >= log_end)) {
        done = true;
        return false;
      }
      file.wrote = static_cast<std::int32_t>((number + 1) * kUnit);
      max_physic_offset_ = entry.commit_log_offset;
      done = number > 0 && file.wrote == files_.file_size;
      return !done;
    });
    if (done || pool.fault()) break;
    if (!drop) return StockFate::hangs;
    files_.drop_last();
  }
  truncated_ = truncated_ || files_.max_offset() < before;
  revise_min(pool);
  revise_max(pool);
  return StockFate::goes_on;
}

bool BatchQueue::put(const Entry& entry, bool can_create_files, FilePool& pool) {
  if (entry.commit_log_offset <= max_physic_offset_) return true;
  if (!can_create_files && (files_.empty() || files_.files.back().wrote == files_.file_size)) return false;
  BatchFile& file = files_.last_or_new(files_.max_offset());
  if (file.wrote + kUnit > files_.file_size) return false;
  const auto number = static_cast<std::int32_t>(file.wrote / kUnit);
  if (file.written.empty()) file.written_from = number;
  if (number < file.written_from) {
    std::vector<Entry> between;
    for (std::int32_t unit = number; unit < file.written_from; ++unit)
      between.push_back(entry_at(file, unit, pool));
    file.written.insert(file.written.begin(), between.begin(), between.end());
    file.written_from = number;
  }
  const auto at = static_cast<std::size_t>(number - file.written_from);
  if (at < file.written.size()) {
    file.written[at] = entry;
  } else {
    file.written.push_back(entry);
  }
  file.wrote += static_cast<std::int32_t>(kUnit);
  max_physic_offset_ = entry.commit_log_offset;
  max_offset_ = wrap_add(entry.base_offset, entry.batch_size);
  if (file.first_in_queue && min_offset_ == -1) revise_min(pool);
  return true;
}

void BatchQueue::correct_min_offset(std::int64_t log_start, FilePool& pool) {
  revise_min(pool);
  if (files_.empty()) return;
  const BatchFile& first = files_.files.front();
  for_each_unit(first, first.wrote / kUnit, pool, [&](const Entry& entry, std::int64_t) {
    if (entry.commit_log_offset >= log_start) return false;
    min_offset_ = wrap_add(entry.base_offset, entry.batch_size);
    return true;
  });
}

void BatchQueue::destroy() {
  max_physic_offset_ = -1;
  min_offset_ = -1;
  max_offset_ = 0;
  truncated_ = truncated_ || !files_.empty();
  files_.destroy();
}

std::optional<BatchPlace> BatchQueue::find(std::int64_t queue_offset, FilePool& pool) const {
  if (queue_offset >= max_offset_) return std::nullopt;
  const auto& files = files_.files;
  std::optional<std::size_t> file;
  for (std::size_t i = files.size(); i-- > 0 && !file;) {
    if (files[i].wrote >= kUnit && entry_at(files[i], 0, pool).base_offset <= queue_offset) file = i;
  }
  if (!file) return std::nullopt;
  // BatchConsumeQueue.binarySearch, in units: the last one whose base is not above the offset, if bases
  // ascend.
  const auto base = [&](std::int64_t unit) { return entry_at(files[*file], unit, pool).base_offset; };
  const std::int64_t last = files[*file].wrote / kUnit - 1;
  std::int64_t left = 0;
  std::int64_t right = last;
  while (left <= right) {
    const std::int64_t middle = (left + right) / 2;
    const std::int64_t value = base(middle);
    if (value == queue_offset) return BatchPlace{*file, middle};
    if (value > queue_offset) {
      right = middle - 1;
    } else if (middle == left) {
      const bool next = middle + 1 <= last && base(middle + 1) <= queue_offset;
      return BatchPlace{*file, next ? middle + 1 : middle};
    } else {
      left = middle;
    }
  }
  return std::nullopt;
}

std::int64_t BatchQueue::next_offset(std::int64_t queue_offset, const std::optional<BatchPlace>& place,
                                     FilePool& pool) const {
  std::int64_t next = max_offset_;
  const auto consider = [&](std::int64_t base) {
    if (base > queue_offset) next = std::min(next, base);
  };
  if (place && place->unit + 1 < units_in(place->file)) {
    consider(entry_at(files_.files[place->file], place->unit + 1, pool).base_offset);
  }
  for (const BatchFile& file : files_.files) {
    if (file.wrote >= kUnit) consider(entry_at(file, 0, pool).base_offset);
  }
  return std::max(next, queue_offset + 1);
}

}  // namespace rmq::preflight
