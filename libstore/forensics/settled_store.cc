#include "libstore/forensics/settled_store.h"

#include <algorithm>
#include <array>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/dump_record.h"
#include "libstore/forensics/growing_log.h"
#include "libstore/forensics/queue_end.h"
#include "libstore/format/index_file.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/scan/commit_log_walker.h"
#include "libstore/scan/index_geometry.h"

namespace rmq::forensics {
namespace {

using format::ConsumeQueueEntry;

constexpr std::size_t kMostAsked = 1000;  // queue ends that are tried for the newest unit
constexpr std::int64_t kMaxStateFile = 256 << 20;
constexpr int kStateReads = 10;
constexpr std::int64_t kStateReadMs = 20;

struct MarkedRecord {
  std::int64_t offset = 0;
  std::int64_t end = 0;
  std::int64_t store_timestamp = 0;
};

}  // namespace

// What one look at the store saw.
class SettledStore::Look {
 public:
  Look(const io::ReadFileSystem& files, scan::StoreSurvey survey_now)
      : survey(std::move(survey_now)), files_(files) {
    const auto& log = survey.commit_log;
    if (!log.files.empty())
      space_end = log.files.back().start + std::max(log.files.back().size, log.file_size);
    read_state();
    for (const scan::Queue& queue : survey.queues) last_units.push_back(last_unit(files, queue));
    find_newest();
    find_end();
  }

  // How far the queues lead, whatever stands there; beyond the log's files nothing leads.
  [[nodiscard]] std::int64_t reach() const {
    std::int64_t farthest = -1;
    for (const LastUnit& unit : last_units) {
      if (unit.number >= 0 && unit.entry.commit_log_offset < space_end)
        farthest = std::max(farthest, unit.entry.commit_log_offset);
    }
    return farthest;
  }

  scan::StoreSurvey survey;
  std::int64_t space_end = 0;  // of the log's files
  // Read before anything else: what it says of the log is in the log.
  std::optional<std::vector<std::byte>> checkpoint;
  std::vector<LastUnit> last_units;    // by queue
  std::optional<MarkedRecord> newest;  // the record that the newest unit leads to
  std::int64_t log_end = 0;            // behind the last record that can be seen
  std::int64_t last_begin = 0;         // where that record starts
  std::int64_t last_timestamp = 0;     // store time of one of the log's last records
  bool last_is_whole = true;

 private:
  void read_state() {
    if (!survey.checkpoint) return;
    if (auto bytes = io::read_all(files_, survey.checkpoint->path, kMaxStateFile))
      checkpoint = *std::move(bytes);
  }

  // The newest unit that leads to a record of the size it says: one that is damaged is no mark.
  void find_newest() {
    std::vector<const LastUnit*> units;
    for (const LastUnit& unit : last_units) {
      if (unit.number >= 0) units.push_back(&unit);
    }
    std::ranges::sort(units, std::greater(),
                      [](const LastUnit* unit) { return unit->entry.commit_log_offset; });
    RecordReader records(files_, survey);
    for (std::size_t i = 0; i < std::min(units.size(), kMostAsked); ++i) {
      const ConsumeQueueEntry& entry = units[i]->entry;
      const auto record = records.read(entry.commit_log_offset);
      if (!record || record->message.total_size != entry.size) continue;
      newest = {entry.commit_log_offset, entry.commit_log_offset + entry.size,
                record->message.store_timestamp};
      return;
    }
  }

  void find_end() {
    const auto& log = survey.commit_log.files;
    log_end = newest ? newest->end : log.empty() ? 0 : log.front().start;
    last_timestamp = newest ? newest->store_timestamp : 0;
    if (survey.commit_log_is_dledger)
      return;  // its records do not follow each other: the newest unit is the end
    auto file = newest
                    ? std::prev(std::ranges::upper_bound(log, newest->offset, {}, &scan::MappedFile::start))
                    : last_begun();
    for (std::int64_t at = newest              ? newest->offset
                           : file == log.end() ? 0
                                               : file->start;
         file != log.end(); at = file->start) {
      const auto opened = files_.open(file->path);
      if (!opened) return;
      const VisibleRecords seen = visible_records(**opened, at - file->start);
      last_begin = file->start + seen.settled;
      log_end = last_begin + seen.last_size;
      look_at_last(**opened, seen);
      if (!seen.blank) return;
      log_end = file->start + (*opened)->size();
      if (++file == log.end()) return;
    }
  }

  void look_at_last(const io::ReadFile& file, const VisibleRecords& seen) {
    if (seen.last_size == 0) return;
    std::vector<std::byte> bytes(static_cast<std::size_t>(seen.last_size));
    const auto got = file.read_at(seen.settled, bytes);
    format::MessageView message;
    last_is_whole = got && *got == bytes.size() && looks_whole(bytes);
    if (last_is_whole && !format::MessageView::decode(bytes, message))
      last_timestamp = message.store_timestamp;
  }

  // The last file with a record.
  [[nodiscard]] std::vector<scan::MappedFile>::const_iterator last_begun() const {
    const auto& log = survey.commit_log.files;
    for (auto file = log.end(); file != log.begin();) {
      --file;
      const auto opened = files_.open(file->path);
      if (opened && has_begun(**opened)) return file;
    }
    return log.end();
  }

  const io::ReadFileSystem& files_;
};

// Everything of a file from `from` on reads as zeros; of an index file, what entries behind `entries` did.
struct SettledStore::Limit {
  std::int64_t from = 0;
  struct Index {
    std::int64_t slots = 0;
    std::int64_t entries = 0;  // entries 1..entries are shown
    format::IndexHeader header;
  };
  std::optional<Index> index;
};

struct SettledStore::QueueTail {
  std::string path;
  std::int64_t position = 0;
  std::array<std::byte, format::kConsumeQueueEntrySize> bytes{};
};

class SettledStore::View final : public io::ReadFile {
 public:
  // `file` may be nullptr: nothing but zeros.
  View(std::unique_ptr<io::ReadFile> file, std::int64_t size, const Limit& limit)
      : file_(std::move(file)), size_(size), limit_(limit) {}

  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    const std::int64_t there = std::clamp<std::int64_t>(size_ - position, 0, std::ssize(out));
    out = out.first(static_cast<std::size_t>(there));
    const std::int64_t shown = std::clamp<std::int64_t>(limit_.from - position, 0, there);
    if (shown > 0) {
      auto got = file_->read_at(position, out.first(static_cast<std::size_t>(shown)));
      if (!got || static_cast<std::int64_t>(*got) < shown) return got;
      if (limit_.index) undo_later_entries(position, out.first(static_cast<std::size_t>(shown)));
    }
    std::ranges::fill(out.subspan(static_cast<std::size_t>(shown)), std::byte{0});
    return static_cast<std::size_t>(there);
  }
  std::int64_t size() const override { return size_; }
  std::int64_t next_data(std::int64_t position) const override {
    const std::int64_t data = file_ == nullptr ? size_ : file_->next_data(position);
    return data < limit_.from ? data : size_;
  }
  std::int64_t next_hole(std::int64_t position) const override {
    return file_ == nullptr ? position
                            : std::min(file_->next_hole(position), std::max(position, limit_.from));
  }

 private:
  // The header as it was, and each slot with the entry that headed its chain: later entries lead back to it.
  void undo_later_entries(std::int64_t position, std::span<std::byte> out) const {
    const Limit::Index& index = *limit_.index;
    std::array<std::byte, format::kIndexHeaderSize> header{};
    index.header.store(header.data());
    for (std::int64_t at = position; at < std::min(position + std::ssize(out), format::kIndexHeaderSize);
         ++at) {
      out[static_cast<std::size_t>(at - position)] = header[static_cast<std::size_t>(at)];
    }
    const std::int64_t end = std::min(position + std::ssize(out), format::index_slot_position(index.slots));
    std::int64_t slot =
        std::max(position - format::kIndexHeaderSize, std::int64_t{0}) / format::kIndexSlotSize;
    for (; format::index_slot_position(slot) < end; ++slot) {
      const std::int64_t at = format::index_slot_position(slot);
      std::array<std::byte, format::kIndexSlotSize> bytes;
      const bool whole = at >= position && at + format::kIndexSlotSize <= position + std::ssize(out);
      if (whole) {
        std::copy_n(out.begin() + (at - position), bytes.size(), bytes.begin());
      } else if (const auto got = file_->read_at(at, bytes); !got || *got < bytes.size()) {
        continue;
      }
      const auto head = load_be<std::int32_t>(bytes.data());
      if (head <= index.entries) continue;
      store_be(bytes.data(), settled_head(head));
      for (std::int64_t i = 0; i < format::kIndexSlotSize; ++i) {
        const std::int64_t to = at + i - position;
        if (to >= 0 && to < std::ssize(out))
          out[static_cast<std::size_t>(to)] = bytes[static_cast<std::size_t>(i)];
      }
    }
  }

  [[nodiscard]] std::int32_t settled_head(std::int32_t head) const {
    const Limit::Index& index = *limit_.index;
    const std::int32_t given = head;
    for (std::int32_t number = head; number > 0;) {
      if (number <= index.entries) return number;
      std::array<std::byte, format::kIndexEntrySize> bytes;
      const std::int64_t at = format::index_entry_position(index.slots, number);
      const auto got = file_->read_at(at, bytes);
      if (at + format::kIndexEntrySize > size_ || !got || *got < bytes.size()) return given;
      const auto entry = format::IndexEntry::load(bytes.data());
      if (entry.prev_index >= number) return given;  // no chain goes that way: damage, and shown as it is
      number = entry.prev_index;
    }
    return 0;
  }

  std::unique_ptr<io::ReadFile> file_;
  std::int64_t size_;
  const Limit& limit_;
};

namespace {

class StateFile final : public io::ReadFile {
 public:
  explicit StateFile(const std::vector<std::byte>& bytes) : bytes_(bytes) {}
  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    const std::int64_t there = std::clamp<std::int64_t>(size() - position, 0, std::ssize(out));
    std::copy_n(bytes_.begin() + std::min(position, size()), there, out.begin());
    return static_cast<std::size_t>(there);
  }
  std::int64_t size() const override { return std::ssize(bytes_); }
  std::int64_t next_data(std::int64_t position) const override { return position; }
  std::int64_t next_hole(std::int64_t) const override { return size(); }

 private:
  const std::vector<std::byte>& bytes_;
};

// A small file that a broker writes again as a whole: read until it stays the same.
std::optional<std::vector<std::byte>> read_still(const io::ReadFileSystem& files, const std::string& path,
                                                 Waiter& waiter) {
  auto bytes = io::read_all(files, path, kMaxStateFile);
  for (int i = 0; i < kStateReads; ++i) {
    waiter.wait_ms(kStateReadMs);
    auto again = io::read_all(files, path, kMaxStateFile);
    if (!again && again.error().code == ErrorCode::not_found) return std::nullopt;
    if (bytes && again && !again->empty() && *bytes == *again) return *std::move(again);
    bytes = std::move(again);
  }
  if (!bytes) return std::nullopt;
  return *std::move(bytes);
}

}  // namespace

SettledStore::SettledStore(const io::ReadFileSystem& files, const Options& options)
    : files_(files), options_(options) {}

SettledStore::~SettledStore() = default;

Result<std::unique_ptr<SettledStore>> SettledStore::look(const io::ReadFileSystem& files,
                                                         const scan::StoreConfig& config,
                                                         const Options& options, Waiter& waiter) {
  const auto survey_now = [&] { return scan::survey_store(files, config); };
  RMQ_TRY(first, survey_now());
  if (first.single_file) return wrong_use(first.root + " is one file; --live needs a whole store");
  const Look before(files, std::move(first));
  waiter.wait_ms(options.look_ms);
  RMQ_TRY(second, survey_now());
  Look now(files, std::move(second));
  std::unique_ptr<SettledStore> store(new SettledStore(files, options));
  for (const scan::StoreFile& file : now.survey.config_files) {
    if (auto bytes = read_still(files, file.path, waiter))
      store->state_.emplace(file.path, *std::move(bytes));
  }
  for (const scan::OtherFile& file : now.survey.others) {
    if (file.part != scan::OtherPart::epoch) continue;
    if (auto bytes = read_still(files, file.path, waiter))
      store->state_.emplace(file.path, *std::move(bytes));
  }
  store->settle(before, now);
  return store;
}

void SettledStore::settle(const Look& before, Look& now) {
  log_end_ = now.log_end;
  const std::int64_t reach = now.reach();
  quiet_ = now.log_end == before.log_end && reach == before.reach();
  if (quiet_) {
    // A last record that is half written is not there yet; but one that a queue leads to was whole.
    settled_to_ = now.last_is_whole || reach >= now.last_begin ? now.log_end : now.last_begin;
  } else {
    // From the first look: the queues' ends were then found one after the other, and those that the second
    // look found are all behind it.
    settled_to_ = before.newest ? before.newest->offset : before.log_end;
  }
  if (!quiet_ && before.newest && now.survey.commit_log_is_dledger)
    settled_to_ -= format::kDledgerEntryHeaderSize;
  survey_ = std::move(now.survey);
  limit_queues(now);
  limit_index();
  limit_log();
  keep_state(before, now);
  // What is read as state, and the parts that are only named.
  std::erase_if(survey_.others, [&](const scan::OtherFile& other) {
    if (other.part == scan::OtherPart::epoch) return !state_.contains(other.path);
    return other.part != scan::OtherPart::rocksdb && other.part != scan::OtherPart::pop_kv;
  });
  for (scan::OtherFile& other : survey_.others) {
    if (other.part == scan::OtherPart::epoch) other.size = std::ssize(state_.at(other.path));
  }
  if (options_.broker_runs) survey_.abort.reset();
  const auto keep = [&](const auto& list) {
    for (const scan::StoreFile& file : list) by_path_.push_back(&file);
  };
  keep(survey_.commit_log.files);
  for (const scan::Queue& queue : survey_.queues) {
    keep(queue.files.files);
    keep(queue.ext.files);
  }
  keep(survey_.index_files);
  std::ranges::sort(by_path_, {},
                    [](const scan::StoreFile* file) -> const std::string& { return file->path; });
}

void SettledStore::limit_log() {
  auto& log = survey_.commit_log.files;
  std::erase_if(log, [&](const scan::MappedFile& file) { return file.start >= settled_to_; });
  if (log.empty() || settled_to_ >= log.back().start + log.back().size) return;
  auto limit = std::make_unique<Limit>();
  limit->from = settled_to_ - log.back().start;
  limits_.emplace(log.back().path, std::move(limit));
}

std::int64_t SettledStore::log_space_end() const {
  const scan::MappedFileSet& log = survey_.commit_log;
  std::set<std::string> directories;
  for (const scan::MappedFile& file : log.files)
    directories.insert(file.path.substr(0, file.path.size() - file.name.size()));
  std::int64_t end = 0;
  for (const std::string& directory : directories) {
    const auto entries = files_.list(directory);
    if (!entries) continue;
    for (const io::DirectoryEntry& entry : *entries) {
      const auto start = format::parse_mapped_file_name(entry.name);
      if (start && *start <= scan::kLargestFileStart)
        end = std::max(end, *start + std::max(entry.size, log.file_size));
    }
  }
  return end;
}

void SettledStore::limit_queues(const Look& now) {
  const std::int64_t space_end = log_space_end();
  // Where nothing moved, a unit that leads behind the mark does not lead to something new.
  const auto is_later = [&](const ConsumeQueueEntry& entry) {
    return !quiet_ && entry.commit_log_offset >= settled_to_ && entry.commit_log_offset < space_end;
  };
  for (std::size_t i = 0; i < survey_.queues.size(); ++i) {
    scan::Queue& queue = survey_.queues[i];
    auto& files = queue.files.files;
    const std::int64_t unit_size = unit_size_of(queue);
    UnitNumber end = now.last_units[i].number + 1;
    // From the last unit seen backwards, over those that lead behind the mark.
    std::optional<QueueTail> tail;
    for (auto mapped = files.rbegin(); mapped != files.rend() && !tail; ++mapped) {
      if (mapped->start >= end * unit_size) continue;
      const auto file = files_.open(mapped->path);
      if (!file) continue;
      units_backwards(**file, unit_size, std::min(end * unit_size - mapped->start, (*file)->size()),
                      [&](std::int64_t position, const ConsumeQueueEntry& entry) {
                        if (is_later(entry)) {
                          end = mapped->start / unit_size + position;
                          return true;
                        }
                        tail.emplace();
                        tail->path = mapped->path;
                        tail->position = position * unit_size;
                        entry.store(tail->bytes.data());
                        return false;
                      });
    }
    if (tail) {
      tails_[queue.topic].push_back(*std::move(tail));
    } else if (now.last_units[i].number >= 0) {
      made_anew_.insert(queue.topic);
    }
    // A file that was just made has no length yet.
    while (!files.empty() && files.back().size == 0 && files.back().start >= end * unit_size)
      files.pop_back();
    for (auto mapped = files.rbegin();
         mapped != files.rend() && mapped->start + mapped->size > end * unit_size; ++mapped) {
      auto limit = std::make_unique<Limit>();
      limit->from = std::max<std::int64_t>(end * unit_size - mapped->start, 0);
      limits_.emplace(mapped->path, std::move(limit));
    }
  }
}

void SettledStore::limit_index() {
  auto& index = survey_.index_files;
  while (!index.empty() && index.back().size == 0) index.pop_back();
  if (index.empty()) return;
  const auto geometries = scan::infer_index_geometries(files_, survey_);
  RecordReader records(files_, survey_);
  std::set<std::string> empty;
  for (std::size_t i = 0; i < index.size(); ++i) {
    const auto file = files_.open(index[i].path);
    const scan::IndexGeometry& geometry = geometries[i];
    std::array<std::byte, format::kIndexHeaderSize> bytes{};
    if (!file || !geometry.known()) continue;
    const auto got = (*file)->read_at(0, bytes);
    const auto header = format::IndexHeader::parse(bytes);
    if (!got || *got < bytes.size() || !header) continue;
    // The last one is written to, even where its newest key is an old one.
    if (header->end_phy_offset < settled_to_ && i + 1 < index.size()) continue;
    const auto entry_at = [&](std::int64_t number) -> std::optional<format::IndexEntry> {
      std::array<std::byte, format::kIndexEntrySize> at{};
      const auto read = (*file)->read_at(format::index_entry_position(geometry.slots, number), at);
      if (!read || *read < at.size()) return std::nullopt;
      return format::IndexEntry::load(at.data());
    };
    const std::int64_t space_end = log_space_end();
    const auto is_later = [&](const format::IndexEntry& entry) {
      return entry.phy_offset >= settled_to_ && entry.phy_offset < space_end;
    };
    Limit::Index limit{geometry.slots, std::clamp<std::int64_t>(header->index_count, 1, geometry.entries) - 1,
                       *header};
    const std::int64_t counted = limit.entries;
    auto last = entry_at(limit.entries);
    for (; limit.entries > 0 && last && is_later(*last); last = entry_at(--limit.entries)) {
      if (last->prev_index == 0) --limit.header.hash_slot_count;
    }
    if (limit.entries == 0 && counted > 0) {
      empty.insert(index[i].path);
      continue;
    }
    if (limit.entries < counted && last) {
      const auto record = records.read(last->phy_offset);
      limit.header.index_count = static_cast<std::int32_t>(limit.entries + 1);
      limit.header.end_phy_offset = last->phy_offset;
      limit.header.end_timestamp =
          record ? record->message.store_timestamp
                 : limit.header.begin_timestamp + std::int64_t{last->time_diff_seconds} * 1000;
    } else if (quiet_) {  // a header that counts too few is damaged
      for (auto next = entry_at(limit.entries + 1);
           next && *next != format::IndexEntry{} && !is_later(*next) && limit.entries + 1 < geometry.entries;
           next = entry_at(limit.entries + 1)) {
        ++limit.entries;
      }
    }
    auto hidden = std::make_unique<Limit>();
    hidden->from = format::index_entry_position(geometry.slots, limit.entries + 1);
    hidden->index = limit;
    limits_.emplace(index[i].path, std::move(hidden));
  }
  std::erase_if(index, [&](const scan::IndexFileInfo& file) { return empty.contains(file.path); });
}

void SettledStore::keep_state(const Look& before, const Look& now) {
  std::erase_if(survey_.config_files, [&](const scan::StoreFile& file) {
    return !state_.contains(file.path) && !files_.stat(file.path);
  });
  for (scan::StoreFile& file : survey_.config_files) {
    if (const auto state = state_.find(file.path); state != state_.end())
      file.size = std::ssize(state->second);
  }
  // The older of both looks; and where the log goes on, no time that has a record behind the mark.
  if (!survey_.checkpoint || !before.checkpoint) return;
  std::vector<std::byte> bytes = *before.checkpoint;
  survey_.checkpoint->size = std::ssize(bytes);
  if (!quiet_ && survey_.checkpoint->size == format::kCheckpointFileSize) {
    auto checkpoint = format::StoreCheckpoint::read(bytes);
    RecordReader records(files_, survey_);
    const auto& log = survey_.commit_log.files;
    const auto first = log.empty() ? std::nullopt : records.read(log.front().start);
    const std::int64_t latest = first ? first->message.store_timestamp : 0;
    for (std::int64_t* time : {&checkpoint.physic_msg_timestamp, &checkpoint.logics_msg_timestamp,
                               &checkpoint.index_msg_timestamp}) {
      if (*time <= now.last_timestamp) *time = std::min(*time, latest);
    }
    std::ranges::copy(checkpoint.encode(), bytes.begin());
  }
  state_[survey_.checkpoint->path] = std::move(bytes);
}

const scan::StoreFile* SettledStore::find(const std::string& path) const {
  const auto found = std::ranges::lower_bound(
      by_path_, path, {}, [](const scan::StoreFile* file) -> const std::string& { return file->path; });
  return found != by_path_.end() && (*found)->path == path ? *found : nullptr;
}

Result<std::unique_ptr<io::ReadFile>> SettledStore::open(const std::string& path) const {
  static const Limit kNothing{0, std::nullopt};
  if (const auto state = state_.find(path); state != state_.end()) {
    return std::unique_ptr<io::ReadFile>(new StateFile(state->second));
  }
  auto file = files_.open(path);
  if (!file && file.error().code == ErrorCode::not_found) {
    const scan::StoreFile* const known = find(path);
    if (known == nullptr) return file;
    const std::lock_guard lock(mutex_);
    vanished_.insert(known->shown);
    return std::unique_ptr<io::ReadFile>(new View(nullptr, known->size, kNothing));
  }
  const auto limit = limits_.find(path);
  if (!file || limit == limits_.end()) return file;
  const std::int64_t size = (*file)->size();
  return std::unique_ptr<io::ReadFile>(new View(*std::move(file), size, *limit->second));
}

Result<std::vector<io::DirectoryEntry>> SettledStore::list(const std::string& directory) const {
  return files_.list(directory);
}

Result<io::DirectoryEntry> SettledStore::stat(const std::string& path) const { return files_.stat(path); }

std::set<std::string> SettledStore::vanished() const {
  const std::lock_guard lock(mutex_);
  return vanished_;
}

bool SettledStore::is_unchanged(const std::string& topic) const {
  if (made_anew_.contains(topic)) return false;
  const auto tails = tails_.find(topic);
  if (tails == tails_.end()) return true;
  return std::ranges::all_of(tails->second, [&](const QueueTail& tail) {
    const auto file = files_.open(tail.path);
    std::array<std::byte, format::kConsumeQueueEntrySize> bytes{};
    if (!file) return false;
    const auto got = (*file)->read_at(tail.position, bytes);
    return got && *got == bytes.size() && bytes == tail.bytes;
  });
}

bool SettledStore::exists(const std::string& shown) const {
  const auto known = std::ranges::find(
      by_path_, shown, [](const scan::StoreFile* file) -> const std::string& { return file->shown; });
  return files_.stat(known != by_path_.end() ? (*known)->path : io::join_path(survey_.root, shown))
      .has_value();
}

}  // namespace rmq::forensics
