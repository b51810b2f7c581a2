#include "libstore/rocks/queue_files.h"

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>
#include <utility>

#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/mapped_file_name.h"

namespace rmq::rocks {
namespace {

constexpr std::int64_t kUnitSize = format::kConsumeQueueEntrySize;
constexpr std::int64_t kMostUnitsPerFile = format::kDefaultConsumeQueueFileSize / kUnitSize;
// Byte positions of units up to here fit an i64.
constexpr std::int64_t kLastUnit = std::numeric_limits<std::int64_t>::max() / 64;
constexpr std::size_t kMostFaults = 20;

std::vector<std::byte> key_of(const RocksQueue& queue, std::int64_t unit) {
  return format::RocksQueueKey{queue.topic, queue.queue_id, unit}.encode();
}

// The unit's queue offset where the entry is one of the queue's.
std::optional<std::int64_t> unit_in(const std::optional<Entry>& entry, const RocksQueue& queue) {
  if (!entry) return std::nullopt;
  const auto key = format::RocksQueueKey::parse(entry->key);
  if (!key || key->topic != queue.topic || key->queue_id != queue.queue_id) return std::nullopt;
  if (key->queue_offset < 0 || key->queue_offset > kLastUnit) return std::nullopt;
  return key->queue_offset;
}

}  // namespace

// Some consecutive units of a queue.
class QueueFiles::File final : public io::ReadFile {
 public:
  File(const QueueFiles& owner, const RocksQueue& queue, std::int64_t first)
      : owner_(owner), queue_(queue), first_(first) {}

  std::int64_t size() const override { return owner_.units_per_file_ * kUnitSize; }
  std::int64_t next_data(std::int64_t position) const override {
    return position < data_end() ? position : size();
  }
  std::int64_t next_hole(std::int64_t position) const override { return std::max(position, data_end()); }

  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    if (position < 0 || position >= size()) return std::size_t{0};
    out = out.first(std::min(out.size(), static_cast<std::size_t>(size() - position)));
    std::ranges::fill(out, std::byte{0});
    if (out.empty()) return std::size_t{0};
    const std::int64_t from = first_ + position / kUnitSize;
    const std::int64_t to = first_ + (position + std::ssize(out) - 1) / kUnitSize;
    for (std::int64_t unit = from; unit <= std::min(to, queue_.first - 1); ++unit)
      put(format::kPreBlankEntry, unit, position, out);
    owner_.visit_from(queue_, from, [&](std::int64_t unit, const format::RocksQueueValue& value) {
      if (unit > to) return false;
      put({value.commit_log_offset, value.size, value.tags_code}, unit, position, out);
      return true;
    });
    return out.size();
  }

 private:
  [[nodiscard]] std::int64_t data_end() const {
    return std::min(size(), (queue_.last + 1 - first_) * kUnitSize);
  }

  // The part of the unit that lies in `out`, which begins at `position` of the file.
  void put(const format::ConsumeQueueEntry& entry, std::int64_t unit, std::int64_t position,
           std::span<std::byte> out) const {
    std::array<std::byte, kUnitSize> bytes;
    entry.store(bytes.data());
    const std::int64_t at = (unit - first_) * kUnitSize - position;
    for (std::int64_t i = std::max<std::int64_t>(0, -at); i < kUnitSize && at + i < std::ssize(out); ++i)
      out[static_cast<std::size_t>(at + i)] = bytes[static_cast<std::size_t>(i)];
  }

  const QueueFiles& owner_;
  const RocksQueue& queue_;
  std::int64_t first_;
};

QueueFiles::QueueFiles(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, bool is_wanted)
    : files_(files), survey_(survey) {
  if (!survey.consume_queue_is_rocksdb || !is_wanted) return;
  const std::string& given = survey.config.consume_queue_directory;
  directory_ = given.empty() ? io::join_path(survey.root, "consumequeue") : given;
  auto database = Database::open(files, directory_);
  if (!database) {
    note(database.error().message());
    return;
  }
  database_ = *std::move(database);
  find_queues();
  read_ends();
  attach();
}

QueueFiles::~QueueFiles() = default;

// A few look-ups a queue, however many units it has.
void QueueFiles::find_queues() {
  const auto cursor = database_->cursor(kDefaultFamily);
  const auto back = database_->cursor(kDefaultFamily);
  for (cursor->seek_first(); const auto entry = cursor->entry();) {
    const auto key = format::RocksQueueKey::parse(entry->key);
    if (!key || key->queue_id < 0 || key->queue_offset < 0 || key->queue_offset > kLastUnit) {
      ++strange_entries_;
      cursor->next();
      continue;
    }
    RocksQueue queue;
    queue.topic = key->topic;
    queue.queue_id = key->queue_id;
    queue.first = key->queue_offset;
    back->seek_back(key_of(queue, kLastUnit));
    queue.last = unit_in(back->entry(), queue).value_or(queue.first);
    cursor->seek(key_of(queue, kLastUnit + 1));
    queues_.push_back(std::move(queue));
  }
  note(cursor->fault());
  note(back->fault());
  std::ranges::sort(queues_, {},
                    [](const RocksQueue& queue) { return std::tie(queue.topic, queue.queue_id); });
}

void QueueFiles::read_ends() {
  const auto cursor = database_->cursor(format::kRocksOffsetFamily);
  if (cursor == nullptr) return;
  for (cursor->seek_first(); const auto entry = cursor->entry(); cursor->next()) {
    const auto key = format::RocksOffsetKey::parse(entry->key);
    if (key && key->topic == format::kRocksCheckpointTopic) continue;
    const auto value = format::RocksOffsetValue::parse(entry->value);
    if (!key || !value) {
      ++strange_entries_;
      continue;
    }
    const auto order = [](const RocksQueue& queue) {
      return std::pair<std::string_view, std::int32_t>(queue.topic, queue.queue_id);
    };
    auto found = std::ranges::lower_bound(queues_, std::pair(key->topic, key->queue_id), {}, order);
    if (found == queues_.end() || order(*found) != std::pair(key->topic, key->queue_id)) {
      RocksQueue queue;
      queue.topic = key->topic;
      queue.queue_id = key->queue_id;
      found = queues_.insert(found, std::move(queue));
    }
    (key->is_max ? found->said_last : found->said_first) = value->queue_offset;
  }
  note(cursor->fault());
}

void QueueFiles::attach() {
  for (RocksQueue& queue : queues_) {
    queue.has_files = std::ranges::any_of(survey_.queues, [&](const scan::Queue& one) {
      return one.kind == scan::QueueKind::simple && one.topic == queue.topic &&
             one.queue_id == queue.queue_id;
    });
    if (!queue.has_files) units_per_file_ = std::max(units_per_file_, queue.last - queue.first + 1);
  }
  units_per_file_ = std::clamp<std::int64_t>(units_per_file_, 1, kMostUnitsPerFile);
  const auto cursor = database_->cursor(kDefaultFamily);
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    const RocksQueue& queue = queues_[i];
    if (queue.has_files || queue.last < queue.first) continue;
    scan::Queue shown;
    shown.topic = queue.topic;
    shown.queue_id = queue.queue_id;
    shown.directory = "consumequeue (RocksDB)/" + queue.topic + "/" + std::to_string(queue.queue_id);
    shown.files.file_size = units_per_file_ * kUnitSize;
    // Only files that hold a unit: a wild queue offset costs no more than another.
    for (std::optional<std::int64_t> unit = queue.first; unit;) {
      const std::int64_t first = *unit / units_per_file_ * units_per_file_;
      scan::MappedFile file;
      file.start = first * kUnitSize;
      file.size = shown.files.file_size;
      file.name = format::mapped_file_name(file.start);
      file.shown = shown.directory + "/" + file.name;
      file.path =
          directory_ + "\n" + file.shown;  // no file of the operating system is likely to be called that
      places_.emplace(file.path, Place{i, first});
      shown.files.files.push_back(std::move(file));
      cursor->seek(key_of(queue, first + units_per_file_));
      unit = unit_in(cursor->entry(), queue);
    }
    survey_.queues.push_back(std::move(shown));
  }
  note(cursor->fault());
  std::ranges::sort(survey_.queues, [](const scan::Queue& a, const scan::Queue& b) {
    return std::tie(a.topic, a.queue_id, a.kind) < std::tie(b.topic, b.queue_id, b.kind);
  });
}

void QueueFiles::visit_units(const RocksQueue& queue, const Visit& visit) const {
  visit_from(queue, 0, visit);
}

void QueueFiles::visit_from(const RocksQueue& queue, std::int64_t first, const Visit& visit) const {
  const auto cursor = database_->cursor(kDefaultFamily);
  for (cursor->seek(key_of(queue, first)); const auto unit = unit_in(cursor->entry(), queue);
       cursor->next()) {
    const auto value = format::RocksQueueValue::parse(cursor->entry()->value);
    if (!value) {
      note("the unit at " + std::to_string(*unit) + " of " + queue.topic + " queue " +
           std::to_string(queue.queue_id) + " has " + std::to_string(cursor->entry()->value.size()) +
           " bytes, and not " + std::to_string(format::kRocksQueueValueSize));
    } else if (!visit(*unit, *value)) {
      break;
    }
  }
  note(cursor->fault());
}

void QueueFiles::note(const std::string& fault) const {
  if (fault.empty()) return;
  const std::lock_guard lock(mutex_);
  if (faults_.size() < kMostFaults) faults_.insert(fault);
}

std::vector<std::string> QueueFiles::faults() const {
  const std::lock_guard lock(mutex_);
  return {faults_.begin(), faults_.end()};
}

Result<std::unique_ptr<io::ReadFile>> QueueFiles::open(const std::string& path) const {
  const auto place = places_.find(path);
  if (place == places_.end()) return files_.open(path);
  return std::unique_ptr<io::ReadFile>(new File(*this, queues_[place->second.queue], place->second.first));
}

Result<std::vector<io::DirectoryEntry>> QueueFiles::list(const std::string& directory) const {
  return files_.list(directory);
}
Result<io::DirectoryEntry> QueueFiles::stat(const std::string& path) const { return files_.stat(path); }

}  // namespace rmq::rocks
