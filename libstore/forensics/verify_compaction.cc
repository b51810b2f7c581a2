// The compaction store: logs of records with their queues, file by file, and the positions up to which they
// were compacted. What is in them was copied out of the commit log, which may have lost it since.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "libstore/base/saturate.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/java_string.h"
#include "libstore/forensics/compaction_queues.h"
#include "libstore/forensics/part_files.h"
#include "libstore/forensics/verify_context.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/compaction_positions.h"
#include "libstore/format/message_properties.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::forensics {
namespace {

using format::BatchConsumeQueueEntry;
using format::MessageView;

constexpr std::int64_t kUnitSize = format::kBatchConsumeQueueEntrySize;
constexpr std::int64_t kMaxPositions = 64 << 20;
constexpr std::size_t kMaxFindings = 1000;

// Units of one queue file, one after the other.
class UnitCursor {
 public:
  UnitCursor(const io::ReadFile* file, std::int64_t size) : file_(file), units_(size / kUnitSize) {}

  // The unit at `number`; nothing behind the last, or where it cannot be read.
  [[nodiscard]] std::optional<BatchConsumeQueueEntry> unit(std::int64_t number) {
    if (file_ == nullptr || number >= units_) return std::nullopt;
    if (number < first_ || number >= first_ + std::ssize(block_) / kUnitSize) {
      block_.resize(static_cast<std::size_t>(std::min(kUnits, units_ - number) * kUnitSize));
      const auto got = file_->read_at(number * kUnitSize, block_);
      block_.resize(got ? *got / kUnitSize * kUnitSize : 0);
      first_ = number;
      if (block_.empty()) return std::nullopt;
    }
    return BatchConsumeQueueEntry::load(block_.data() + (number - first_) * kUnitSize);
  }
  [[nodiscard]] std::int64_t units() const { return units_; }

 private:
  static constexpr std::int64_t kUnits = 1024;

  const io::ReadFile* file_;
  std::int64_t units_;
  std::vector<std::byte> block_;
  std::int64_t first_ = 0;
};

class CompactionCheck {
 public:
  CompactionCheck(VerifyContext& context, std::string topic, std::int32_t queue_id)
      : context_(context),
        topic_(std::move(topic)),
        queue_id_(queue_id),
        log_(collect_part_files(context.survey,
                                fmt::format("compaction/compactionLog/{}/{}", topic_, queue_id_))),
        queue_(collect_part_files(context.survey,
                                  fmt::format("compaction/compactionCq/{}/{}", topic_, queue_id_))) {}

  void run() {
    layout(log_, queue_, "compaction log");
    layout(queue_, log_, "compaction queue");
    if (!context_.at_least(VerifyLevel::normal)) return;
    state_ = context_.queues ? context_.queues->find(topic_, queue_id_) : nullptr;
    for (const scan::MappedFile& file : log_.files) {
      if (!context_.cancelled()) walk(file);
    }
    for (const scan::MappedFile& file : queue_.files) {
      const auto opened = context_.files.open(file.path);
      count_file(context_, file,
                 opened ? for_each_piece(
                              **opened, kUnitSize,
                              [&](std::int64_t, std::span<const std::byte>) { return !context_.cancelled(); })
                        : 0);
    }
  }

  [[nodiscard]] std::int64_t queue_end() const { return next_queue_offset_; }

 private:
  void layout(const PartFiles& files, const PartFiles& others, std::string_view what) {
    for (const scan::StoreFile& stray : files.strays) {
      tell("CM-FILE", Severity::degraded, stray.shown, 0, stray.size,
           fmt::format("not a file of the {} (the name is no 20-digit offset)", what));
    }
    for (const scan::MappedFile& file : files.files) {
      if (file.size != files.file_size) {
        tell("CM-FILE", Severity::degraded, file.shown, 0, std::max(file.size, files.file_size),
             fmt::format("{} bytes long, files of the {} have {}", file.size, what, files.file_size));
      }
      const bool paired = std::ranges::any_of(
          others.files, [&](const scan::MappedFile& other) { return other.start == file.start; });
      if (!paired) {
        tell("CM-FILE", Severity::hidden, others.directory + '/' + file.name, 0,
             std::max<std::int64_t>(others.file_size, 1),
             fmt::format("missing beside {}: a stock broker does not load this compaction log", file.shown));
      }
    }
  }

  void walk(const scan::MappedFile& mapped) {
    const auto file = context_.files.open(mapped.path);
    if (!file) return count_file(context_, mapped, 0);
    const auto paired = std::ranges::find(queue_.files, mapped.start, &scan::MappedFile::start);
    queue_mapped_ = paired == queue_.files.end() ? nullptr : &*paired;
    std::unique_ptr<io::ReadFile> queue_file;
    if (queue_mapped_ != nullptr) {
      auto opened = context_.files.open(queue_mapped_->path);
      if (opened) queue_file = *std::move(opened);
    }
    UnitCursor cursor(queue_file.get(), queue_file ? queue_mapped_->size : 0);
    next_unit_ = 0;
    damaged_units_.clear();
    scan::CommitLogWalker::Options walk;
    walk.records_start = mapped.start;
    walk.file_size = log_.file_size;
    scan::CommitLogWalker walker(**file, walk);
    std::int64_t read = 0;
    std::int64_t data_end = 0;
    while (const scan::LogItem* item = walker.next()) {
      if (item->kind != scan::LogItemKind::gap || item->look != scan::GapLook::unreadable)
        read += item->length;
      if (item->kind == scan::LogItemKind::record) {
        record(mapped, *item, cursor);
        data_end = item->position + item->length;
      } else if (item->kind == scan::LogItemKind::gap) {
        gap(mapped, *item, cursor);
        data_end = item->position + item->length;
      }
      if (context_.cancelled()) break;
    }
    rest_of_units(mapped, data_end, cursor);
    count_file(context_, mapped, context_.cancelled() ? 0 : read);
  }

  // Severity of a message that the compaction log lacks: the commit log may have it.
  [[nodiscard]] Severity without(std::int64_t queue_offset) const {
    return state_ != nullptr && is_possible_unit(queue_offset) && state_->is_confirmed(queue_offset)
               ? Severity::hidden
               : Severity::loss;
  }

  void record(const scan::MappedFile& mapped, const scan::LogItem& item, UnitCursor& cursor) {
    const MessageView& message = item.message;
    const std::int64_t offset = mapped.start + item.position;
    if (message.topic != topic_ || message.queue_id != queue_id_) {
      tell("CM-RECORD", Severity::degraded, mapped.shown, item.position, item.length,
           fmt::format("a message of {}/{}, which is not this queue's", message.topic, message.queue_id));
    } else if (message.physical_offset != offset) {
      tell("CM-RECORD", Severity::degraded, mapped.shown, item.position, item.length,
           fmt::format("the record at {} says its physical offset is {}", offset, message.physical_offset));
    } else if (context_.at_least(VerifyLevel::deep) && !message.body_crc_matches()) {
      tell("CM-RECORD", without(message.queue_offset), mapped.shown, item.position, item.length,
           "the body does not match its CRC");
    } else if (context_.at_least(VerifyLevel::deep) &&
               message.check_property_crc(item.bytes) == MessageView::PropertyCrc::differs) {
      tell("CM-RECORD", without(message.queue_offset), mapped.shown, item.position, item.length,
           "the record does not match its __CRC32# property");
    }
    match(mapped, offset, message, cursor);
  }

  void match(const scan::MappedFile& mapped, std::int64_t offset, const MessageView& message,
             UnitCursor& cursor) {
    if (queue_mapped_ == nullptr) return;
    for (auto unit = cursor.unit(next_unit_); unit; unit = cursor.unit(next_unit_)) {
      if (is_written(*unit) &&
          (unit->commit_log_offset == offset || unit->base_offset == message.queue_offset)) {
        fields(*unit, offset, message);
        ++next_unit_;
        next_queue_offset_ = std::max(next_queue_offset_, saturated_add(message.queue_offset, 1));
        return;
      }
      if (unit->is_used() && unit->commit_log_offset > offset) break;
      if (!unit->is_used() && !used_behind(cursor)) break;
      // It leads to no record; the record that comes next may be the one that it should lead to.
      damaged_units_.push_back(next_unit_++);
    }
    const std::int64_t place = damaged_units_.empty() ? next_unit_ : damaged_units_.front();
    if (!damaged_units_.empty()) damaged_units_.erase(damaged_units_.begin());
    tell("CM-UNIT", Severity::hidden, queue_mapped_->shown, place * kUnitSize, kUnitSize,
         fmt::format("no unit leads to the message at {} of {}, queue offset {}", offset - mapped.start,
                     mapped.shown, message.queue_offset));
  }

  // Neither zeros nor what ends a file (SparseConsumeQueue.putEndPositionInfo).
  static bool is_written(const BatchConsumeQueueEntry& unit) {
    return unit != BatchConsumeQueueEntry{0, 0, 0, 0, 0, 0, 0, 0} &&
           (unit.commit_log_offset != -1 || unit.size != 0);
  }

  // Does a used unit follow within the next few?
  [[nodiscard]] bool used_behind(UnitCursor& cursor) const {
    constexpr std::int64_t kLooked = 4096;
    for (std::int64_t i = next_unit_ + 1; i < std::min(next_unit_ + kLooked, cursor.units()); ++i) {
      const auto unit = cursor.unit(i);
      if (unit && unit->is_used()) return true;
    }
    return false;
  }

  void fields(const BatchConsumeQueueEntry& unit, std::int64_t offset, const MessageView& message) {
    const auto tags = format::find_property(message.properties, format::kPropertyTags);
    const BatchConsumeQueueEntry wanted{offset,
                                        message.total_size,
                                        tags ? java_hash(*tags) : 0,
                                        message.store_timestamp,
                                        message.queue_offset,
                                        1,
                                        -1,
                                        0};
    if (unit == wanted) return;
    const bool leads = unit.commit_log_offset == wanted.commit_log_offset && unit.size == wanted.size &&
                       unit.base_offset == wanted.base_offset && unit.batch_size == wanted.batch_size;
    const bool harmless =
        leads && unit.tags_code == wanted.tags_code && unit.store_timestamp == wanted.store_timestamp;
    tell("CM-UNIT",
         harmless ? Severity::benign
         : leads  ? Severity::degraded
                  : Severity::hidden,
         queue_mapped_->shown, next_unit_ * kUnitSize, kUnitSize,
         fmt::format("says {} bytes at {}, queue offset {}, tags code {}, stored at {}; its message: {} at "
                     "{}, {}, {}, {}",
                     unit.size, unit.commit_log_offset, unit.base_offset, unit.tags_code,
                     unit.store_timestamp, wanted.size, wanted.commit_log_offset, wanted.base_offset,
                     wanted.tags_code, wanted.store_timestamp));
  }

  void gap(const scan::MappedFile& mapped, const scan::LogItem& item, UnitCursor& cursor) {
    // Units that lead into it prove that messages were there.
    const std::int64_t to = mapped.start + item.position + item.length;
    std::int64_t messages = 0;
    Severity severity = Severity::benign;
    for (auto unit = cursor.unit(next_unit_); unit && unit->is_used() && unit->commit_log_offset < to;
         unit = cursor.unit(++next_unit_)) {
      ++messages;
      severity = std::max(severity, without(unit->base_offset));
    }
    if (messages == 0 && queue_mapped_ == nullptr) severity = Severity::loss;
    if (messages == 0 && queue_mapped_ != nullptr) severity = Severity::degraded;
    tell("CM-RECORD", severity, mapped.shown, item.position, item.length,
         fmt::format("no record; {} into it", counted(messages, "queue unit leads", "queue units lead")));
  }

  // Behind the last record: units that lead there prove lost messages; a stock broker cuts the log behind
  // what the queue knows.
  void rest_of_units(const scan::MappedFile& mapped, std::int64_t data_end, UnitCursor& cursor) {
    for (const std::int64_t number : damaged_units_) lone_unit(number, cursor);
    std::int64_t lost = 0;
    std::int64_t lost_end = data_end;
    Severity severity = Severity::benign;
    for (; next_unit_ < cursor.units() && !context_.cancelled(); ++next_unit_) {
      const auto unit = cursor.unit(next_unit_);
      if (!unit) break;
      if (!unit->is_used()) {
        if (is_written(*unit)) lone_unit(next_unit_, cursor);
        continue;
      }
      const std::int64_t position = saturated_sub(unit->commit_log_offset, mapped.start);
      if (position < data_end || position >= mapped.size || unit->size > mapped.size - position) {
        lone_unit(next_unit_, cursor);
        continue;
      }
      ++lost;
      lost_end = std::max(lost_end, position + unit->size);
      severity = std::max(severity, without(unit->base_offset));
    }
    if (lost > 0) {
      tell("CM-RECORD", severity, mapped.shown, data_end, lost_end - data_end,
           fmt::format("zeros where {}", counted(lost, "queue unit leads", "queue units lead")));
    }
  }

  void lone_unit(std::int64_t number, UnitCursor& cursor) {
    const auto unit = cursor.unit(number);
    tell("CM-UNIT", Severity::degraded, queue_mapped_->shown, number * kUnitSize, kUnitSize,
         fmt::format("leads to {} bytes at {}, where no message is", unit ? unit->size : 0,
                     unit ? unit->commit_log_offset : 0));
  }

  // What touches the finding before it is one with it.
  void tell(std::string_view code, Severity severity, const std::string& file, std::int64_t offset,
            std::int64_t length, std::string what) {
    if (last_ < context_.findings.size()) {
      Finding& before = context_.findings[last_];
      if (before.code == code && code == "CM-UNIT" && before.severity == severity && before.file == file &&
          before.offset + before.length == offset) {
        before.length += length;
        ++before.consequences;
        return;
      }
    }
    if (++told_ > kMaxFindings) return;
    if (told_ == kMaxFindings) what += " (and more like it)";
    last_ = context_.findings.size();
    Finding& finding = context_.add(code, severity, file, offset, length, std::move(what));
    finding.topic = topic_;
    finding.queue_id = queue_id_;
  }

  VerifyContext& context_;
  const std::string topic_;
  const std::int32_t queue_id_;
  const PartFiles log_;
  const PartFiles queue_;
  const QueueState* state_ = nullptr;  // the queue of the commit log
  const scan::MappedFile* queue_mapped_ = nullptr;
  std::int64_t next_unit_ = 0;
  std::int64_t next_queue_offset_ = 0;
  std::vector<std::int64_t> damaged_units_;
  std::size_t last_ = static_cast<std::size_t>(-1);
  std::size_t told_ = 0;
};

using QueueEnds = std::map<std::string, std::int64_t, std::less<>>;  // by "topic_queueId"

void verify_positions(VerifyContext& context, const QueueEnds& ends) {
  const auto find = [&](std::string_view name) -> const scan::OtherFile* {
    for (const scan::OtherFile& other : context.survey.others) {
      if (other.part == scan::OtherPart::compaction && other.shown == name) return &other;
    }
    return nullptr;
  };
  const auto read = [&](const scan::OtherFile* file) -> std::optional<std::string> {
    if (file == nullptr) return std::nullopt;
    const auto bytes = io::read_all(context.files, file->path, kMaxPositions);
    count_file(context, *file, bytes ? file->size : 0);
    if (!bytes) return std::nullopt;
    return std::string(as_text(*bytes));
  };
  const scan::OtherFile* const main = find("compaction/position-checkpoint");
  const scan::OtherFile* const backup = find("compaction/position-checkpoint.bak");
  const auto main_text = read(main);
  const auto backup_text = read(backup);
  const auto problem = [&](const std::optional<std::string>& text) -> std::string {
    if (!text) return "it is missing";
    const auto positions = format::read_compaction_positions(*text);
    if (!positions) return positions.error().message();
    if (!context.at_least(VerifyLevel::normal)) return {};
    for (const auto& [queue, offset] : *positions) {
      const auto end = ends.find(queue);
      if (offset < -1 || (end != ends.end() && end->second > 0 && offset > end->second)) {
        return fmt::format("says that {} is compacted up to {}{}", queue, offset,
                           end != ends.end() ? fmt::format(", its queue ends at {}", end->second) : "");
      }
    }
    return {};
  };
  const auto tell = [&](const scan::OtherFile& file, Severity severity, std::string what) {
    context.add("CM-POSITION", severity, file.shown, 0, std::max<std::int64_t>(file.size, 1),
                std::move(what));
  };
  const std::string main_problem = main != nullptr || backup != nullptr ? problem(main_text) : "";
  if (!main_problem.empty()) {
    context.add("CM-POSITION", Severity::degraded, "compaction/position-checkpoint", 0,
                std::max<std::int64_t>(main ? main->size : 0, 1), main_problem);
  }
  if (backup == nullptr) return;
  if (const std::string spare = problem(backup_text); !spare.empty()) {
    tell(*backup, main_problem.empty() ? Severity::benign : Severity::degraded, spare);
  }
}

}  // namespace

void verify_compaction(VerifyContext& context) {
  QueueEnds ends;
  for (const auto& [topic, queue_id] : CompactionQueues::list(context.survey)) {
    if (context.cancelled()) return;
    CompactionCheck check(context, topic, queue_id);
    check.run();
    ends[fmt::format("{}_{}", topic, queue_id)] = check.queue_end();
  }
  if (context.at_least(VerifyLevel::normal)) verify_positions(context, ends);
}

}  // namespace rmq::forensics
