#include "libstore/forensics/log_pass.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <latch>
#include <limits>
#include <memory>
#include <unordered_map>

#include "libstore/base/parallel.h"
#include "libstore/base/saturate.h"
#include "libstore/bytes/java_string.h"
#include "libstore/format/consume_queue_ext_unit.h"
#include "libstore/format/index_file.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/tags_code.h"
#include "libstore/recovery/bridge.h"
#include "libstore/recovery/mend.h"

namespace rmq::forensics {
namespace {

using format::ConsumeQueueEntry;
using format::MessageView;

constexpr std::size_t kMaxDetails = 100'000;           // of one kind in one file
constexpr std::size_t kMaxOpenQueueFiles = 400;        // by one worker
constexpr std::int64_t kWindowBudget = 48 << 20;       // bytes of queue windows, all workers together
constexpr std::int64_t kMaxWindow = 16 << 10;
constexpr std::int64_t kMinWindow = 640;
constexpr std::size_t kMostWaiting = 3 << 20;          // records and keys that wait for the index, all workers together
constexpr std::string_view kLmqPrefix = "%LMQ%";       // MixAll.LMQ_PREFIX
constexpr std::size_t kMaxMultiDispatch = 20'000;      // maxLmqConsumeQueueNum

// Reads consume queue ext units of one queue: they are addressed by their offset in the ext files.
class ExtReader {
 public:
  ExtReader(const io::ReadFileSystem& files, const scan::MappedFileSet& ext) : files_(files), ext_(ext) {}

  [[nodiscard]] std::optional<format::ConsumeQueueExtUnit> unit(std::int64_t offset) {
    if (offset < window_start_ || offset + format::kConsumeQueueExtMinUnitSize > window_end()) load(offset);
    auto parsed = parse(offset);
    if (!parsed && window_end() < file_end_) {  // the bit map may reach behind the window
      load(offset);
      parsed = parse(offset);
    }
    return parsed;
  }

 private:
  static constexpr std::int64_t kWindow = 64 << 10;  // at least the largest unit

  [[nodiscard]] std::int64_t window_end() const { return window_start_ + std::ssize(window_); }

  [[nodiscard]] std::optional<format::ConsumeQueueExtUnit> parse(std::int64_t offset) const {
    if (offset < window_start_ || offset >= window_end()) return std::nullopt;
    const auto unit = format::ConsumeQueueExtUnit::parse(
        std::span(window_).subspan(static_cast<std::size_t>(offset - window_start_)));
    if (!unit) return std::nullopt;
    return *unit;
  }

  void load(std::int64_t offset) {
    window_.clear();
    window_start_ = offset;
    file_end_ = offset;
    const auto after = std::ranges::upper_bound(ext_.files, offset, {}, &scan::MappedFile::start);
    if (after == ext_.files.begin()) return;
    const scan::MappedFile& mapped = *std::prev(after);
    if (offset >= mapped.start + mapped.size) return;
    const auto file = files_.open(mapped.path);
    if (!file) return;
    file_end_ = mapped.start + mapped.size;
    window_.resize(static_cast<std::size_t>(std::min(kWindow, file_end_ - offset)));
    const auto got = (*file)->read_at(offset - mapped.start, window_);
    window_.resize(got ? *got : 0);
  }

  const io::ReadFileSystem& files_;
  const scan::MappedFileSet& ext_;
  std::vector<std::byte> window_;
  std::int64_t window_start_ = 0;
  std::int64_t file_end_ = 0;
};

// A queue as one worker knows it.
struct QueueLane {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int32_t topic_hash = 0;  // of "topic#", where index key hashes begin
  bool schedule = false;
  bool topic_has_zero = false;
  std::string last_tags;  // messages of one queue mostly have the same few tags
  std::int64_t last_tags_code = 0;
  QueueState* state = nullptr;
  std::unique_ptr<UnitReader> reader;
  std::unique_ptr<ExtReader> ext;
  UnitNumber confirmed_first = 0;
  UnitNumber confirmed_end = 0;
  bool touched = false;
  RecordRun unconfirmed;
};

// The records of one log file against the index. Until the index files are checked, what is expected of them waits.
class IndexLane {
 public:
  IndexLane(const io::ReadFileSystem& files, const std::vector<IndexFileCheck>& checks, std::latch& checked,
            const LogFile& log, std::size_t most_waiting)
      : files_(files), checks_(checks), checked_(checked), log_(log), most_waiting_(most_waiting) {}

  void expect(std::int64_t offset, std::int64_t timestamp, std::span<const std::int32_t> hashes) {
    if (!matcher_ && (waiting_hashes_.size() + waiting_.size() > most_waiting_ || checked_.try_wait())) open();
    if (matcher_) {
      matcher_->expect(offset, timestamp, hashes);
      return;
    }
    waiting_.push_back({offset, timestamp, hashes.size()});
    waiting_hashes_.insert(waiting_hashes_.end(), hashes.begin(), hashes.end());
  }

  [[nodiscard]] IndexMatchReport finish() {
    if (!matcher_) open();
    return matcher_->finish();
  }

 private:
  struct Waiting {
    std::int64_t offset;
    std::int64_t timestamp;
    std::size_t keys;
  };

  void open() {
    checked_.wait();
    matcher_.emplace(files_, checks_, log_.start, log_.start + log_.file->size);
    std::span<const std::int32_t> hashes = waiting_hashes_;
    for (const Waiting& record : waiting_) {
      matcher_->expect(record.offset, record.timestamp, hashes.first(record.keys));
      hashes = hashes.subspan(record.keys);
    }
    waiting_ = {};
    waiting_hashes_ = {};
  }

  const io::ReadFileSystem& files_;
  const std::vector<IndexFileCheck>& checks_;
  std::latch& checked_;
  LogFile log_;
  std::size_t most_waiting_;
  std::optional<IndexMatcher> matcher_;
  std::vector<Waiting> waiting_;
  std::vector<std::int32_t> waiting_hashes_;
};

class Worker {
 public:
  Worker(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, const QueueTable& queues,
         const std::vector<IndexFileCheck>& index, std::latch& index_checked, const LogPassOptions& options)
      : files_(files), survey_(survey), queues_(queues), index_(index), index_checked_(index_checked), options_(options) {
    const auto readers = static_cast<std::int64_t>(std::max<std::size_t>(survey.queues.size() * options.jobs, 1));
    window_ = static_cast<std::size_t>(std::clamp(kWindowBudget / readers, kMinWindow, kMaxWindow));
    if (auto levels = format::DelayLevels::parse(survey.config.message_delay_level)) {
      levels_ = std::move(*levels);
      levels_known_ = true;
    }
  }

  LogFileReport run(const LogFile& log) {
    report_ = {};
    report_.file = log;
    log_start_ = log.start;
    report_.min_store_timestamp = std::numeric_limits<std::int64_t>::max();
    const auto opened = files_.open(log.file->path);
    if (!opened) {
      report_.damage.push_back({LogDamage::Kind::gap, 0, log.file->size, scan::GapLook::unreadable, 0});
      return std::move(report_);
    }
    if (options_.index && log.duplicate_of == nullptr) {
      index_lane_.emplace(files_, index_, index_checked_, log, kMostWaiting / std::max<std::size_t>(options_.jobs, 1));
    }
    scan::CommitLogWalker::Options walk;
    walk.records_start = log.start;
    walk.file_size = survey_.commit_log.file_size;
    walk.dledger = survey_.commit_log_is_dledger;
    scan::CommitLogWalker walker(**opened, walk);
    std::int64_t told = 0;
    while (const auto item = walker.next()) {
      take(*item);
      report_.bytes_checked = item->position + item->length;
      if (item->look == scan::GapLook::unreadable && item->kind == scan::LogItemKind::gap) unread_ += item->length;
      if (report_.bytes_checked - told > kProgressStep) {
        if (options_.progress != nullptr) *options_.progress += report_.bytes_checked - told;
        told = report_.bytes_checked;
        if (options_.cancelled && options_.cancelled()) break;
      }
    }
    if (options_.progress != nullptr) *options_.progress += report_.bytes_checked - told;
    report_.bytes_checked -= std::exchange(unread_, 0);
    finish_file();
    return std::move(report_);
  }

 private:
  static constexpr std::int64_t kProgressStep = 4 << 20;

  void take(const scan::LogItem& item) {
    switch (item.kind) {
      case scan::LogItemKind::record: take_record(item); break;
      case scan::LogItemKind::blank: report_.ends_in_blank = true; break;
      case scan::LogItemKind::unwritten: report_.unwritten_from = item.position; break;
      case scan::LogItemKind::gap:
        add_damage({LogDamage::Kind::gap, item.position, item.length, item.look, item.stale_records});
        break;
    }
  }

  // Damage that touches the damage before it has one cause with it.
  void add_damage(const LogDamage& damage) {
    if (!report_.damage.empty()) {
      LogDamage& last = report_.damage.back();
      const bool gap_meets_record = (last.kind == LogDamage::Kind::gap) != (damage.kind == LogDamage::Kind::gap);
      if (last.position + last.length == damage.position && gap_meets_record) {
        last.kind = LogDamage::Kind::gap;
        last.length += damage.length;
        last.records += damage.records;
        last.look = scan::GapLook::damaged;
        return;
      }
    }
    keep(report_.damage, damage);
  }

  template <class T>
  void keep(std::vector<T>& list, const T& detail) {
    if (list.size() < kMaxDetails) {
      list.push_back(detail);
    } else {
      ++report_.dropped;
    }
  }

  void take_record(const scan::LogItem& item) {
    const MessageView& message = item.message;
    const std::int64_t log_offset = log_start_ + item.position;
    ++report_.records;
    report_.data_end = item.position + item.length;
    if (message.store_timestamp < report_.max_store_timestamp && report_.time_regressions++ == 0) {
      report_.first_regression = item.position;
    }
    report_.max_store_timestamp = std::max(report_.max_store_timestamp, message.store_timestamp);
    report_.min_store_timestamp = std::min(report_.min_store_timestamp, message.store_timestamp);
    if (report_.file.duplicate_of != nullptr) return;
    if (message.physical_offset != log_offset) {
      keep(report_.own_offsets, {item.position, item.length, message.physical_offset});
    }
    note_stand_in(item);
    if (!options_.cross_check && !options_.checksums && !index_lane_) return;
    QueueLane& lane = lane_of(message.topic, message.queue_id);
    const format::StoreProperties& properties = shapes_[static_cast<std::uint32_t>(lane.topic_hash) % shapes_.size()].read(message.properties);
    const bool torn = properties.has_zero || lane.topic_has_zero;
    const bool bad_port = !recovery::has_real_ports(message);
    if (const auto kind = torn       ? std::optional(LogDamage::Kind::zeroed_text)
                          : bad_port ? std::optional(LogDamage::Kind::bad_port)
                                     : wrong_checksum(item)) {
      add_damage({*kind, item.position, item.length, scan::GapLook::damaged, 1});
    }
    if (options_.cross_check && format::enters_consume_queue(message.sys_flag)) {
      std::optional<std::int64_t> tags;
      if (!torn) tags = expected_tags(lane, message, properties);
      if (is_possible_unit(message.queue_offset)) {
        cross_check(lane, message.queue_offset, log_offset, message, tags);
      } else {
        keep(report_.queue_offsets, {item.position, item.length, message.queue_offset});
      }
      if (properties.multi_queue_offset) multi_dispatch(message, properties, log_offset, tags);
    }
    if (index_lane_ && !torn && format::enters_index(message.sys_flag)) {
      hashes_.clear();
      format::append_index_key_hashes(lane.topic_hash, properties.uniq_key, properties.keys.value_or(""), hashes_);
      index_lane_->expect(log_offset, message.store_timestamp, hashes_);
    }
  }

  void note_stand_in(const scan::LogItem& item) {
    const recovery::StandIn kind = recovery::stands_for_lost_bytes(item.message);
    if (kind == recovery::StandIn::no) return;
    if (report_.placeholders + report_.fillers == 0) report_.first_stand_in = item.position;
    report_.stand_ins_end = item.position + item.length;
    ++(kind == recovery::StandIn::placeholder ? report_.placeholders : report_.fillers);
  }

  [[nodiscard]] std::optional<LogDamage::Kind> wrong_checksum(const scan::LogItem& item) const {
    if (!options_.checksums) return std::nullopt;
    if (!item.message.body_crc_matches()) return LogDamage::Kind::body_crc;
    if (item.message.check_property_crc(item.bytes) == MessageView::PropertyCrc::differs) return LogDamage::Kind::property_crc;
    return std::nullopt;
  }

  [[nodiscard]] std::int64_t expected_tags(QueueLane& lane, const MessageView& message,
                                           const format::StoreProperties& properties) const {
    if (!lane.schedule) {
      if (!properties.tags) return 0;
      if (*properties.tags != lane.last_tags) {
        lane.last_tags = *properties.tags;
        lane.last_tags_code = java_hash(lane.last_tags);
      }
      return lane.last_tags_code;
    }
    const auto code = format::tags_code(message, properties, levels_);
    return code ? *code : 0;
  }

  // `tags` is absent where the record's own text cannot be trusted.
  void cross_check(QueueLane& lane, std::int64_t queue_offset, std::int64_t log_offset, const MessageView& message,
                   std::optional<std::int64_t> tags) {
    if (queue_offset == 0 && lane.state != nullptr) lane.state->note_generation(log_offset);
    std::optional<UnitNumber> number = queue_offset;
    if (lane.state == nullptr) {
      unconfirmed(lane, queue_offset, log_offset);
      return;
    }
    if (lane.state->queue().kind == scan::QueueKind::batch) number = reader(lane).find_batch(queue_offset);
    const std::byte* bytes = number ? reader(lane).unit(*number) : nullptr;
    const auto unit = bytes == nullptr ? ConsumeQueueEntry{} : ConsumeQueueEntry::load(bytes);
    if (unit.size != message.total_size || unit.commit_log_offset != log_offset) {
      unconfirmed(lane, queue_offset, log_offset);
      return;
    }
    confirm(lane, *number);
    if (tags && unit.tags_code != *tags && !tags_fit(lane, unit.tags_code, *tags, message)) {
      keep(report_.tags, {lane.state, *number, unit.tags_code, *tags});
    }
  }

  // Other tags codes than the expected one that are right as well.
  [[nodiscard]] bool tags_fit(QueueLane& lane, std::int64_t found, std::int64_t expected, const MessageView& message) {
    if (lane.schedule && !levels_known_) {
      // A delivery time; without broker.conf the delay levels are unknown, but they are whole seconds.
      const std::int64_t delay = saturated_sub(found, message.store_timestamp);
      constexpr std::int64_t kLongestDelay = 400LL * 24 * 3600 * 1000;
      if (delay > 0 && delay <= kLongestDelay && delay % 1000 == 0) return true;
    }
    if (!format::is_ext_address(found)) return false;
    if (!lane.ext) lane.ext = std::make_unique<ExtReader>(files_, lane.state->queue().ext);
    const auto unit = lane.ext->unit(format::ext_offset(found));
    return unit && unit->tags_code == expected && unit->store_timestamp == message.store_timestamp;
  }

  // INNER_MULTI_DISPATCH names further queues, INNER_MULTI_QUEUE_OFFSET the record's offset in each (MultiDispatch).
  void multi_dispatch(const MessageView& message, const format::StoreProperties& properties, std::int64_t log_offset,
                      std::optional<std::int64_t> tags) {
    if (!properties.multi_dispatch) return;
    std::string_view names = *properties.multi_dispatch;
    std::string_view offsets = *properties.multi_queue_offset;
    const auto part = [](std::string_view& text) {
      const std::size_t comma = std::min(text.find(','), text.size());
      const std::string_view first = text.substr(0, comma);
      text.remove_prefix(std::min(comma + 1, text.size()));
      return first;
    };
    for (std::size_t i = 0; i < kMaxMultiDispatch && !names.empty() && !offsets.empty(); ++i) {
      const std::string_view name = part(names);
      const std::string_view text = part(offsets);
      std::int64_t queue_offset = 0;
      if (std::from_chars(text.data(), text.data() + text.size(), queue_offset).ec != std::errc{}) continue;
      if (!is_possible_unit(queue_offset)) continue;
      const std::int32_t queue_id = name.starts_with(kLmqPrefix) ? 0 : message.queue_id;
      cross_check(lane_of(name, queue_id), queue_offset, log_offset, message, tags);
    }
  }

  void confirm(QueueLane& lane, UnitNumber number) {
    if (number == lane.confirmed_end && lane.touched) {
      ++lane.confirmed_end;
      return;
    }
    flush_confirmed(lane);
    lane.confirmed_first = number;
    lane.confirmed_end = number + 1;
    touch(lane);
  }

  void unconfirmed(QueueLane& lane, std::int64_t queue_offset, std::int64_t log_offset) {
    RecordRun& run = lane.unconfirmed;
    if (run.count == 0 || saturated_add(run.queue_offset, run.count) != queue_offset) {
      flush_unconfirmed(lane);
      run.queue_offset = queue_offset;
      run.first_offset = log_offset;
    }
    ++run.count;
    run.last_offset = log_offset;
    touch(lane);
  }

  void touch(QueueLane& lane) {
    if (!lane.touched) touched_.push_back(&lane);
    lane.touched = true;
  }

  void flush_confirmed(QueueLane& lane) {
    if (lane.confirmed_end > lane.confirmed_first) {
      lane.state->confirm(lane.confirmed_first, lane.confirmed_end - lane.confirmed_first);
    }
    lane.confirmed_first = lane.confirmed_end = 0;
  }

  void flush_unconfirmed(QueueLane& lane) {
    RecordRun& run = lane.unconfirmed;
    if (run.count > 0) {
      run.topic = lane.topic;
      run.queue_id = lane.queue_id;
      run.queue = lane.state;
      keep(report_.unconfirmed, run);
    }
    run = {};
  }

  void finish_file() {
    for (QueueLane* lane : touched_) {
      flush_confirmed(*lane);
      flush_unconfirmed(*lane);
      lane->touched = false;
    }
    touched_.clear();
    if (index_lane_) report_.index = index_lane_->finish();
    index_lane_.reset();
  }

  UnitReader& reader(QueueLane& lane) {
    if (!lane.reader) lane.reader = std::make_unique<UnitReader>(files_, *lane.state, window_);
    if (!lane.reader->is_open()) {
      if (open_.size() >= kMaxOpenQueueFiles) {
        for (UnitReader* reader : open_) reader->close();
        open_.clear();
      }
      open_.push_back(lane.reader.get());
    }
    return *lane.reader;
  }

  QueueLane& lane_of(std::string_view topic, std::int32_t queue_id) {
    std::uint64_t tail = 0;  // topics often differ only in their last characters
    if (topic.size() >= sizeof tail) {
      std::memcpy(&tail, topic.data() + topic.size() - sizeof tail, sizeof tail);
    } else {
      std::memcpy(&tail, topic.data(), topic.size());
    }
    const std::uint64_t mixed = (tail ^ (static_cast<std::uint64_t>(queue_id) << 32) ^ topic.size()) * 0x9E3779B97F4A7C15ULL;
    QueueLane*& cached = cache_[mixed >> 54];
    if (cached == nullptr || cached->queue_id != queue_id || cached->topic != topic) cached = &find_lane(topic, queue_id);
    return *cached;
  }

  QueueLane& find_lane(std::string_view topic, std::int32_t queue_id) {
    std::string key(topic);
    key += '/';
    key += std::to_string(queue_id);
    std::unique_ptr<QueueLane>& lane = lanes_[std::move(key)];
    if (!lane) {
      lane = std::make_unique<QueueLane>();
      lane->topic = topic;
      lane->queue_id = queue_id;
      lane->topic_hash = java_hash("#", java_hash(topic));
      lane->schedule = topic == format::kScheduleTopic;
      lane->topic_has_zero = topic.find('\0') != std::string_view::npos;
      lane->state = queues_.find(topic, queue_id);
    }
    return *lane;
  }

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  const QueueTable& queues_;
  const std::vector<IndexFileCheck>& index_;
  std::latch& index_checked_;
  const LogPassOptions& options_;
  std::size_t window_ = 0;
  format::DelayLevels levels_;
  bool levels_known_ = false;
  std::unordered_map<std::string, std::unique_ptr<QueueLane>> lanes_;
  std::array<QueueLane*, 1024> cache_{};
  std::vector<QueueLane*> touched_;
  std::vector<UnitReader*> open_;
  std::optional<IndexLane> index_lane_;  // of the file at hand
  std::array<format::StorePropertiesReader, 64> shapes_;  // messages of one topic are alike
  std::vector<std::int32_t> hashes_;
  LogFileReport report_;
  std::int64_t log_start_ = 0;
  std::int64_t unread_ = 0;
};

struct CountDown {
  std::latch& latch;
  ~CountDown() { latch.count_down(); }
};

}  // namespace

std::vector<LogFile> place_log_files(const io::ReadFileSystem& files, const scan::StoreSurvey& survey) {
  std::vector<LogFile> log;
  for (const scan::MappedFile& mapped : survey.commit_log.files) {
    LogFile file{&mapped, mapped.start, false, nullptr};
    if (const auto opened = files.open(mapped.path)) {
      if (const auto start = scan::records_start(**opened, mapped.start)) {
        file.start = *start;
        file.has_records = true;
      }
    }
    log.push_back(file);
  }
  // Of several files with the same records the one with the right name is the log's, and one with records before
  // an empty one of the same name.
  std::ranges::sort(log, [](const LogFile& a, const LogFile& b) {
    const bool a_misplaced = a.file->start != a.start;
    const bool b_misplaced = b.file->start != b.start;
    return std::tuple(a.start, a_misplaced, !a.has_records, a.file) <
           std::tuple(b.start, b_misplaced, !b.has_records, b.file);  // all in one vector: the survey's order
  });
  for (std::size_t i = 1; i < log.size(); ++i) {
    const LogFile& first = log[i - 1];
    if (log[i].start != first.start) continue;
    log[i].duplicate_of = first.duplicate_of != nullptr ? first.duplicate_of : first.file;
  }
  return log;
}

std::vector<LogFileReport> run_log_pass(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                        const std::vector<LogFile>& log, const QueueTable& queues, const IndexPass& index,
                                        const LogPassOptions& options) {
  std::vector<LogFileReport> reports(log.size());
  std::vector<std::unique_ptr<Worker>> workers(std::max<std::size_t>(options.jobs, 1));
  for (std::size_t i = 0; i < log.size(); ++i) reports[i].file = log[i];
  // Items are begun in order: whoever waits for the latch waits for checks that are under way. Each counts down, even if
  // it was cancelled or throws.
  const std::size_t checks = index.checks.size();
  std::latch index_checked(static_cast<std::ptrdiff_t>(checks));
  const auto cancelled = [&] { return options.cancelled && options.cancelled(); };
  parallel_for(options.jobs, checks + log.size(), {}, [&](std::size_t worker, std::size_t item) {
    if (item < checks) {
      const CountDown count_down{index_checked};
      if (!cancelled()) index.check(item);
      return;
    }
    if (cancelled()) return;
    auto& mine = workers[worker];
    if (!mine) mine = std::make_unique<Worker>(files, survey, queues, index.checks, index_checked, options);
    reports[item - checks] = mine->run(log[item - checks]);
  });
  return reports;
}

}  // namespace rmq::forensics
