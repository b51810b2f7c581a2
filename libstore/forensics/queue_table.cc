#include "libstore/forensics/queue_table.h"

#include <algorithm>

namespace rmq::forensics {

QueueState::QueueState(const scan::Queue& queue) : queue_(&queue), unit_size_(unit_size_of(queue)) {
  const auto& files = queue.files.files;
  bits_.resize(files.size());
  if (files.empty()) return;
  first_unit_ = files.front().start / unit_size_;
}

const scan::MappedFile* QueueState::file_of(UnitNumber unit) const {
  if (!is_possible_unit(unit)) return nullptr;
  const auto& files = queue_->files.files;
  const std::int64_t position = unit * unit_size_;
  auto after = std::ranges::upper_bound(files, position, {}, &scan::MappedFile::start);
  if (after == files.begin()) return nullptr;
  const scan::MappedFile& file = *std::prev(after);
  return position - file.start + unit_size_ <= room_in(file) ? &file : nullptr;
}

std::int64_t QueueState::room_in(const scan::MappedFile& file) const {
  const auto& files = queue_->files.files;
  const auto next = std::ranges::upper_bound(files, file.start, {}, &scan::MappedFile::start);
  return next == files.end() ? file.size : std::min(file.size, next->start - file.start);
}

void QueueState::confirm(UnitNumber first, std::int64_t count) {
  const std::lock_guard lock(mutex_);
  first_confirmed_ = std::min(first_confirmed_, first);
  last_confirmed_ = std::max(last_confirmed_, first + count - 1);
  for (UnitNumber unit = first; count > 0;) {
    const scan::MappedFile* const file = file_of(unit);
    if (file == nullptr) return;  // nobody confirms what no file holds
    const std::int64_t begin = file->start / unit_size_;
    std::vector<std::uint64_t>& words = bits_[static_cast<std::size_t>(file - queue_->files.files.data())];
    std::int64_t here = std::min(count, room_in(*file) / unit_size_ - (unit - begin));
    count -= here;
    const auto needed = static_cast<std::size_t>((unit - begin + here + 63) / 64);
    if (words.size() < needed) words.resize(std::max(needed, words.size() + words.size() / 2));
    while (here > 0) {
      const auto bit = static_cast<std::uint64_t>(unit - begin);
      const std::uint64_t in_word = bit % 64;
      const auto step = std::min<std::uint64_t>(64 - in_word, static_cast<std::uint64_t>(here));
      const std::uint64_t mask = (step == 64 ? ~0ULL : ((1ULL << step) - 1)) << in_word;
      std::uint64_t& word = words[bit / 64];
      confirmed_units_ += static_cast<std::int64_t>(step) - std::popcount(word & mask);
      word |= mask;
      unit += static_cast<std::int64_t>(step);
      here -= static_cast<std::int64_t>(step);
    }
  }
}

void QueueState::note_generation(std::int64_t log_offset) {
  const std::lock_guard lock(mutex_);
  generation_start_ = std::max(generation_start_, log_offset);
}

const BatchRuns& QueueState::batch_runs(const io::ReadFileSystem& files) const {
  std::call_once(batch_runs_once_, [&] { batch_runs_.emplace(files, *queue_); });
  return *batch_runs_;
}

bool QueueState::is_confirmed(UnitNumber unit) const {
  const scan::MappedFile* const file = file_of(unit);
  return file != nullptr && confirmed_in(*file).test(unit - file->start / unit_size_);
}

ConfirmedUnits QueueState::confirmed_in(const scan::MappedFile& file) const {
  return {bits_[static_cast<std::size_t>(&file - queue_->files.files.data())]};
}

std::int64_t ConfirmedUnits::next(std::int64_t from, std::int64_t end) const {
  const std::int64_t last = std::min(end, std::ssize(words) * 64);
  while (from < last && !test(from))
    from += words[static_cast<std::size_t>(from / 64)] == 0 ? 64 - from % 64 : 1;
  return from < last ? from : end;
}

QueueTable::QueueTable(const scan::StoreSurvey& survey) {
  states_.reserve(survey.queues.size());
  for (const scan::Queue& queue : survey.queues) {
    states_.push_back(std::make_unique<QueueState>(queue));
    const Key key{queue.topic, queue.queue_id};
    if (queue.kind == scan::QueueKind::batch) {
      by_key_[key] = states_.back().get();
    } else {
      by_key_.try_emplace(key, states_.back().get());
    }
  }
}

QueueState* QueueTable::find(std::string_view topic, std::int32_t queue_id) const {
  const auto found = by_key_.find(Key{topic, queue_id});
  return found == by_key_.end() ? nullptr : found->second;
}

bool QueueTable::has_topic(std::string_view topic) const {
  const auto found = std::ranges::lower_bound(
      states_, topic, {}, [](const auto& state) -> std::string_view { return state->queue().topic; });
  return found != states_.end() && (*found)->queue().topic == topic;
}

UnitReader::UnitReader(const io::ReadFileSystem& files, const QueueState& state, std::size_t window_bytes)
    : files_(files), state_(state), unit_size_(state.unit_size()), window_bytes_(window_bytes) {}

const std::byte* UnitReader::load(UnitNumber number) {
  if (number < 0) return nullptr;
  const scan::MappedFile* mapped = state_.file_of(number);
  if (mapped == nullptr) return nullptr;
  if (mapped != mapped_ || file_ == nullptr) {
    auto opened = files_.open(mapped->path);
    if (!opened) return nullptr;
    file_ = std::move(*opened);
    mapped_ = mapped;
  }
  const std::int64_t position = number * unit_size_ - mapped->start;
  const std::int64_t units = std::max<std::int64_t>(static_cast<std::int64_t>(window_bytes_) / unit_size_, 1);
  const std::int64_t bytes =
      std::min(units * unit_size_, (state_.room_in(*mapped) - position) / unit_size_ * unit_size_);
  window_.resize(static_cast<std::size_t>(bytes));
  const auto got = file_->read_at(position, window_);
  if (!got || *got < static_cast<std::size_t>(unit_size_)) {
    window_first_ = window_end_ = 0;
    return nullptr;
  }
  window_first_ = number;
  window_end_ = number + static_cast<std::int64_t>(*got) / unit_size_;
  return window_.data();
}

std::optional<format::ConsumeQueueEntry> UnitReader::entry(UnitNumber number) {
  const std::byte* bytes = unit(number);
  if (bytes == nullptr) return std::nullopt;
  return format::ConsumeQueueEntry::load(bytes);  // a batch unit begins with the same three fields
}

std::optional<UnitNumber> UnitReader::find_batch(std::int64_t base_offset) {
  const auto found = state_.batch_runs(files_).find(
      base_offset, next_batch_, [&](UnitNumber number) -> std::optional<std::int64_t> {
        const std::byte* bytes = unit(number);
        if (bytes == nullptr) return std::nullopt;
        return format::BatchConsumeQueueEntry::load(bytes).base_offset;
      });
  if (found) next_batch_ = *found + 1;
  return found;
}

}  // namespace rmq::forensics
