#include "libstore/forensics/dump_index_lookup.h"

#include <algorithm>
#include <array>

#include "libstore/base/saturate.h"
#include "libstore/bytes/big_endian.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kWindow = 64 << 10;
// Open files at a time: a lookup over many topics comes back to the same files.
constexpr std::size_t kOpenLimit = 64;
constexpr std::int64_t kMsPerSecond = 1000;

}  // namespace

IndexFileReader::IndexFileReader(std::unique_ptr<io::ReadFile> file, const scan::IndexGeometry& geometry)
    : file_(std::move(file)), geometry_(geometry) {
  std::array<std::byte, format::kIndexHeaderSize> bytes;
  const auto got = file_->read_at(0, bytes);
  failed_ = !got;
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
    window_.resize(static_cast<std::size_t>(kWindow));
    window_position_ = position;
    const auto got = file_->read_at(position, window_);
    window_.resize(got ? *got : 0);
    failed_ = failed_ || !got;
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

IndexLookup::IndexLookup(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                         DumpSummary& summary)
    : files_(files),
      survey_(survey),
      summary_(summary),
      geometries_(scan::infer_index_geometries(files, survey)),
      open_(survey.index_files.size()) {
  for (std::size_t i = 0; i < geometries_.size(); ++i) {
    if (!geometries_[i].known()) {
      summary.notes.push_back(survey.index_files[i].shown +
                              ": how many slots it has cannot be told, so it was not searched");
    }
  }
}

std::vector<IndexHit> IndexLookup::find(std::string_view topic, std::string_view key,
                                        const TimeRange& range) {
  std::vector<IndexHit> hits;
  const std::int32_t hash = format::index_key_hash(topic, key);
  for (std::size_t i = survey_.index_files.size(); i-- > 0;) {
    if (geometries_[i].known()) find_in(i, hash, range, hits);
  }
  return hits;
}

void IndexLookup::find_in(std::size_t file_index, std::int32_t hash, const TimeRange& range,
                          std::vector<IndexHit>& hits) {
  if (open_[file_index] == nullptr) {
    if (static_cast<std::size_t>(std::ranges::count_if(open_, [](const auto& o) { return o != nullptr; })) >=
        kOpenLimit) {
      for (auto& reader : open_) reader.reset();
    }
    auto opened = files_.open(survey_.index_files[file_index].path);
    if (!opened) {
      summary_.faults.push_back(opened.error().message());
      return;
    }
    open_[file_index] = std::make_unique<IndexFileReader>(*std::move(opened), geometries_[file_index]);
  }
  IndexFileReader& index = *open_[file_index];
  const format::IndexHeader& header = index.header();
  if ((range.until_ms && header.begin_timestamp >= *range.until_ms) ||
      (range.since_ms && header.end_timestamp < *range.since_ms)) {
    return;
  }
  std::int64_t number = index.slot(hash % index.geometry().slots).value_or(0);
  // A sound chain has no more links than there are entries.
  for (std::int64_t steps = 0; number > 0 && number < index.entry_end() && steps < index.entry_end();
       ++steps) {
    const auto entry = index.entry(number);
    if (!entry || entry->time_diff_seconds < 0) return;
    const std::int64_t time = saturated_add(header.begin_timestamp, entry->time_diff_seconds * kMsPerSecond);
    const bool in_time = (!range.since_ms || saturated_add(time, kMsPerSecond) > *range.since_ms) &&
                         (!range.until_ms || time < *range.until_ms);
    if (entry->key_hash == hash && in_time) {
      hits.push_back({survey_.index_files[file_index].name, number, entry->phy_offset, time});
    }
    if (entry->prev_index == number) return;
    number = entry->prev_index;
  }
}

}  // namespace rmq::forensics
