#include "libstore/forensics/dump_queue_table.h"

#include <algorithm>
#include <array>
#include <limits>

#include "libstore/base/saturate.h"
#include "libstore/forensics/dump_record.h"
#include "libstore/format/consume_queue_ext_unit.h"

namespace rmq::forensics {
namespace {

// One refill reads this much of a queue: 400 units, two pages.
constexpr std::int64_t kWindow = 8192;
// All windows together; beyond it those that are not in use are dropped.
constexpr std::int64_t kWindowBytesLimit = 64 << 20;
constexpr std::size_t kFaultsLimit = 100;
// Of one batch queue: some more than the long steps of a search.
constexpr std::size_t kKnownBases = 512;
// Recovery looks at this many files from the end (ConsumeQueue.recover).
constexpr std::size_t kRecoveredFiles = 3;

std::string queue_name(std::string_view topic, std::int32_t queue_id) {
  return std::string(topic) + '/' + std::to_string(queue_id);
}

}  // namespace

struct DumpQueueTable::State {
  const scan::Queue* queue = nullptr;
  std::int64_t unit_size = 0;
  std::mutex mutex;
  std::optional<QueueBounds> bounds;
  std::vector<std::byte> window;
  std::int64_t window_position = 0;
  // Batch queues: the base offset each file begins with, and those that searches come across most.
  std::optional<std::vector<std::int64_t>> first_bases;
  std::unordered_map<std::int64_t, std::int64_t> bases;
};

DumpQueueTable::DumpQueueTable(const io::ReadFileSystem& files, const scan::StoreSurvey& survey)
    : files_(files), survey_(survey), compaction_(files, survey), all_expired_moves_(survey.left_by_5x() != nullptr) {
  if (!survey.commit_log.files.empty()) log_start_ = survey.commit_log.files.front().start;
  queues_.reserve(survey.queues.size());
  for (const scan::Queue& queue : survey.queues) {
    auto state = std::make_unique<State>();
    state->queue = &queue;
    state->unit_size = queue.kind == scan::QueueKind::batch ? format::kBatchConsumeQueueEntrySize
                                                            : format::kConsumeQueueEntrySize;
    by_name_.try_emplace(queue_name(queue.topic, queue.queue_id), queues_.size());
    queues_.push_back(std::move(state));
  }
}

DumpQueueTable::~DumpQueueTable() = default;

const scan::Queue& DumpQueueTable::queue(std::size_t index) const { return *queues_[index]->queue; }

std::optional<std::size_t> DumpQueueTable::find(std::string_view topic, std::int32_t queue_id) const {
  const auto found = by_name_.find(queue_name(topic, queue_id));
  if (found == by_name_.end()) return std::nullopt;
  return found->second;
}

QueueBounds DumpQueueTable::bounds(std::size_t index) {
  limit_windows();
  State& state = *queues_[index];
  const std::lock_guard lock(state.mutex);
  if (!state.bounds) state.bounds = find_bounds(state);
  return *state.bounds;
}

std::optional<QueueUnit> DumpQueueTable::unit(std::size_t index, std::int64_t queue_offset) {
  limit_windows();
  State& state = *queues_[index];
  const std::lock_guard lock(state.mutex);
  if (!state.bounds) state.bounds = find_bounds(state);
  const QueueBounds& bounds = *state.bounds;
  if (queue_offset < bounds.min_offset || queue_offset >= bounds.max_offset) return std::nullopt;
  std::int64_t position = queue_offset * state.unit_size;
  if (state.queue->kind == scan::QueueKind::batch) {
    const auto found = find_batch(state, bounds, queue_offset);
    if (!found) return std::nullopt;
    position = *found;
  }
  return load(state, position);
}

std::optional<QueueUnit> DumpQueueTable::unit_at(std::size_t index, std::int64_t position) {
  limit_windows();
  State& state = *queues_[index];
  const std::lock_guard lock(state.mutex);
  return load(state, position);
}

std::vector<std::string> DumpQueueTable::faults() const {
  const std::lock_guard lock(faults_mutex_);
  return faults_;
}

void DumpQueueTable::note_fault(const Error& error) {
  const std::lock_guard lock(faults_mutex_);
  std::string text = error.message();
  if (faults_.size() < kFaultsLimit && std::ranges::find(faults_, text) == faults_.end()) faults_.push_back(std::move(text));
}

// Windows are a cache: when all queues together hold too much, all are let go.
void DumpQueueTable::limit_windows() {
  if (window_bytes_.load(std::memory_order_relaxed) <= kWindowBytesLimit) return;
  for (const auto& state : queues_) {
    const std::unique_lock lock(state->mutex, std::try_to_lock);
    if (!lock.owns_lock()) continue;
    window_bytes_.fetch_sub(static_cast<std::int64_t>(state->window.capacity()), std::memory_order_relaxed);
    state->window = {};
  }
}

// The bytes at `position`: at least `wanted` of them, or fewer where the file ends.
std::span<const std::byte> DumpQueueTable::window(State& state, std::int64_t position, std::int64_t wanted) {
  const auto have = static_cast<std::int64_t>(state.window.size());
  if (position >= state.window_position && position + wanted <= state.window_position + have) {
    return std::span<const std::byte>(state.window)
        .subspan(static_cast<std::size_t>(position - state.window_position));
  }
  const auto& files = state.queue->files.files;
  auto file = std::ranges::upper_bound(files, position, {}, &scan::MappedFile::start);
  if (file == files.begin()) return {};
  --file;
  if (position >= file->start + file->size) return {};
  const auto opened = files_.open(file->path);
  if (!opened) {
    note_fault(opened.error());
    return {};
  }
  const std::size_t before = state.window.capacity();
  state.window.resize(static_cast<std::size_t>(kWindow));
  window_bytes_.fetch_add(static_cast<std::int64_t>(state.window.capacity() - before),
                          std::memory_order_relaxed);
  // Readers go both ways (a search, then on): start a little before what is asked for.
  const std::int64_t from = std::max<std::int64_t>(position - file->start - kWindow / 8, 0);
  // Files that are longer than they should be overlap the next one, and that one counts.
  if (const auto next = std::next(file); next != files.end() && next->start - file->start - from < kWindow) {
    state.window.resize(static_cast<std::size_t>(next->start - file->start - from));
  }
  const auto got = (*opened)->read_at(from, state.window);
  if (!got) {
    state.window.clear();
    note_fault(got.error());
    return {};
  }
  state.window.resize(*got);
  state.window_position = file->start + from;
  const auto skip = static_cast<std::size_t>(position - state.window_position);
  if (skip >= state.window.size()) return {};
  return std::span<const std::byte>(state.window).subspan(skip);
}

std::optional<QueueUnit> DumpQueueTable::load(State& state, std::int64_t position) {
  const auto bytes = window(state, position, state.unit_size);
  if (static_cast<std::int64_t>(bytes.size()) < state.unit_size) return std::nullopt;
  QueueUnit unit;
  if (state.queue->kind == scan::QueueKind::batch) {
    const auto entry = format::BatchConsumeQueueEntry::load(bytes.data());
    unit.queue_offset = entry.base_offset;
    unit.commit_log_offset = entry.commit_log_offset;
    unit.size = entry.size;
    unit.tags_code = unit.stored_tags_code = entry.tags_code;
    unit.store_timestamp = entry.store_timestamp;
    unit.batch_size = entry.batch_size;
    unit.compacted_offset = entry.compacted_offset;
    return unit;
  }
  const auto entry = format::ConsumeQueueEntry::load(bytes.data());
  unit.queue_offset = position / state.unit_size;
  unit.commit_log_offset = entry.commit_log_offset;
  unit.size = entry.size;
  unit.tags_code = unit.stored_tags_code = entry.tags_code;
  unit.pre_blank = entry.is_pre_blank();
  if (format::is_ext_address(entry.tags_code)) resolve_ext(state, unit);
  return unit;
}

// ConsumeQueueExt.get: where the ext unit cannot be read the address stays in the tags code's place.
void DumpQueueTable::resolve_ext(State& state, QueueUnit& unit) {
  const auto& files = state.queue->ext.files;
  const std::int64_t position = format::ext_offset(unit.stored_tags_code);
  auto file = std::ranges::upper_bound(files, position, {}, &scan::MappedFile::start);
  if (file == files.begin()) return;
  --file;
  const auto opened = files_.open(file->path);
  if (!opened) return note_fault(opened.error());
  std::array<std::byte, 32768> bytes;  // a unit's size is an i16
  const auto got = (*opened)->read_at(position - file->start, bytes);
  if (!got) return note_fault(got.error());
  const auto ext = format::ConsumeQueueExtUnit::parse(std::span<const std::byte>(bytes).first(*got));
  if (!ext) return;
  unit.tags_code = ext->tags_code;
  unit.ext = ExtContent{ext->size, ext->store_timestamp, {ext->bit_map.begin(), ext->bit_map.end()}};
}

QueueBounds DumpQueueTable::find_bounds(State& state) {
  const auto& files = state.queue->files.files;
  const bool batch = state.queue->kind == scan::QueueKind::batch;
  QueueBounds bounds;
  if (files.empty()) return bounds;
  for (std::size_t i = files.size() > kRecoveredFiles ? files.size() - kRecoveredFiles : 0; i < files.size();
       ++i) {
    const std::int64_t end = files[i].start + files[i].size / state.unit_size * state.unit_size;
    std::int64_t position = files[i].start;
    bounds.end_position = position;
    for (; position < end; position += state.unit_size) {
      const auto bytes = window(state, position, state.unit_size);
      if (static_cast<std::int64_t>(bytes.size()) < state.unit_size) break;
      if (batch ? !format::BatchConsumeQueueEntry::load(bytes.data()).is_used()
                : !format::ConsumeQueueEntry::load(bytes.data()).is_used()) {
        break;
      }
    }
    bounds.end_position = position;
    if (position < end) break;
  }
  bounds.used_position = bounds.end_position;
  cut_past_log(state, bounds);
  if (!batch) {
    bounds.max_offset = bounds.end_position / state.unit_size;
    find_minimum(state, bounds);
    return bounds;
  }
  const auto first = load(state, files.front().start);
  const auto last = last_unit(state, bounds.end_position);
  if (first && last) {
    bounds.min_offset = first->queue_offset;
    bounds.max_offset = saturated_add(last->queue_offset, last->batch_size);
  }
  return bounds;
}

// The unit in front of `end`, which may begin a file: then the last one of the file before.
std::optional<QueueUnit> DumpQueueTable::last_unit(State& state, std::int64_t end) {
  const auto& files = state.queue->files.files;
  for (std::size_t i = files.size(); i-- > 0;) {
    if (files[i].start >= end) continue;
    const std::int64_t file_end = files[i].start + files[i].size / state.unit_size * state.unit_size;
    return load(state, std::min(end, file_end) - state.unit_size);
  }
  return std::nullopt;
}

std::int64_t DumpQueueTable::log_end() {
  std::call_once(log_end_once_, [&] { log_end_ = forensics::log_end(files_, survey_); });
  return log_end_;
}

// ConsumeQueue.truncateDirtyLogicFiles: from the last file back, up to the first unit that leads past the
// log.
void DumpQueueTable::cut_past_log(State& state, QueueBounds& bounds) {
  if (survey_.commit_log.files.empty()) return;  // a queue by itself
  const auto leads_past = [&](std::int64_t position) {
    const auto bytes = window(state, position, state.unit_size);
    // Both kinds of unit begin with the commit log offset.
    return static_cast<std::int64_t>(bytes.size()) >= state.unit_size &&
           format::ConsumeQueueEntry::load(bytes.data()).commit_log_offset >= log_end();
  };
  const auto& files = state.queue->files.files;
  for (std::size_t i = files.size(); i-- > 0;) {
    if (files[i].start >= bounds.end_position) continue;
    if (leads_past(files[i].start)) {
      bounds.end_position = files[i].start;
      continue;
    }
    for (std::int64_t position = files[i].start; position < bounds.end_position;
         position += state.unit_size) {
      if (!leads_past(position)) continue;
      bounds.end_position = position;
      return;
    }
    return;
  }
}

// ConsumeQueue.correctMinOffset: the first unit that leads to where the commit log still is.
void DumpQueueTable::find_minimum(State& state, QueueBounds& bounds) {
  const auto& files = state.queue->files.files;
  const std::int64_t unit = state.unit_size;
  const auto offset_at = [&](std::int64_t position) -> std::optional<std::int64_t> {
    const auto bytes = window(state, position, unit);
    if (static_cast<std::int64_t>(bytes.size()) < unit) return std::nullopt;
    return format::ConsumeQueueEntry::load(bytes.data()).commit_log_offset;
  };
  const auto last = last_unit(state, bounds.end_position);
  bounds.min_offset = files.front().start / unit;
  if (last && last->commit_log_offset < log_start_) {
    if (all_expired_moves_) bounds.min_offset = bounds.max_offset;
    return;
  }
  for (const scan::MappedFile& file : files) {
    const std::int64_t end = std::min(file.start + file.size / unit * unit, bounds.end_position);
    for (std::int64_t position = file.start; position < end; position += unit) {
      const auto offset = offset_at(position);
      if (!offset) break;
      if (*offset < log_start_) continue;
      const auto bytes = window(state, position, unit);
      if (format::ConsumeQueueEntry::load(bytes.data()).is_pre_blank() && log_start_ == 0) continue;
      bounds.min_offset = position / unit;
      return;
    }
  }
}

// BatchConsumeQueue.searchOffsetFromCache and binarySearch: in the file with the highest first base offset
// that is not above the one asked for (the last of several), the last unit that begins at or below it.
// Nothing is remembered but bytes, so that the answer never depends on what was asked before.
std::optional<std::int64_t> DumpQueueTable::find_batch(State& state, const QueueBounds& bounds,
                                                       std::int64_t queue_offset) {
  const std::int64_t unit = state.unit_size;
  const auto& files = state.queue->files.files;
  if (!state.first_bases) {
    auto& bases = state.first_bases.emplace();
    for (const scan::MappedFile& file : files) {
      const auto first = file.start < bounds.end_position ? load(state, file.start) : std::nullopt;
      bases.push_back(first ? first->queue_offset : std::numeric_limits<std::int64_t>::max());
    }
  }
  std::optional<std::size_t> chosen;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::int64_t base = (*state.first_bases)[i];
    if (base <= queue_offset && (!chosen || base >= (*state.first_bases)[*chosen])) chosen = i;
  }
  if (!chosen) return std::nullopt;
  const std::int64_t start = files[*chosen].start;
  const auto base_at = [&](std::int64_t number, std::int64_t distance) -> std::optional<std::int64_t> {
    const std::int64_t position = start + number * unit;
    const bool far = distance * unit > kWindow;  // near ones lie in the window
    if (const auto known = far ? state.bases.find(position) : state.bases.end(); known != state.bases.end()) {
      return known->second;
    }
    const auto found = load(state, position);
    if (!found) return std::nullopt;
    if (far) {
      if (state.bases.size() >= kKnownBases) state.bases.clear();
      state.bases.emplace(position, found->queue_offset);
    }
    return found->queue_offset;
  };
  std::int64_t low = 0;  // begins at or below
  std::int64_t high = (std::min(start + files[*chosen].size, bounds.end_position) - start) / unit;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    const auto base = base_at(middle, high - low);
    if (base && *base <= queue_offset) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const auto found = load(state, start + low * unit);
  if (!found || found->queue_offset > queue_offset ||
      queue_offset >= saturated_add(found->queue_offset, found->batch_size)) {
    return std::nullopt;
  }
  return start + low * unit;
}

}  // namespace rmq::forensics
