#include "libstore/scan/index_file_reader.h"

#include <algorithm>
#include <array>

#include "libstore/base/saturate.h"
#include "libstore/bytes/big_endian.h"

namespace rmq::scan {
namespace {

constexpr std::int64_t kMsPerSecond = 1000;

}  // namespace

IndexFileReader::IndexFileReader(std::unique_ptr<io::ReadFile> file, const IndexGeometry& geometry,
                                 std::int64_t window)
    : file_(std::move(file)), geometry_(geometry), window_size_(window) {
  std::array<std::byte, format::kIndexHeaderSize> bytes;
  const auto got = file_->read_at(0, bytes);
  if (!got) fault_ = got.error();
  if (!got || *got < bytes.size()) return;
  header_ = *format::IndexHeader::parse(bytes);
  has_header_ = true;
  if (!geometry_.known()) return;
  const std::int64_t room =
      (file_->size() - format::index_entry_position(geometry_.slots, 0)) / format::kIndexEntrySize;
  entry_end_ = std::clamp<std::int64_t>(header_.index_count, 1, std::max<std::int64_t>(room, 1));
}

const std::byte* IndexFileReader::at(std::int64_t position, std::size_t size) {
  const auto end = position + static_cast<std::int64_t>(size);
  if (position < 0 || end > file_->size()) return nullptr;
  if (position < window_position_ || end > window_position_ + static_cast<std::int64_t>(window_.size())) {
    window_.resize(static_cast<std::size_t>(window_size_));
    window_position_ = position;
    const auto got = file_->read_at(position, window_);
    window_.resize(got ? *got : 0);
    if (!got && !fault_) fault_ = got.error();
    if (window_.size() < size) return nullptr;
  }
  return window_.data() + (position - window_position_);
}

std::optional<std::int32_t> IndexFileReader::slot(std::int64_t number) {
  const std::byte* bytes = at(format::index_slot_position(number), format::kIndexSlotSize);
  if (bytes == nullptr) return std::nullopt;
  return load_be<std::int32_t>(bytes);
}

std::optional<format::IndexEntry> IndexFileReader::entry(std::int64_t number) {
  const std::byte* bytes = at(format::index_entry_position(geometry_.slots, number), format::kIndexEntrySize);
  if (bytes == nullptr) return std::nullopt;
  return format::IndexEntry::load(bytes);
}

void IndexFileReader::find(std::int32_t hash, const TimeRange& range,
                           const std::function<bool(const IndexHit&)>& take) {
  if (!geometry_.known()) return;
  if ((range.until_ms && header_.begin_timestamp >= *range.until_ms) ||
      (range.since_ms && header_.end_timestamp < *range.since_ms)) {
    return;
  }
  std::int64_t number = slot(hash % geometry_.slots).value_or(0);
  // A sound chain has no more links than there are entries.
  for (std::int64_t steps = 0; number > 0 && number < entry_end_ && steps < entry_end_; ++steps) {
    const auto link = entry(number);
    if (!link || link->time_diff_seconds < 0) return;
    const std::int64_t time = saturated_add(header_.begin_timestamp, link->time_diff_seconds * kMsPerSecond);
    const bool in_time = (!range.since_ms || saturated_add(time, kMsPerSecond) > *range.since_ms) &&
                         (!range.until_ms || time < *range.until_ms);
    if (link->key_hash == hash && in_time && !take({number, link->phy_offset, time})) return;
    if (link->prev_index == number) return;
    number = link->prev_index;
  }
}

}  // namespace rmq::scan
