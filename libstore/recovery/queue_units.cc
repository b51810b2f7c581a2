#include "libstore/recovery/queue_units.h"

#include <algorithm>

#include "libstore/format/consume_queue_ext_unit.h"

namespace rmq::recovery {

std::size_t files_in_order(const scan::Queue& queue) {
  const auto& set = queue.files;
  const std::int64_t unit = unit_size_of(queue.kind);
  std::size_t count = 0;
  while (count < set.files.size()) {
    const scan::MappedFile& file = set.files[count];
    const bool sized = file.size == set.file_size && file.size > 0 && file.size % unit == 0;
    if (!sized || file.start % file.size != 0) break;
    if (count > 0 && file.start != set.files[count - 1].start + set.file_size) break;
    ++count;
  }
  return count;
}

QueueUnits::QueueUnits(const io::ReadFileSystem& files, const scan::Queue& queue)
    : files_(files), queue_(queue), unit_size_(unit_size_of(queue.kind)), in_order_(files_in_order(queue)) {
  if (in_order_ == 0) return;
  first_ = queue.files.files.front().start / unit_size_;
  end_ = (queue.files.files[in_order_ - 1].start + queue.files.file_size) / unit_size_;
  next_batch_ = first_;
}

const scan::MappedFile* QueueUnits::file_of(std::int64_t number) const {
  if (number < first_ || number >= end_) return nullptr;
  const auto at = static_cast<std::size_t>((number - first_) * unit_size_ / queue_.files.file_size);
  return &queue_.files.files[at];
}

bool QueueUnits::load(std::int64_t number) {
  const scan::MappedFile* const mapped = file_of(number);
  if (mapped == nullptr) return false;
  const auto file = files_.open(mapped->path);
  if (!file) return false;
  const std::int64_t position = number * unit_size_ - mapped->start;
  std::int64_t bytes = std::min(kWindow / unit_size_ * unit_size_, mapped->size - position);
  window_first_ = number;
  // Holes are not read: the page cache would fill with zeros.
  const std::int64_t data = (*file)->next_data(position);
  if (data >= position + bytes) {
    window_.assign(static_cast<std::size_t>(bytes), std::byte{0});
    window_end_ = number + bytes / unit_size_;
    return window_end_ > number;
  }
  const std::int64_t hole = (*file)->next_hole(data);
  if (hole < position + bytes) bytes = (hole - position + unit_size_ - 1) / unit_size_ * unit_size_;
  window_.resize(static_cast<std::size_t>(bytes));
  const auto got = (*file)->read_at(position, window_);
  window_end_ = number + (got ? static_cast<std::int64_t>(*got) / unit_size_ : 0);
  return window_end_ > number;
}

std::optional<Unit> QueueUnits::unit(std::int64_t number) {
  if ((number < window_first_ || number >= window_end_) && !load(number)) return std::nullopt;
  const std::byte* const at = window_.data() + (number - window_first_) * unit_size_;
  if (queue_.kind == scan::QueueKind::batch) {
    const auto batch = format::BatchConsumeQueueEntry::load(at);
    return Unit{{batch.commit_log_offset, batch.size, batch.tags_code},
                batch.base_offset,
                batch.batch_size,
                batch.is_used()};
  }
  const auto entry = format::ConsumeQueueEntry::load(at);
  return Unit{entry, number, 1, entry.is_used()};
}

std::optional<std::int64_t> QueueUnits::find(std::int64_t queue_offset) {
  if (queue_.kind == scan::QueueKind::simple) {
    if (queue_offset < first_ || queue_offset >= end_) return std::nullopt;
    return queue_offset;
  }
  const auto is_it = [&](std::int64_t number) {
    const auto one = unit(number);
    return one && one->used && one->queue_offset == queue_offset;
  };
  if (is_it(next_batch_)) return next_batch_++;
  std::int64_t low = first_;
  for (std::int64_t high = end_; low < high;) {
    const std::int64_t middle = low + (high - low) / 2;
    const auto one = unit(middle);
    if (one && one->used && one->queue_offset < queue_offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (!is_it(low)) return std::nullopt;
  next_batch_ = low + 1;
  return low;
}

std::int64_t QueueUnits::used_end() { return used_end_from(first_); }

std::int64_t QueueUnits::used_end_from(std::int64_t known) {
  for (std::size_t i = in_order_; i-- > 0;) {
    const scan::MappedFile& mapped = queue_.files.files[i];
    const std::int64_t begin = mapped.start / unit_size_;
    const std::int64_t end = begin + mapped.size / unit_size_;
    if (end <= known) break;
    const auto file = files_.open(mapped.path);
    if (!file) continue;
    std::int64_t used = begin;
    for (std::int64_t number = std::max(begin, known); number < end; ++number) {
      const bool in_window = number >= window_first_ && number < window_end_;
      if (!in_window) {
        const std::int64_t position = (number - begin) * unit_size_;
        const std::int64_t data = (*file)->next_data(position);
        if (data >= mapped.size) break;
        number = std::max(number, begin + data / unit_size_);
      }
      const auto one = unit(number);
      if (one && one->used) used = number + 1;
    }
    if (used > begin) return used;
  }
  return std::max(first_, known);
}

std::int64_t QueueUnits::prefix_end() {
  std::int64_t low = first_;
  for (std::int64_t high = end_; low < high;) {
    const std::int64_t middle = low + (high - low) / 2;
    const auto one = unit(middle);
    if (one && one->used) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool QueueUnits::ext_says(std::int64_t address, std::int64_t tags_code, std::int64_t store_timestamp) {
  const std::int64_t offset = format::ext_offset(address);
  for (const scan::MappedFile& mapped : queue_.ext.files) {
    if (offset < mapped.start || offset >= mapped.start + mapped.size) continue;
    const auto file = files_.open(mapped.path);
    if (!file) return false;
    std::vector<std::byte> bytes(static_cast<std::size_t>(
        std::min<std::int64_t>(mapped.start + mapped.size - offset, 64 << 10)));  // the largest unit
    const auto got = (*file)->read_at(offset - mapped.start, bytes);
    if (!got) return false;
    const auto unit = format::ConsumeQueueExtUnit::parse(std::span(bytes).first(*got));
    return unit && unit->tags_code == tags_code && unit->store_timestamp == store_timestamp;
  }
  return false;
}

}  // namespace rmq::recovery
