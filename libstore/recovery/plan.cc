#include "libstore/recovery/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/format/config_files.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/recovery/log_layout.h"
#include "libstore/recovery/log_scan.h"
#include "libstore/recovery/queue_judge.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::recovery {
namespace {

constexpr std::string_view kLmqPrefix = "%LMQ%";  // MixAll.LMQ_PREFIX
constexpr std::int64_t kLargestStateFile = 64 << 20;

class Planner {
 public:
  Planner(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, const PlanOptions& options)
      : files_(files), survey_(survey), options_(options) {}

  Result<Plan> run() {
    plan_.was_closed_cleanly = !survey_.abort.has_value();
    plan_.commit_log_file_size = survey_.commit_log.file_size;
    if (survey_.commit_log_is_dledger) refuse("the commit log is DLedger's");
    if (survey_.consume_queue_is_rocksdb) refuse("the consume queues are in RocksDB");
    if (!plan_.possible()) return plan_;
    RMQ_CHECK(read_state());
    layout_ = lay_out_log(files_, survey_, options_);
    for (const std::string& why : layout_.refusals) refuse(why);
    if (!plan_.possible()) return plan_;
    cut();
    if (options_.judge_index)
      index_ = IndexCheck::check(files_, survey_, checkpoint_.index_msg_timestamp, options_);
    if (layout_.parts.empty()) {
      collect_steps();
      return plan_;
    }
    plan_.log_begin = layout_.parts.front().start;
    RMQ_TRY(trusted, trusted_part());
    if (is_misnamed_ && options_.depth == Depth::tail) {  // names are not to be believed
      PlanOptions all = options_;
      all.depth = Depth::full;
      layout_ = lay_out_log(files_, survey_, all);
      for (const std::string& why : layout_.refusals) refuse(why);
      if (!plan_.possible()) return plan_;
      RMQ_TRY(again, trusted_part());
      trusted = again;
    }
    std::size_t first = options_.depth == Depth::full ? 0 : trusted;
    if (index_.sound() < index_.files().size()) first = std::min(first, part_of(index_.last_offset()));
    while (true) {
      RMQ_CHECK(walk(first));
      decide_index();
      // Records that are dispatched again must have been looked at: some of them may be history.
      const std::size_t again = part_of(std::min(index_from_, plan_.log_end));
      if (again >= first) break;
      first = again;
    }
    judge();
    if (needs_whole_log_) {
      PlanOptions all = options_;
      all.depth = Depth::full;
      return Planner(files_, survey_, all).run();
    }
    plan_.dispatch_from = plan_.was_closed_cleanly ? plan_.log_end : layout_.parts[trusted].start;
    plan_.dispatch_from = std::min({plan_.dispatch_from, missing_from_, index_from_, plan_.log_end});
    plan_.dispatch_from = std::max(plan_.dispatch_from, plan_.log_begin);
    if (begins_index()) plan_.dispatch_from = index_from_ = plan_.log_begin;
    // A tap has got every record.
    if (options_.taps == nullptr)
      std::erase_if(plan_.floors,
                    [&](const QueueFloor& floor) { return floor.log_offset <= plan_.dispatch_from; });
    collect_steps();
    return std::move(plan_);
  }

 private:
  void refuse(std::string why) { plan_.refusals.push_back(std::move(why)); }

  // ---- what files beside log, queues and index say

  Status read_state() {
    if (survey_.checkpoint) {
      RMQ_TRY(bytes, io::read_all(files_, survey_.checkpoint->path, kLargestStateFile));
      checkpoint_ = format::StoreCheckpoint::read(bytes);
    }
    const auto is_on = [&](const char* key) {
      const auto found = survey_.config.keys.find(key);
      return found != survey_.config.keys.end() && found->second == "true";
    };
    const bool has_lmq = std::ranges::any_of(
        survey_.queues, [](const scan::Queue& queue) { return queue.topic.starts_with(kLmqPrefix); });
    plan_.rules.multi_dispatch = has_lmq || is_on("enableMultiDispatch");
    plan_.rules.lmq = has_lmq || is_on("enableLmq");
    if (!survey_.config.message_delay_level.empty()) {
      if (auto levels = format::DelayLevels::parse(survey_.config.message_delay_level))
        plan_.rules.delay_levels = std::move(*levels);
    }
    read_topics();
    RMQ_TRY(deleted, derive::DeletedTopics::load(
                         files_, io::join_path(survey_.config_directory(), derive::kDeletedTopicsFileName)));
    evidence_.deleted = std::move(deleted);
    return {};
  }

  void read_topics() {
    const format::ConfigFile& file = format::config_file(format::ConfigFileKind::topics);
    const auto text_of = [&](const std::string& name) -> std::optional<std::string> {
      const auto bytes =
          io::read_all(files_, io::join_path(survey_.config_directory(), name), kLargestStateFile);
      if (!bytes) return std::nullopt;
      return std::string(as_text(*bytes));
    };
    const auto text = text_of(std::string(file.name));
    const auto bak = text_of(std::string(file.name) + ".bak");
    const auto loaded = format::load_config(file, text, bak);
    if (loaded.value) {
      if (const auto topics = format::read_topics(*loaded.value)) {
        evidence_.topics_known = true;
        for (const format::TopicConfig& topic : *topics) {
          evidence_.topics.insert(topic.name);
          for (const auto& [name, value] : topic.attributes)
            if (name == "queue.type" && value == "BatchCQ") plan_.batch_topics.insert(topic.name);
        }
      }
    }
    for (const scan::Queue& queue : survey_.queues)
      if (queue.kind == scan::QueueKind::batch) plan_.batch_topics.insert(queue.topic);
  }

  // ---- the log

  // Files behind the cut go; of the one that it lies in, what lies behind is not looked at, and becomes
  // zeros.
  void cut() {
    if (!options_.cut_at) return;
    const std::int64_t at = *options_.cut_at;
    std::erase_if(layout_.parts, [&](const LogPart& part) {
      if (part.start < at) return false;
      if (!part.read_path.empty()) cut_off(part, part.start);
      return true;
    });
    if (layout_.parts.empty()) return;
    LogPart& last = layout_.parts.back();
    if (last.read_path.empty() || last.start + last.size <= at) return;
    cut_off(last, at);
    last.size = at - last.start;
    last.is_last = true;
  }

  void cut_off(const LogPart& part, std::int64_t at) {
    Step step;
    step.path = part.path;
    step.shown = part.shown;
    step.why = "it lies behind the cut";
    if (at == part.start) {
      step.kind = Step::Kind::set_aside;
    } else {
      step.kind = Step::Kind::zero;
      step.from = at - part.start;
      step.to = std::min(part.size, survey_.commit_log.file_size);
      if (part.path == part.read_path) step.crc_before = crc_of(part.path, step.from, step.to);
    }
    log_steps_.push_back(std::move(step));
  }

  [[nodiscard]] std::size_t part_of(std::int64_t log_offset) const {
    const auto behind = std::ranges::upper_bound(layout_.parts, log_offset, {}, &LogPart::start);
    return behind == layout_.parts.begin() ? 0 : static_cast<std::size_t>(behind - layout_.parts.begin()) - 1;
  }

  // CommitLog.isMappedFileMatchedRecover: the last file whose first record is older than what the checkpoint
  // vouches for.
  Result<std::size_t> trusted_part() {
    const std::int64_t trusted = checkpoint_.min_timestamp();
    for (std::size_t i = layout_.parts.size(); i-- > 1;) {
      const LogPart& part = layout_.parts[i];
      if (part.read_path.empty()) continue;
      RMQ_TRY(file, files_.open(part.read_path));
      scan::CommitLogWalker::Options walk;
      walk.records_start = part.start;
      walk.file_size = survey_.commit_log.file_size;
      scan::CommitLogWalker walker(*file, walk);
      const scan::LogItem* item = walker.next();
      if (item == nullptr || item->kind != scan::LogItemKind::record) continue;
      is_misnamed_ = is_misnamed_ || item->message.physical_offset != part.start + item->position;
      if (item->message.store_timestamp <= trusted) return i;
    }
    return std::size_t{0};
  }

  Status walk(std::size_t first) {
    runs_.clear();
    wounds_.clear();
    mends_.clear();
    not_indexed_from_ = kEverything;
    plan_.records = 0;
    plan_.last_store_timestamp = 0;
    plan_.walked_from = plan_.log_end = plan_.stock_end = layout_.parts[first].start;
    std::int64_t scanned_to = plan_.log_end;
    if (options_.taps != nullptr) options_.taps->begin(plan_, layout_.parts.size());
    std::int64_t before = 0;  // store time of the record before a part
    RMQ_CHECK(scan_log(files_, survey_, layout_, first, plan_.rules, index_, options_, [&](PartScan&& part) {
      for (auto& [id, runs] : part.runs)
        for (const RecordRun& run : runs) add_run(runs_[id], run);
      for (Wound& wound : part.wounds) {
        if (wound.store_timestamp == 0) wound.store_timestamp = before;
        wounds_.push_back(wound);
      }
      std::ranges::move(part.mends, std::back_inserter(mends_));
      plan_.records += part.records;
      plan_.bytes_read += part.bytes_read;
      plan_.last_store_timestamp = std::max(plan_.last_store_timestamp, part.newest_timestamp);
      not_indexed_from_ = std::min(not_indexed_from_, part.not_indexed_from);
      scanned_to += survey_.commit_log.file_size;
      if (part.records == 0) {
        plan_.stock_end = plan_.log_end;
        return;
      }
      plan_.log_end = part.data_end;
      plan_.stock_end = part.data_end == scanned_to ? part.records_end : part.data_end;
      before = part.last_store_timestamp;
    }));
    return {};
  }

  // ---- the index

  // Which index files stay, and from where on messages are put into the index again.
  void decide_index() {
    index_kept_ = index_.files().size();
    index_from_ = kEverything;
    if (!survey_.config.message_index_enable || !options_.judge_index) return;
    const auto& all = index_.files();
    // An index file that got another name is none any more, but says that there was one.
    const bool renamed = std::ranges::any_of(survey_.index_strays, [](const scan::StoreFile& file) {
      return std::ranges::all_of(file.name, [](char c) { return c >= '0' && c <= '9'; });
    });
    const bool was_there = !all.empty() || renamed || checkpoint_.index_msg_timestamp > 0;
    index_kept_ = index_.sound();
    const bool full = options_.depth == Depth::full;
    std::int64_t wrong_from = std::min(not_indexed_from_, plan_.log_end);
    if (index_.sound() == 0 && (!all.empty() || (full && was_there))) wrong_from = plan_.log_begin;
    // A file without entries begins where the one before ends.
    const auto leads_astray = [&](const format::IndexHeader& header) {
      return (header.index_count > 1 || header.end_phy_offset > 0) && header.end_phy_offset >= wrong_from;
    };
    while (index_kept_ > 0 && leads_astray(all[index_kept_ - 1].header)) --index_kept_;
    if (index_kept_ < all.size()) {
      std::int64_t kept_end = plan_.log_begin;
      for (std::size_t i = 0; i < index_kept_; ++i)
        if (all[i].header.index_count > 1) kept_end = std::max(kept_end, all[i].header.end_phy_offset);
      index_from_ = std::min(kept_end, wrong_from);
    } else if (was_there && wrong_from < plan_.log_end) {
      index_from_ = wrong_from;
    }
  }

  // There is no index, and what is dispatched again would make one: then of all messages, not of the last
  // ones alone. At Depth::tail it is as RocketMQ leaves it.
  [[nodiscard]] bool begins_index() const {
    return options_.depth == Depth::full && options_.judge_index && survey_.config.message_index_enable &&
           index_.files().empty() && plan_.dispatch_from < plan_.log_end;
  }

  // ---- the queues, and what the log needs for them

  void judge() {
    for (const Wound& wound : wounds_) {
      if (wound.unreadable)
        refuse(fmt::format("{}: bytes {} to {} cannot be read", layout_.parts[wound.part].shown,
                           wound.from - layout_.parts[wound.part].start,
                           wound.to - layout_.parts[wound.part].start));
      if (wound.from >= plan_.log_end) continue;
      std::vector<Wound>& inner = evidence_.wounds;
      if (!inner.empty() && inner.back().to == wound.from && inner.back().part == wound.part) {
        inner.back().to = wound.to;
        inner.back().unwritten = inner.back().unwritten && wound.unwritten;
      } else {
        inner.push_back(wound);
      }
    }
    evidence_.log_begin = plan_.log_begin;
    evidence_.log_end = plan_.log_end;
    evidence_.walked_from = plan_.walked_from;
    evidence_.was_closed_cleanly = plan_.was_closed_cleanly;
    evidence_.derived_until = plan_.was_closed_cleanly ? kEverything : checkpoint_.logics_msg_timestamp;
    QueueVerdicts verdicts = judge_queues(files_, survey_, std::move(runs_), evidence_, options_);
    for (std::string& why : verdicts.refusals) refuse(std::move(why));
    missing_from_ = verdicts.missing_from;
    needs_whole_log_ = verdicts.needs_whole_log;
    plan_.floors = std::move(verdicts.floors);
    plan_.lost = std::move(verdicts.lost);
    plan_.queues = std::move(verdicts.queues);
    plan_.units_behind = verdicts.units_behind;
    queue_steps_ = std::move(verdicts.steps);
    for (const RecordMend& mend : mends_) mend_record_at(mend);
    for (const FieldMend& mend : verdicts.mends) mend_field(mend);
    for (std::size_t i = 0; i < evidence_.wounds.size(); ++i) bridge(evidence_.wounds[i], verdicts.slots[i]);
    for (const Wound& wound : wounds_) {
      if (wound.from >= plan_.log_end) clear(wound);
    }
  }

  Step step_at(Step::Kind kind, std::size_t number, std::int64_t from, std::int64_t to, std::string why) {
    const LogPart& part = layout_.parts[number];
    Step step;
    step.kind = kind;
    step.path = part.path;
    step.shown = part.shown;
    step.from = from - part.start;
    step.to = to - part.start;
    step.why = std::move(why);
    if (!part.read_path.empty() && part.size == survey_.commit_log.file_size)
      step.crc_before = crc_of(part.read_path, step.from, step.to);
    return step;
  }

  void mend_record_at(const RecordMend& mend) {
    const std::int64_t from = layout_.parts[mend.part].start + mend.position;
    Step step = step_at(Step::Kind::write, mend.part, from, from + std::ssize(mend.bytes),
                        fmt::format("{} was wrong in the record at {}, and everything else proves it",
                                    mend.what, mend.log_offset));
    step.bytes = mend.bytes;
    log_steps_.push_back(std::move(step));
    plan_.mended.push_back(mend.log_offset);
  }

  void mend_field(const FieldMend& mend) {
    constexpr std::int64_t kFrom = 12;  // QUEUEID, FLAG, QUEUEOFFSET
    constexpr std::int64_t kTo = 28;
    const std::size_t number = part_of(mend.log_offset);
    const LogPart& part = layout_.parts[number];
    std::array<std::byte, kTo - kFrom> bytes{};
    const auto file = files_.open(part.read_path);
    const auto got = file ? (*file)->read_at(mend.log_offset - part.start + kFrom, bytes) : file.error();
    if (!got || *got < bytes.size()) return refuse(fmt::format("{} cannot be read", part.shown));
    store_be(bytes.data(), mend.queue_id);
    store_be(bytes.data() + 8, mend.queue_offset);
    Step step =
        step_at(Step::Kind::write, number, mend.log_offset + kFrom, mend.log_offset + kTo,
                fmt::format("the record at {} is queue {}'s message {}: its own queue and the records "
                            "around it prove it",
                            mend.log_offset, mend.queue_id, mend.queue_offset));
    step.bytes.assign(bytes.begin(), bytes.end());
    log_steps_.push_back(std::move(step));
    plan_.mended.push_back(mend.log_offset);
  }

  void bridge(const Wound& wound, std::vector<Slot>& slots) {
    const LogPart& part = layout_.parts[wound.part];
    const bool to_file_end = wound.to == part.start + survey_.commit_log.file_size;
    std::ranges::sort(
        slots, {}, [](const Slot& slot) { return std::tie(slot.topic, slot.queue_id, slot.queue_offset); });
    auto records = plan_bridge(wound.from, wound.to, to_file_end, slots);
    if (!records) {
      return refuse(fmt::format("{}: bytes {} to {} are damaged, and there is no room in them for {} records",
                                part.shown, wound.from - part.start, wound.to - part.start, slots.size()));
    }
    for (const BridgeRecord& record : *records) {
      if (record.kind == BridgeRecord::Kind::placeholder)
        plan_.placeholders.push_back(
            {record.slot.topic, record.slot.queue_id, record.slot.queue_offset, record.log_offset});
    }
    Step step =
        step_at(Step::Kind::bridge, wound.part, wound.from, wound.to,
                wound.unwritten && slots.empty()
                    ? std::string("the BLANK that ends the file is missing")
                    : fmt::format("no record, though the log goes on behind it; {} of its messages are known",
                                  slots.size()));
    step.records = std::move(*records);
    step.modified_ms = std::max<std::int64_t>(wound.store_timestamp, 1);
    log_steps_.push_back(std::move(step));
  }

  // Behind the log's end there must be zeros.
  void clear(const Wound& wound) {
    if (wound.unwritten || layout_.parts[wound.part].read_path.empty()) return;
    log_steps_.push_back(step_at(Step::Kind::zero, wound.part, wound.from, wound.to,
                                 wound.stale ? "records that an earlier recovery cut off"
                                             : "a message half written when the store stopped"));
  }

  [[nodiscard]] std::optional<std::uint32_t> crc_of(const std::string& path, std::int64_t from,
                                                    std::int64_t to) const {
    const auto crc = crc_of_range(files_, path, from, to);
    return crc ? std::optional(*crc) : std::nullopt;
  }

  // ---- all of it in order: what claims something is taken back first, what is derived comes last

  void collect_steps() {
    if (!plan_.possible()) return;
    std::vector<Step> steps;
    std::ranges::move(layout_.steps, std::back_inserter(steps));
    std::ranges::move(log_steps_, std::back_inserter(steps));
    std::ranges::move(queue_steps_, std::back_inserter(steps));
    const auto& all = index_.files();
    for (std::size_t i = index_kept_; i < all.size(); ++i)
      steps.push_back(setting_aside(all[i].info, all[i].sound ? "not all of it is what the log says"
                                                              : "damaged; it is made again from the log"));
    for (const scan::StoreFile& stray : survey_.index_strays)
      steps.push_back(setting_aside(stray, "no index file"));
    for (const scan::StoreFile& stray : survey_.queue_strays)
      steps.push_back(setting_aside(stray, "no queue of a topic"));
    std::vector<Step> first = checkpoint_steps(!queue_steps_.empty() || !log_steps_.empty());
    steps.insert(steps.begin(), std::move_iterator(first.begin()), std::move_iterator(first.end()));
    plan_.steps = std::move(steps);
  }

  // The checkpoint never claims more than there will be after the first step: neither messages that are gone,
  // nor queues and index files that are to be made again.
  [[nodiscard]] std::vector<Step> checkpoint_steps(bool queues_change) const {
    if (!survey_.checkpoint) return {};
    std::vector<Step> steps;
    if (survey_.checkpoint->size != format::kCheckpointFileSize) {
      steps.push_back(setting_aside(*survey_.checkpoint, "a checkpoint of a wrong length"));
      return steps;
    }
    format::StoreCheckpoint lowered = checkpoint_;
    const auto at_most = [](std::int64_t& field, std::int64_t limit) { field = std::min(field, limit); };
    if (plan_.records > 0) {
      at_most(lowered.physic_msg_timestamp, plan_.last_store_timestamp);
      at_most(lowered.logics_msg_timestamp, plan_.last_store_timestamp);
      at_most(lowered.index_msg_timestamp, plan_.last_store_timestamp);
      at_most(lowered.confirm_phy_offset, plan_.log_end);
      at_most(lowered.master_flushed_offset, plan_.log_end);
    }
    if (queues_change || missing_from_ != kEverything) lowered.logics_msg_timestamp = 0;
    if (index_kept_ < index_.files().size() || index_from_ == plan_.log_begin) {
      std::int64_t kept = 1;  // there was an index
      for (std::size_t i = 0; i < index_kept_; ++i)
        kept = std::max(kept, index_.files()[i].header.end_timestamp);
      at_most(lowered.index_msg_timestamp, kept);
      lowered.logics_msg_timestamp = 0;
    }
    if (lowered == checkpoint_) return {};
    const auto bytes = lowered.encode();
    const auto fields = static_cast<std::size_t>(format::kStoreCheckpointLayout.size()) * 8;
    Step step;
    step.kind = Step::Kind::write;
    step.path = survey_.checkpoint->path;
    step.shown = survey_.checkpoint->shown;
    step.to = static_cast<std::int64_t>(fields);
    step.bytes.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(fields));
    step.crc_before = crc_of(step.path, step.from, step.to);
    step.why = "it claims what is not there, or is to be made again";
    steps.push_back(std::move(step));
    return steps;
  }

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  const PlanOptions& options_;
  Plan plan_;
  format::StoreCheckpoint checkpoint_;
  LogLayout layout_;
  IndexCheck index_;
  bool is_misnamed_ = false;  // a file that was looked at begins with a record of another place
  QueueEvidence evidence_;
  QueueRuns runs_;
  std::vector<Wound> wounds_;
  std::vector<RecordMend> mends_;
  std::int64_t not_indexed_from_ = kEverything;
  std::int64_t index_from_ = kEverything;
  std::int64_t missing_from_ = kEverything;
  bool needs_whole_log_ = false;
  std::size_t index_kept_ = 0;
  std::vector<Step> log_steps_;
  std::vector<Step> queue_steps_;
};

}  // namespace

std::string_view to_string(Step::Kind kind) {
  switch (kind) {
    case Step::Kind::rename: return "rename";
    case Step::Kind::set_aside: return "setAside";
    case Step::Kind::make: return "make";
    case Step::Kind::write: return "write";
    case Step::Kind::copy: return "copy";
    case Step::Kind::replace: return "replace";
    case Step::Kind::bridge: return "bridge";
    case Step::Kind::zero: return "zero";
  }
  return "?";
}

std::int64_t Plan::floor_of(std::string_view topic, std::int32_t queue_id) const {
  const auto key = [](const QueueFloor& floor) {
    return std::pair(std::string_view(floor.topic), floor.queue_id);
  };
  const auto found = std::ranges::lower_bound(floors, std::pair(topic, queue_id), {}, key);
  const bool there = found != floors.end() && key(*found) == std::pair(topic, queue_id);
  return there ? found->log_offset : 0;
}

Result<std::uint32_t> crc_of_range(const io::ReadFileSystem& files, const std::string& path,
                                   std::int64_t from, std::int64_t to) {
  RMQ_TRY(file, files.open(path));
  std::vector<std::byte> bytes;
  std::uint32_t crc = 0;
  for (std::int64_t at = from; at < to; at += std::ssize(bytes)) {
    bytes.resize(static_cast<std::size_t>(std::min<std::int64_t>(to - at, 1 << 20)));
    RMQ_TRY(got, file->read_at(at, bytes));
    if (got == 0) break;
    bytes.resize(got);
    crc = crc32(bytes, crc);
  }
  return crc;
}

Result<Plan> make_plan(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                       const PlanOptions& options) {
  return Planner(files, survey, options).run();
}

}  // namespace rmq::recovery
