#include "libstore/reindex/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/format/tags_code.h"

namespace rmq::reindex {

// ---- queues

QueueComparison::QueueComparison(const CompareContext& context, const scan::Queue* there, bool batch)
    : context_(context),
      there_(there),
      batch_(batch),
      unit_size_(batch ? format::kBatchConsumeQueueEntrySize : format::kConsumeQueueEntrySize) {
  if (there_ == nullptr || there_->files.files.empty()) return;
  units_.emplace(*context_.files, *there_);
  file_size_ = there_->files.file_size;
  const std::size_t in_order = recovery::files_in_order(*there_);
  for (std::size_t i = in_order; i < there_->files.files.size(); ++i) {
    ++wrong_;
    if (first_difference_.empty())
      first_difference_ =
          there_->files.files[i].shown + " does not follow the file before it, or has a wrong size";
  }
}

void QueueComparison::differs(std::int64_t number, std::string_view what) {
  if (first_difference_.empty()) first_difference_ = fmt::format("unit {}: {}", number, what);
}

bool QueueComparison::is_used(std::int64_t number) {
  const auto unit = units_ ? units_->unit(number) : std::nullopt;
  return unit && unit->used;
}

Status QueueComparison::take(const Stretch& stretch) {
  if (stretch.blank) return {};
  std::int64_t number = stretch.position / unit_size_;
  for (auto bytes = stretch.bytes; !bytes.empty();
       bytes = bytes.subspan(static_cast<std::size_t>(unit_size_)), ++number) {
    const auto unit = units_ ? units_->unit(number) : std::nullopt;
    if (!unit || !unit->used) {
      ++missing_;
      if (file_size_ > 0) files_with_room_.insert(number * unit_size_ / file_size_ * file_size_);
      differs(number, fmt::format("missing, of the message at {}", load_be<std::int64_t>(bytes.data())));
    } else if (!is_same(*unit, bytes)) {
      ++wrong_;
      differs(number,
              fmt::format(
                  "leads to {}, of {} bytes, with tags code {}, and should lead to {}, of {} bytes, with {}",
                  unit->entry.commit_log_offset, unit->entry.size, unit->entry.tags_code,
                  load_be<std::int64_t>(bytes.data()), load_be<std::int32_t>(bytes.data() + 8),
                  load_be<std::int64_t>(bytes.data() + 12)));
    }
  }
  return {};
}

// Both kinds of units begin with offset, size and tags code.
bool QueueComparison::is_same(const recovery::Unit& unit, std::span<const std::byte> wanted) {
  const auto entry = format::ConsumeQueueEntry::load(wanted.data());
  if (unit.entry.commit_log_offset != entry.commit_log_offset || unit.entry.size != entry.size) return false;
  if (batch_) {
    const auto batch = format::BatchConsumeQueueEntry::load(wanted.data());
    return unit.entry.tags_code == entry.tags_code && unit.queue_offset == batch.base_offset &&
           unit.messages == batch.batch_size;
  }
  const std::int64_t tags = unit.entry.tags_code;
  if (tags == entry.tags_code) return true;
  const bool may_be_ext = format::is_ext_address(tags);
  // Which levels the broker had is not written in the store.
  const bool may_be_delay =
      there_->topic == format::kScheduleTopic && context_.survey->config.message_delay_level.empty();
  if (!may_be_ext && !may_be_delay) return false;
  const auto stored = store_timestamp_at(entry.commit_log_offset);
  if (!stored) return false;
  if (may_be_ext) return units_->ext_says(tags, entry.tags_code, *stored);
  const std::int64_t delay = tags - *stored;
  return delay > 0 && delay % 1000 == 0;
}

std::optional<std::int64_t> QueueComparison::store_timestamp_at(std::int64_t log_offset) {
  const auto& files = context_.survey->commit_log.files;
  const auto behind = std::ranges::upper_bound(files, log_offset, {}, &scan::MappedFile::start);
  if (behind == files.begin()) return std::nullopt;
  const scan::MappedFile& mapped = *std::prev(behind);
  if (!log_file_ || log_file_start_ != mapped.start) {
    auto opened = context_.files->open(mapped.path);
    if (!opened) return std::nullopt;
    log_file_ = std::move(*opened);
    log_file_start_ = mapped.start;
  }
  std::array<std::byte, format::kMinRecordSize> head{};
  const auto got = log_file_->read_at(log_offset - mapped.start, head);
  if (!got || *got < head.size()) return std::nullopt;
  const auto sys_flag = load_be<std::int32_t>(head.data() + format::kRecordSysFlagOffset);
  const std::size_t host = (sys_flag & format::kSysFlagBornHostV6) != 0 ? 20 : 8;
  return load_be<std::int64_t>(head.data() + format::kRecordBornHostOffset + host);
}

void QueueComparison::finish(const QueueShape& shape) {
  if (!units_) return;
  const std::int64_t used_end = units_->used_end();
  const std::int64_t from = shape.units > 0 ? shape.end : units_->first();
  for (std::int64_t number = std::max(from, units_->first()); number < used_end; ++number) {
    const auto unit = units_->unit(number);
    if (!unit || !unit->used || unit->entry.is_pre_blank()) continue;
    if (shape.units == 0 && unit->entry.commit_log_offset < context_.log_begin) continue;
    ++extra_;
    differs(number, fmt::format("leads to {}, where the log has no message of this queue",
                                unit->entry.commit_log_offset));
  }
  if (shape.units == 0) return;
  for (std::int64_t number = shape.first; number-- > units_->first();) {
    const auto unit = units_->unit(number);
    if (!unit || !unit->used || unit->entry.is_pre_blank() ||
        unit->entry.commit_log_offset < context_.log_begin)
      break;
    ++extra_;
    differs(number, fmt::format("leads to {}, where the log has no message of this queue",
                                unit->entry.commit_log_offset));
  }
}

QueueFiller::QueueFiller(io::FileSystem& files, const scan::Queue& there, QueueComparison& compared,
                         std::string aside)
    : files_(files), there_(there), compared_(compared), aside_(std::move(aside)) {}

Status QueueFiller::begin_file(std::int64_t start) {
  RMQ_CHECK(finish());
  file_start_ = start;
  skips_ = !compared_.files_with_room().contains(start);
  if (skips_) return {};
  const std::string name = format::mapped_file_name(start);
  RMQ_TRY(made, files_.create_unsynced(io::join_path(aside_, name), there_.files.file_size));
  file_ = std::move(made);
  made_.push_back(name);
  const auto old = std::ranges::find(there_.files.files, start, &scan::MappedFile::start);
  if (old == there_.files.files.end()) return {};
  RMQ_TRY(source, files_.open(old->path));
  std::vector<std::byte> bytes;
  const std::int64_t size = std::min(source->size(), there_.files.file_size);
  for (std::int64_t at = source->next_data(0); at < size; at = source->next_data(at)) {
    bytes.resize(static_cast<std::size_t>(std::min<std::int64_t>(size - at, 1 << 20)));
    RMQ_TRY(got, source->read_at(at, bytes));
    if (got == 0) break;
    RMQ_CHECK(file_->write_at(at, std::span(bytes).first(got)));
    bytes_ += static_cast<std::int64_t>(got);
    at += static_cast<std::int64_t>(got);
  }
  return {};
}

Status QueueFiller::take(const Stretch& stretch) {
  const std::int64_t file_size = there_.files.file_size;
  const std::int64_t start = stretch.position / file_size * file_size;
  if (start != file_start_) RMQ_CHECK(begin_file(start));
  if (skips_) return {};
  timestamp_ = std::max(timestamp_, stretch.last_timestamp);
  const std::int64_t unit = recovery::unit_size_of(there_.kind);
  const std::int64_t first = stretch.position / unit;
  const std::int64_t count = std::ssize(stretch.bytes) / unit;
  for (std::int64_t i = 0; i < count;) {
    if (compared_.is_used(first + i)) {
      ++i;
      continue;
    }
    std::int64_t end = i;
    while (end < count && !compared_.is_used(first + end)) ++end;
    RMQ_CHECK(file_->write_at((first + i) * unit - start,
                              stretch.bytes.subspan(static_cast<std::size_t>(i * unit),
                                                    static_cast<std::size_t>((end - i) * unit))));
    bytes_ += (end - i) * unit;
    i = end;
  }
  return {};
}

Status QueueFiller::finish() {
  if (!file_) return {};
  file_.reset();
  return timestamp_ > 0
             ? files_.set_modified(io::join_path(aside_, made_.back()), std::exchange(timestamp_, 0))
             : Status();
}

// ---- the index

namespace {

// The entries of all files, one behind the other.
class Entries {
 public:
  Entries(const io::ReadFileSystem& files, const std::vector<recovery::IndexFilePart>& parts)
      : files_(files), parts_(parts) {
    settle();
  }
  [[nodiscard]] std::size_t file() const { return file_; }
  [[nodiscard]] std::int32_t number() const { return number_; }
  [[nodiscard]] bool at_end() const { return file_ == parts_.size(); }
  [[nodiscard]] Result<format::IndexEntry> peek() {
    if (window_file_ != file_ || number_ < window_first_ || number_ >= window_end_) RMQ_CHECK(load());
    return format::IndexEntry::load(window_.data() +
                                    std::int64_t{number_ - window_first_} * format::kIndexEntrySize);
  }
  void skip() {
    ++number_;
    settle();
  }

 private:
  static constexpr std::int32_t kWindow = 8192;

  [[nodiscard]] std::int32_t end_of(const recovery::IndexFilePart& part) const {
    return part.sound ? part.header.index_count : 1;  // of a broken file no entry can be believed
  }
  void settle() {
    while (file_ < parts_.size() && number_ >= end_of(parts_[file_])) {
      ++file_;
      number_ = 1;
    }
  }
  Status load() {
    const recovery::IndexFilePart& part = parts_[file_];
    if (window_file_ != file_ || !source_) {
      RMQ_TRY(opened, files_.open(part.info.path));
      source_ = std::move(opened);
      window_file_ = file_;
    }
    const std::int32_t count = std::min(kWindow, part.header.index_count - number_);
    window_.resize(static_cast<std::size_t>(count) * format::kIndexEntrySize);
    RMQ_TRY(got, source_->read_at(format::index_entry_position(part.geometry.slots, number_), window_));
    if (got < window_.size()) return Error{ErrorCode::io_error, 0, part.info.path + " has become shorter"};
    window_first_ = number_;
    window_end_ = number_ + count;
    return {};
  }

  const io::ReadFileSystem& files_;
  const std::vector<recovery::IndexFilePart>& parts_;
  std::size_t file_ = 0;
  std::int32_t number_ = 1;
  std::unique_ptr<io::ReadFile> source_;
  std::vector<std::byte> window_;
  std::size_t window_file_ = SIZE_MAX;
  std::int32_t window_first_ = 0;
  std::int32_t window_end_ = 0;
};

class IndexComparer {
 public:
  IndexComparer(const CompareContext& context, IndexComparison& into)
      : context_(context), into_(into), entries_(*context.files, into.files) {}

  Status take(std::int64_t number, const IndexKey& key) {
    while (!entries_.at_end()) {
      RMQ_TRY(entry, entries_.peek());
      if (entry.phy_offset > key.log_offset) break;
      if (entry.phy_offset == key.log_offset && entry.key_hash == key.hash) {
        check(entry, key);
        pass(entry);
        return {};
      }
      // Stock puts the last message's keys again after a kill.
      const bool again = entry.phy_offset == last_offset_ &&
                         std::ranges::find(last_hashes_, entry.key_hash) != last_hashes_.end();
      const bool expired = entry.phy_offset < context_.log_begin;
      if (entry.phy_offset == key.log_offset && !again) break;
      if (!again && !expired) stray(entry);
      pass(entry);
    }
    lacks(number, key);
    return {};
  }

  Status finish() {
    while (!entries_.at_end()) {
      RMQ_TRY(entry, entries_.peek());
      const bool again = entry.phy_offset == last_offset_ &&
                         std::ranges::find(last_hashes_, entry.key_hash) != last_hashes_.end();
      if (!again && entry.phy_offset >= context_.log_begin) stray(entry);
      pass(entry);
    }
    return {};
  }

 private:
  IndexFileVerdict& verdict() { return into_.verdicts[entries_.file()]; }

  void differs(IndexFileVerdict& verdict, std::string text) {
    if (verdict.first_difference.empty()) verdict.first_difference = std::move(text);
  }

  void stray(const format::IndexEntry& entry) {
    ++verdict().wrong;
    differs(verdict(), fmt::format("entry {} leads to {}, where the log has no message with this key",
                                   entries_.number(), entry.phy_offset));
  }

  // Seconds since the file's first message; the first entry counts from where the file before ended.
  void check(const format::IndexEntry& entry, const IndexKey& key) {
    const format::IndexHeader& header = into_.files[entries_.file()].header;
    const bool right =
        entries_.number() > 1
            ? entry.time_diff_seconds == format::index_time_diff(header.begin_timestamp, key.store_timestamp)
            : header.begin_timestamp == key.store_timestamp;
    if (right) return;
    ++verdict().wrong;
    differs(verdict(), fmt::format("entry {} has a wrong time", entries_.number()));
  }

  void pass(const format::IndexEntry& entry) {
    if (entry.phy_offset != last_offset_) last_hashes_.clear();
    last_offset_ = entry.phy_offset;
    last_hashes_.push_back(entry.key_hash);
    ++verdict().entries;
    entries_.skip();
  }

  void lacks(std::int64_t number, const IndexKey& key) {
    if (!entries_.at_end() && entries_.number() > 1) {
      ++verdict().missing;
      differs(verdict(), fmt::format("before entry {} a key of the message at {} is missing",
                                     entries_.number(), key.log_offset));
      return;
    }
    std::vector<IndexGap>& gaps = into_.gaps;
    if (!gaps.empty() && gaps.back().end == number && gaps.back().before == entries_.file()) {
      ++gaps.back().end;
    } else {
      gaps.push_back({number, number + 1, entries_.file()});
    }
  }

  CompareContext context_;
  IndexComparison& into_;
  Entries entries_;
  std::int64_t last_offset_ = -1;
  std::vector<std::int32_t> last_hashes_;  // of the entries of that message
};

}  // namespace

Result<IndexComparison> compare_index(const CompareContext& context, const Harvest& harvest, std::size_t jobs,
                                      const std::function<bool()>& cancelled) {
  IndexComparison comparison;
  recovery::PlanOptions options;
  options.jobs = jobs;
  options.cancelled = cancelled;
  comparison.files = recovery::IndexCheck::check(*context.files, *context.survey, 0, options).files();
  if (cancelled && cancelled()) return Error{ErrorCode::cancelled, 0, "comparing the index"};
  for (const recovery::IndexFilePart& part : comparison.files) {
    IndexFileVerdict& verdict = comparison.verdicts.emplace_back();
    if (part.sound) continue;
    verdict.wrong = 1;
    verdict.first_difference = "its size, its header or its chains are broken";
  }
  IndexComparer comparer(context, comparison);
  std::int64_t number = 0;
  RMQ_CHECK(harvest.visit_keys(
      0, harvest.keys(), [&](std::int64_t begin, std::span<const KeyEntry> keys) -> Status {
        for (const KeyEntry& key : keys) {
          const IndexKey one{static_cast<std::int32_t>(key.hash), begin + key.offset_in_part,
                             key.store_timestamp};
          if (Status taken = comparer.take(number++, one); !taken) return taken;
        }
        return cancelled && cancelled() ? Status(Error{ErrorCode::cancelled, 0, "comparing the index"})
                                        : Status();
      }));
  RMQ_CHECK(comparer.finish());
  return comparison;
}

}  // namespace rmq::reindex
