#include "libstore/recovery/log_scan.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "libstore/base/parallel.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/format/tags_code.h"
#include "libstore/recovery/mend.h"
#include "libstore/recovery/queue_units.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::recovery {
namespace {

using scan::GapLook;
using scan::LogItemKind;

struct Lane {  // a queue as one worker knows it
  QueueId id;
  std::unique_ptr<QueueUnits> units;  // none: the store has no such queue
  bool doubted = false;  // whether its first record of this part really says that topic has been asked
  std::vector<RecordRun>* runs = nullptr;
  Lane* followed_by = nullptr;
};

class Scanner {
 public:
  Scanner(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
          const derive::DispatchRules& rules, const IndexCheck& index, const PlanOptions& options)
      : files_(files), survey_(survey), rules_(rules), index_(index), options_(options) {
    lane_slots_.resize(kFirstSlots);
    for (const scan::Queue& queue : survey.queues) {
      // A topic has queues of one kind; where both are there, the batch queues count (ConsumeQueueStore).
      auto& known = queues_[{queue.topic, queue.queue_id}];
      if (known == nullptr || queue.kind == scan::QueueKind::batch) known = &queue;
    }
    levels_known_ = !survey.config.message_delay_level.empty();
  }

  PartScan scan(const LogPart& part, std::size_t number, RecordTap* tap) {
    tap_ = tap;
    found_ = {};
    part_ = &part;
    number_ = number;
    for (Lane& lane : lanes_) {
      lane.runs = nullptr;
      lane.doubted = false;
    }
    most_asked_ = kMostAsked;
    found_.data_end = part.start;
    if (part.read_path.empty()) {
      const std::int64_t size = survey_.commit_log.file_size;
      found_.wounds.push_back({part.start, part.start + size, false, false, false, number, 0});
      if (is_indexed()) {
        keys_.emplace(files_, index_, part.start);
        no_keys_below(part.start + size);
        keys_.reset();
      }
      return std::move(found_);
    }
    auto opened = files_.open(part.read_path);
    if (!opened) {
      found_.error = std::move(opened).error();
      return std::move(found_);
    }
    file_ = std::move(*opened);
    if (is_indexed()) keys_.emplace(files_, index_, part.start);
    walk();
    if (keys_) no_keys_below(part.start + survey_.commit_log.file_size);
    keys_.reset();
    return std::move(found_);
  }

 private:
  [[nodiscard]] bool is_indexed() const { return survey_.config.message_index_enable && index_.sound() > 0; }

  // Entries that lead to where no record is.
  void no_keys_below(std::int64_t limit) {
    if (found_.not_indexed_from != kEverything) return;
    if (const auto stray = keys_->next_below(limit)) found_.not_indexed_from = *stray;
  }

  void walk() {
    const std::int64_t file_size = survey_.commit_log.file_size;
    scan::CommitLogWalker::Options options;
    options.records_start = part_->start;
    options.file_size = file_size;
    scan::CommitLogWalker walker(*file_, options);
    std::int64_t told = 0;
    while (const scan::LogItem* item = walker.next()) {
      found_.bytes_read = item->position + item->length;
      if (found_.bytes_read - told >= kProgressStep) {
        tell(std::exchange(told, found_.bytes_read));
        if (options_.cancelled && options_.cancelled()) {
          found_.error = Error{ErrorCode::cancelled, 0, "planning the recovery"};
          return;
        }
      }
      if (item->position >= part_->size) break;  // behind what a file of the log has
      switch (item->kind) {
        case LogItemKind::unwritten: wound(item->position, part_->size - item->position, true); break;
        case LogItemKind::blank: found_.data_end = part_->start + file_size; break;
        case LogItemKind::gap: take_gap(*item); break;
        case LogItemKind::record: take_record(*item); break;
      }
    }
    tell(told);
    if (part_->is_last) return;
    if (part_->size < file_size && found_.data_end < part_->start + file_size)
      wound(part_->size, file_size - part_->size, true);
    // Fewer bytes than any record takes end a file without a BLANK.
    if (found_.data_end == part_->start + part_->size) found_.data_end = part_->start + file_size;
  }

  void tell(std::int64_t told) const {
    if (options_.progress != nullptr) *options_.progress += found_.bytes_read - told;
  }

  Wound& wound(std::int64_t position, std::int64_t length, bool unwritten = false) {
    const std::int64_t from = part_->start + position;
    if (!found_.wounds.empty() && found_.wounds.back().to == from &&
        found_.wounds.back().unwritten == unwritten) {
      found_.wounds.back().to += length;
    } else {
      found_.wounds.push_back(
          {from, from + length, false, false, unwritten, number_, found_.last_store_timestamp});
    }
    return found_.wounds.back();
  }

  void take_gap(const scan::LogItem& gap) {
    const std::int64_t length = std::min(gap.length, part_->size - gap.position);
    if (gap.look != GapLook::unreadable && length <= format::kMaxRecordSize) {
      std::vector<std::byte> bytes(static_cast<std::size_t>(length));
      const auto got = file_->read_at(gap.position, bytes);
      if (got && *got == bytes.size() && mend(bytes, gap.position)) return;
    }
    Wound& one = wound(gap.position, length);
    one.unreadable = one.unreadable || gap.look == GapLook::unreadable;
    one.stale = gap.look == GapLook::stale;
  }

  void take_record(const scan::LogItem& item) {
    const std::int64_t log_offset = part_->start + item.position;
    const bool fits = item.position + item.length <= part_->size;
    const format::StoreProperties& properties = properties_.read(item.message.properties);
    if (fits && item.message.physical_offset == log_offset && has_real_ports(item.message) &&
        is_whole(item.message, properties, item.bytes)) {
      take_message(item.message, properties, item.bytes, log_offset);
    } else if (!fits || (!mend(item.bytes, item.position) && !mend_topic(item.bytes, log_offset))) {
      wound(item.position, std::min(item.length, part_->size - item.position));
    }
  }

  // A record with one thing wrong counts as what it was.
  bool mend(std::span<const std::byte> bytes, std::int64_t position) {
    const std::int64_t log_offset = part_->start + position;
    const auto mended = mend_record(bytes, log_offset);
    if (!mended) return false;
    take_mended(bytes, *mended, log_offset);
    return true;
  }

  void take_mended(std::span<const std::byte> bytes, const Mended& mended, std::int64_t log_offset) {
    const auto differs = [&](std::size_t at) { return mended.record[at] != bytes[at]; };
    std::size_t first = 0;
    std::size_t last = bytes.size() - 1;
    while (!differs(first)) ++first;
    while (!differs(last)) --last;
    RecordMend step;
    step.log_offset = log_offset;
    step.position = log_offset - part_->start + static_cast<std::int64_t>(first);
    step.bytes.assign(mended.record.begin() + static_cast<std::ptrdiff_t>(first),
                      mended.record.begin() + static_cast<std::ptrdiff_t>(last) + 1);
    step.part = number_;
    step.what = mended.what;
    found_.mends.push_back(std::move(step));
    const auto message = format::MessageView::parse(mended.record);
    take_message(*message, format::store_properties(message->properties), mended.record, log_offset);
  }

  // A record whose topic's bytes are damaged: no checksum of the body covers them, but a unit of the right
  // queue leads to it with its size and tags, from the very slot that the record says, and the unit beside
  // that one to a record which does name the topic.
  bool mend_topic(std::span<const std::byte> bytes, std::int64_t log_offset) {
    const auto damaged = format::MessageView::parse(bytes);
    if (!damaged || damaged->topic.empty()) return false;
    const auto at = damaged->topic.data() - as_text(bytes).data();
    std::optional<Mended> found;
    for (const auto& [id, queue] : queues_) {
      if (id.queue_id != damaged->queue_id || id.topic.size() != damaged->topic.size() ||
          id.topic == damaged->topic || queue->kind != scan::QueueKind::simple)
        continue;
      if (most_asked_-- <= 0) return false;
      Mended tried{{bytes.begin(), bytes.end()}, "the topic"};
      std::ranges::copy(as_bytes(id.topic), tried.record.begin() + at);
      if (!belongs_to(*queue, tried.record, log_offset)) continue;
      if (found) return false;
      found = std::move(tried);
    }
    if (found) take_mended(bytes, *found, log_offset);
    return found.has_value();
  }

  [[nodiscard]] bool belongs_to(const scan::Queue& queue, std::span<const std::byte> record,
                                std::int64_t log_offset) const {
    const auto message = format::MessageView::parse(record);
    const auto properties = format::store_properties(message->properties);
    if (message->physical_offset != log_offset || !has_real_ports(*message) ||
        !is_whole(*message, properties, record))
      return false;
    const auto request = derive::dispatch_request(*message, properties, log_offset, rules_);
    if (!request || !request->enters_consume_queue()) return false;
    QueueUnits units(files_, queue);
    return is_unit_of(units, message->queue_offset, 1, *request) &&
           (leads_to_own_record(units, message->queue_offset - 1) ||
            leads_to_own_record(units, message->queue_offset + 1));
  }

  // In the file at hand: neighbours in a queue mostly lie close.
  [[nodiscard]] bool leads_to_own_record(QueueUnits& units, std::int64_t slot) const {
    const auto unit = slot < 0 ? std::nullopt : units.unit(slot);
    if (!unit || !unit->used || unit->entry.size < format::kMinRecordSize ||
        unit->entry.size > format::kMaxRecordSize)
      return false;
    const std::int64_t position = unit->entry.commit_log_offset - part_->start;
    if (position < 0 || position > part_->size - unit->entry.size) return false;
    std::vector<std::byte> bytes(static_cast<std::size_t>(unit->entry.size));
    const auto got = file_->read_at(position, bytes);
    if (!got || *got < bytes.size()) return false;
    const auto message = format::MessageView::parse(bytes);
    return message && message->topic == units.queue().topic && message->queue_id == units.queue().queue_id &&
           message->queue_offset == slot && message->physical_offset == unit->entry.commit_log_offset;
  }

  void take_message(const format::MessageView& message, const format::StoreProperties& properties,
                    std::span<const std::byte> record, std::int64_t log_offset) {
    const auto request = derive::dispatch_request(message, properties, log_offset, rules_);
    Lane* const lane =
        request && request->enters_consume_queue() ? &lane_of(request->topic, request->queue_id) : nullptr;
    if (lane != nullptr && !lane->units && !std::exchange(lane->doubted, true) &&
        mend_topic(record, log_offset))
      return;
    ++found_.records;
    found_.data_end = found_.records_end = log_offset + message.total_size;
    found_.last_store_timestamp = message.store_timestamp;
    found_.newest_timestamp = std::max(found_.newest_timestamp, message.store_timestamp);
    if (!request) return;  // stock makes nothing of it either
    if (tap_ != nullptr) tap_->take(*request);
    if (keys_ && found_.not_indexed_from == kEverything) {
      no_keys_below(log_offset);
      if (found_.not_indexed_from == kEverything && !keys_->has(*request))
        found_.not_indexed_from = log_offset;
    }
    if (lane == nullptr) return;
    take_slot(*lane, request->base_offset, request->batch_size, *request);
    if (request->multi_queues.empty()) return;
    derive::MultiQueueReader further(*request);
    while (const auto multi = further.next())
      take_slot(lane_of(multi->name, multi->queue_id), multi->queue_offset, 1, *request);
  }

  void take_slot(Lane& lane, std::int64_t queue_offset, std::int32_t messages,
                 const derive::DispatchRequest& request) {
    const bool batch = lane.units && lane.units->queue().kind == scan::QueueKind::batch;
    if (!batch) {
      messages = 1;
      if (lane.id.topic == request.topic) queue_offset = request.queue_offset;
    }
    if (lane.runs == nullptr) lane.runs = &found_.runs[lane.id];
    const bool confirmed = lane.units && is_unit_of(*lane.units, queue_offset, messages, request);
    add_run(*lane.runs, {queue_offset, messages, request.log_offset, request.log_offset,
                         request.store_timestamp, confirmed});
  }

  [[nodiscard]] bool is_unit_of(QueueUnits& units, std::int64_t queue_offset, std::int32_t messages,
                                const derive::DispatchRequest& request) const {
    const auto number = units.find(queue_offset);
    const auto unit = number ? units.unit(*number) : std::nullopt;
    if (!unit || !unit->used || unit->entry.commit_log_offset != request.log_offset ||
        unit->entry.size != request.size || unit->messages != messages)
      return false;
    const std::int64_t tags = unit->entry.tags_code;
    if (tags == request.tags_code) return true;
    if (format::is_ext_address(tags)) return units.ext_says(tags, request.tags_code, request.store_timestamp);
    // The time of a delivery; which levels the broker had is not written in the store.
    const std::int64_t delay = tags - request.store_timestamp;
    return request.topic == format::kScheduleTopic && !levels_known_ && delay > 0 && delay % 1000 == 0;
  }

  [[nodiscard]] std::size_t slot_of(std::string_view topic, std::int32_t queue_id) const {
    const std::size_t mask = lane_slots_.size() - 1;
    std::size_t hash = std::hash<std::string_view>{}(topic) +
                       static_cast<std::size_t>(static_cast<std::uint32_t>(queue_id)) * 0x9E3779B97F4A7C15U;
    hash ^= hash >> 32;
    for (std::size_t slot = hash & mask;; slot = (slot + 1) & mask) {
      const Lane* const lane = lane_slots_[slot];
      if (lane == nullptr || (lane->id.queue_id == queue_id && lane->id.topic == topic)) return slot;
    }
  }

  // Queues often take turns: the one that came behind this one last time is asked first.
  Lane& lane_of(std::string_view topic, std::int32_t queue_id) {
    if (last_ != nullptr && last_->followed_by != nullptr) {
      Lane* const next = last_->followed_by;
      if (next->id.queue_id == queue_id && next->id.topic == topic) return *(last_ = next);
    }
    Lane* const lane = &find_lane(topic, queue_id);
    if (last_ != nullptr) last_->followed_by = lane;
    return *(last_ = lane);
  }

  Lane& find_lane(std::string_view topic, std::int32_t queue_id) {
    const std::size_t slot = slot_of(topic, queue_id);
    if (lane_slots_[slot] != nullptr) return *lane_slots_[slot];
    Lane& lane = lanes_.emplace_back();
    lane.id = {std::string(topic), queue_id};
    const auto queue = queues_.find(lane.id);
    if (queue != queues_.end()) lane.units = std::make_unique<QueueUnits>(files_, *queue->second);
    lane_slots_[slot] = &lane;
    if (2 * lanes_.size() > lane_slots_.size()) {
      lane_slots_.assign(2 * lane_slots_.size(), nullptr);
      for (Lane& one : lanes_) lane_slots_[slot_of(one.id.topic, one.id.queue_id)] = &one;
    }
    return lane;
  }

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  const derive::DispatchRules& rules_;
  const IndexCheck& index_;
  const PlanOptions& options_;
  std::map<QueueId, const scan::Queue*> queues_;
  static constexpr std::size_t kFirstSlots = 64;
  static constexpr std::int64_t kProgressStep = 4 << 20;
  static constexpr std::int64_t kMostAsked =
      100'000;  // queues that may be the right one of damaged topics, in a part
  std::deque<Lane> lanes_;
  std::vector<Lane*> lane_slots_;  // by hash, at most half full
  Lane* last_ = nullptr;
  bool levels_known_ = false;
  std::int64_t most_asked_ = 0;
  format::StorePropertiesReader properties_;
  RecordTap* tap_ = nullptr;
  PartScan found_;
  const LogPart* part_ = nullptr;
  std::size_t number_ = 0;
  std::unique_ptr<io::ReadFile> file_;
  std::optional<IndexCheck::Reader> keys_;
};

}  // namespace

void add_run(std::vector<RecordRun>& runs, const RecordRun& run) {
  if (!runs.empty() && runs.back().end() == run.queue_offset && runs.back().confirmed == run.confirmed) {
    RecordRun& last = runs.back();
    last.messages += run.messages;
    last.last_offset = run.last_offset;
    last.store_timestamp = std::max(last.store_timestamp, run.store_timestamp);
  } else {
    runs.push_back(run);
  }
}

Status scan_log(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, const LogLayout& layout,
                std::size_t first, const derive::DispatchRules& rules, const IndexCheck& index,
                const PlanOptions& options, const std::function<void(PartScan&&)>& take) {
  const std::size_t jobs = std::max<std::size_t>(options.jobs, 1);
  std::vector<std::unique_ptr<Scanner>> workers(jobs);
  std::vector<PartScan> scans;
  for (std::size_t begin = first; begin < layout.parts.size(); begin += 4 * jobs) {
    scans.clear();
    scans.resize(std::min(4 * jobs, layout.parts.size() - begin));
    parallel_for(jobs, scans.size(), options.cancelled, [&](std::size_t worker, std::size_t i) {
      if (!workers[worker]) workers[worker] = std::make_unique<Scanner>(files, survey, rules, index, options);
      const LogPart& part = layout.parts[begin + i];
      RecordTaps* const taps = options.taps;
      RecordTap* const tap = taps == nullptr ? nullptr : &taps->begin_part(worker, begin + i, part.start);
      scans[i] = workers[worker]->scan(part, begin + i, tap);
      if (taps != nullptr) taps->end_part(worker);
    });
    if (options.cancelled && options.cancelled())
      return Error{ErrorCode::cancelled, 0, "planning the recovery"};
    for (PartScan& one : scans) {
      if (one.error) return std::move(*one.error);
      take(std::move(one));
    }
  }
  return {};
}

}  // namespace rmq::recovery
