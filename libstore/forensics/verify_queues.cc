// Units without a record, records without a unit: joins what the log pass confirmed with what the queues hold.
// One cause, one finding: a unit that leads into damaged bytes of the log is evidence for that damage and is
// counted there; a run of units or records that share a reason is one finding a file.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "libstore/base/parallel.h"
#include "libstore/base/saturate.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/forensics/verify_context.h"

namespace rmq::forensics {
namespace {

using format::ConsumeQueueEntry;
using format::MessageView;

constexpr std::int64_t kBlockUnits = 3200;
constexpr std::size_t kMaxSuspects = 2'000'000;  // units kept for a second look, all queues together
constexpr std::size_t kTailUnits = 3;            // so many units behind the log's end prove a lost tail

struct SuspectUnit {
  UnitNumber number = 0;
  ConsumeQueueEntry entry;
};

struct UnitRange {
  UnitNumber first = 0;
  std::int64_t count = 0;
};

// What is left to explain of one queue after the log pass.
struct QueueLeftovers {
  std::vector<SuspectUnit> suspects;  // used, but no record confirmed them
  std::vector<UnitRange> holes;       // unused, with used units behind them
  UnitNumber used_end = 0;            // behind the last used unit
  std::int64_t used = 0;
  std::int64_t bytes_read = 0;
  bool read_error = false;
};

QueueLeftovers collect(const io::ReadFileSystem& files, const QueueState& state, std::atomic<std::size_t>& suspects) {
  QueueLeftovers left;
  left.used_end = state.first_unit();
  std::vector<std::byte> block;
  UnitRange hole;
  const auto take_used = [&](UnitNumber number) {
    if (hole.count > 0) left.holes.push_back(std::exchange(hole, {}));
    left.used_end = number + 1;
    ++left.used;
  };
  const auto take_unused = [&](UnitNumber number, std::int64_t count) {
    if (hole.count == 0 || hole.first + hole.count != number) {
      if (hole.count > 0) left.holes.push_back(hole);
      hole = {number, 0};
    }
    hole.count += count;
  };
  for (const scan::MappedFile& mapped : state.queue().files.files) {
    const auto file = files.open(mapped.path);
    if (!file) {
      left.read_error = true;
      continue;
    }
    const UnitNumber first = mapped.start / state.unit_size();
    const UnitNumber end = (mapped.start + state.room_in(mapped)) / state.unit_size();
    const ConfirmedUnits confirmed = state.confirmed_in(mapped);
    for (UnitNumber at = first; at < end;) {
      std::int64_t count = std::min(kBlockUnits, end - at);
      if (confirmed.test(at - first)) {  // was read and compared by the log pass
        while (at < end && confirmed.test(at - first)) take_used(at++);
        continue;
      }
      // Space that was never written is not read: queue files are mostly holes.
      const std::int64_t position = (at - first) * state.unit_size();
      const std::int64_t data = (*file)->next_data(position) / state.unit_size();
      if (data > at - first) {
        const std::int64_t empty = std::min(data, end - first) - (at - first);
        const UnitNumber to = first + confirmed.next(at - first, at - first + empty);
        take_unused(at, to - at);
        at = to;
        continue;
      }
      block.resize(static_cast<std::size_t>(count * state.unit_size()));
      const auto got = (*file)->read_at(position, block);
      if (!got || *got < static_cast<std::size_t>(state.unit_size())) {
        left.read_error = true;
        break;
      }
      count = static_cast<std::int64_t>(*got) / state.unit_size();
      for (std::int64_t i = 0; i < count; ++i) {
        const UnitNumber number = at + i;
        const auto entry = ConsumeQueueEntry::load(block.data() + i * state.unit_size());
        if (confirmed.test(number - first)) {
          take_used(number);
        } else if (!entry.is_used()) {
          take_unused(number, 1);
        } else {
          take_used(number);
          if (entry.is_pre_blank() || suspects.fetch_add(1) >= kMaxSuspects) continue;
          left.suspects.push_back({number, entry});
        }
      }
      at += count;
    }
    left.bytes_read += mapped.size;
  }
  return left;
}

class QueueJudge {
 public:
  QueueJudge(VerifyContext& context, std::vector<QueueLeftovers>& leftovers)
      : context_(context), log_(*context.log), leftovers_(leftovers) {
    for (std::size_t i = 0; i < leftovers.size(); ++i) by_state_[context.queues->queues()[i].get()] = &leftovers[i];
    any_queue_ = std::ranges::any_of(context.survey.queues, [](const scan::Queue& queue) { return !queue.files.files.empty(); });
  }

  void run() {
    sort_runs();
    for (std::size_t i = 0; i < leftovers_.size(); ++i) judge_units(*context_.queues->queues()[i], leftovers_[i]);
    judge_units_behind_the_log();
    flush_units();
    judge_foreign_queues();
    for (RecordRun& run : runs_) judge_run(run);
    judge_missing_queues();
    for (const auto& [key, part] : missing_parts_) report_part(part);
    judge_tags();
    if (old_generation_ > 0) {
      context_.add("CQ-OLD-GENERATION", Severity::benign, "", 0, 0,
                   fmt::format("{} of topics that were deleted, or deleted and created again, since: no queue leads to "
                               "them, and none should",
                               counted(old_generation_, "record", "records")));
    }
  }

 private:
  // ---- what the log pass left over

  void sort_runs() {
    std::vector<RecordRun> all;
    for (LogFileReport& report : context_.reports) {
      std::ranges::move(report.unconfirmed, std::back_inserter(all));
      report.unconfirmed.clear();
    }
    // A topic created again restarts its queues at offset 0: whatever lies before that restart is history, in all of
    // the topic's queues, for they were deleted together.
    struct Restart {
      std::int64_t old_end = -1;  // the last record known to be older
      std::int64_t begin = -1;    // where a queue began anew
    };
    std::map<std::string, Restart, std::less<>> restarts;
    for (const RecordRun& run : all) {
      if (run.queue == nullptr || run.last_offset >= run.queue->generation_start()) continue;
      Restart& restart = restarts[run.topic];
      restart.old_end = std::max(restart.old_end, run.last_offset);
      restart.begin = std::max(restart.begin, run.queue->generation_start());
    }
    for (RecordRun& run : all) {
      const auto restart = restarts.find(run.topic);
      const bool begins_anew = restart != restarts.end() && run.queue_offset == 0 && run.first_offset > restart->second.old_end;
      if (restart != restarts.end() && run.last_offset < restart->second.begin && !begins_anew) {
        old_generation_ += run.count;
      } else {
        runs_.push_back(std::move(run));
      }
    }
    std::ranges::sort(runs_, [](const RecordRun& a, const RecordRun& b) {
      return std::tie(a.topic, a.queue_id, a.queue_offset, a.first_offset) <
             std::tie(b.topic, b.queue_id, b.queue_offset, b.first_offset);
    });
    for (const RecordRun& run : runs_) runs_of_[run.queue].push_back(&run);
  }

  // Is there a record in the log that claims this place of the queue, but was not found there?
  [[nodiscard]] bool claimed(const QueueState& state, std::int64_t queue_offset) const {
    const auto found = runs_of_.find(const_cast<QueueState*>(&state));
    if (found == runs_of_.end()) return false;
    const auto after = std::ranges::upper_bound(found->second, queue_offset, {}, &RecordRun::queue_offset);
    if (after == found->second.begin()) return false;
    const RecordRun& run = **std::prev(after);
    return queue_offset < saturated_add(run.queue_offset, run.count);
  }

  // ---- units

  void judge_units(QueueState& state, QueueLeftovers& left) {
    for (const UnitRange& hole : left.holes) {
      if (hole.first + hole.count > left.used_end) continue;
      add_units("CQ-HOLE", Severity::hidden, state, hole.first, hole.count,
                "unused in the middle of the queue: a stock broker cuts the queue here");
    }
    for (const SuspectUnit& suspect : left.suspects) judge_unit(state, suspect);
  }

  void judge_unit(QueueState& state, const SuspectUnit& unit) {
    const std::int64_t phy = unit.entry.commit_log_offset;
    const std::int64_t queue_offset = queue_offset_of(state, unit.number);
    const LogMap::Location at = log_.locate(phy);
    const bool is_claimed = claimed(state, queue_offset);
    switch (at.place) {
      case LogMap::Place::before:
        // Expired: the log begins higher. Above a live unit that cannot be.
        if (unit.number < state.first_confirmed() || state.confirmed_units() == 0) return;
        wrong_unit(state, unit.number, is_claimed, fmt::format("leads to {}, where the log no longer reaches", phy));
        return;
      case LogMap::Place::behind:
        if (is_claimed) {
          wrong_unit(state, unit.number, true, fmt::format("leads to {}, behind the end of the log at {}", phy, log_.end()));
        } else {
          behind_.push_back({&state, unit});
        }
        return;
      case LogMap::Place::wound:
      case LogMap::Place::missing: {
        if (is_claimed) {  // the record it should lead to is whole: the unit itself is wrong
          wrong_unit(state, unit.number, true, fmt::format("leads to {}, where no record is", phy));
          return;
        }
        LogWound& wound = *at.wound;
        if (wound.messages++ == 0) {
          wound.example = fmt::format("{}/{} queue offset {}", state.queue().topic, state.queue().queue_id, queue_offset);
        }
        wound.evidence_end = std::max(wound.evidence_end, phy + unit.entry.size);
        return;
      }
      case LogMap::Place::record_space: judge_against_record(state, unit, *at.file, at.position, queue_offset, is_claimed);
    }
  }

  void judge_against_record(QueueState& state, const SuspectUnit& unit, const LogFileReport& file, std::int64_t position,
                            std::int64_t queue_offset, bool is_claimed) {
    const auto record = read_record(file, position);
    if (!record) {
      wrong_unit(state, unit.number, is_claimed,
                 fmt::format("leads to {}, which is not the start of a record", unit.entry.commit_log_offset));
      return;
    }
    const scan::Queue& queue = state.queue();
    const bool same_topic = record->topic == queue.topic;
    const bool same_queue = record->queue_id == queue.queue_id;
    const bool same_offset = record->queue_offset == queue_offset;
    if (same_topic && same_queue && same_offset) {
      wrong_unit(state, unit.number, true,
                 fmt::format("says {} bytes, the record at {} has {}", unit.entry.size, unit.entry.commit_log_offset,
                             record->total_size));
      return;
    }
    // Record and unit disagree: who is wrong? A record that its own place in its own queue confirms is right.
    if (!is_claimed && !confirmed_at_home(*record, unit.entry.commit_log_offset) &&
        unit.entry.size == record->total_size && same_topic + same_queue + same_offset == 2) {
      Finding& finding = context_.add(
          "CL-FIELD", Severity::degraded, file.file.file->shown, position, record->total_size,
          fmt::format("the record says {}/{} queue offset {}, but the queue unit that leads to it is {}/{} queue offset {}: "
                      "a field of its header is damaged",
                      record->topic, record->queue_id, record->queue_offset, queue.topic, queue.queue_id, queue_offset));
      finding.topic = queue.topic;
      finding.queue_id = queue.queue_id;
      finding.queue_offset = queue_offset;
      explained_.insert(unit.entry.commit_log_offset);
      return;
    }
    if (is_claimed) {
      wrong_unit(state, unit.number, true,
                 fmt::format("leads to {}, the record of {}/{} queue offset {}", unit.entry.commit_log_offset, record->topic,
                             record->queue_id, record->queue_offset));
    } else {
      ++foreign_[&state];
      foreign_units_.push_back({&state, unit});
    }
  }

  void wrong_unit(QueueState& state, UnitNumber number, bool is_claimed, std::string what) {
    add_units(is_claimed ? "CQ-WRONG-UNIT" : "CQ-DANGLING", is_claimed ? Severity::hidden : Severity::loss, state, number,
              1, std::move(what));
  }

  // Units that lead behind the log's end: a lost tail where they begin right at the end or are many, otherwise the
  // units are wrong themselves.
  void judge_units_behind_the_log() {
    std::int64_t reach = log_.end();
    bool contiguous = false;
    for (const auto& [state, unit] : behind_) {
      contiguous = contiguous || unit.entry.commit_log_offset == log_.end();
      reach = std::max(reach, saturated_add(unit.entry.commit_log_offset, unit.entry.size));
    }
    constexpr std::int64_t kFarthest = std::int64_t{64} << 30;  // a wild offset proves no lost files
    constexpr std::int64_t kMostFiles = 256;
    const bool tail = (contiguous || behind_.size() >= kTailUnits) && log_.file_size() > 0 &&
                      reach - log_.end() < kFarthest && (reach - log_.end()) / log_.file_size() < kMostFiles;
    if (!tail) {
      for (const auto& [state, unit] : behind_) {
        add_units("CQ-DANGLING", Severity::loss, *state, unit.number, 1,
                  fmt::format("leads to {}, behind the end of the log at {}", unit.entry.commit_log_offset, log_.end()));
      }
      return;
    }
    const std::int64_t size = log_.file_size();
    for (std::int64_t from = log_.end(); from < reach;) {
      const std::int64_t to = std::min(reach, (from / size + 1) * size);
      LogWound wound;
      wound.kind = LogWound::Kind::lost_tail;
      wound.from = from;
      wound.to = to;
      for (const auto& [state, unit] : behind_) {
        if (unit.entry.commit_log_offset < from || unit.entry.commit_log_offset >= to) continue;
        if (wound.messages++ == 0) {
          wound.example = fmt::format("{}/{} queue offset {}", state->queue().topic, state->queue().queue_id,
                                      queue_offset_of(*state, unit.number));
        }
      }
      tails_.push_back(wound);
      from = to;
    }
    for (const LogWound& wound : tails_) {
      const std::int64_t start = wound.from / size * size;
      const bool whole_file = wound.from == start;
      Finding& finding = context_.add(
          whole_file ? "CL-MISSING" : "CL-LOST-TAIL", Severity::loss, context_.log_file_shown(start), wound.from - start,
          whole_file ? size : wound.to - wound.from,
          fmt::format("{} of the queues (first {}) lead behind the end of the log at {}: {}",
                      counted(wound.messages, "unit", "units"), wound.example, log_.end(),
                      whole_file ? "this file is missing" : "the end of the log is lost"));
      finding.consequences = wound.messages;
    }
  }

  void judge_foreign_queues() {
    std::map<std::string, std::pair<std::int64_t, bool>> whole_topics;  // units, all of it
    for (const auto& state : context_.queues->queues()) {
      const QueueLeftovers& left = *by_state_.at(state.get());
      if (left.used == 0) continue;
      auto& topic = whole_topics.try_emplace(state->queue().topic, 0, true).first->second;
      const auto count = foreign_.find(state.get());
      const bool all = count != foreign_.end() && count->second == left.used;
      topic.first += all ? left.used : 0;
      topic.second = topic.second && all;
    }
    for (const auto& [topic, units] : whole_topics) {
      if (!units.second || units.first == 0) continue;
      Finding& finding = context_.add(
          "CQ-FOREIGN", Severity::degraded, topic_directory(topic), 0, 0,
          fmt::format("all {} of this topic's queues lead to records of other topics or queues: no message is of it",
                      counted(units.first, "unit", "units")));
      finding.topic = topic;
    }
    for (const auto& [state, unit] : foreign_units_) {
      const auto& topic = whole_topics[state->queue().topic];
      if (topic.second && topic.first > 0) continue;
      add_units("CQ-FOREIGN", Severity::degraded, *state, unit.number, 1, "leads to another queue's record");
    }
    flush_units();
  }

  // ---- records

  void judge_run(RecordRun& run) {
    const auto explained = static_cast<std::int64_t>(std::distance(explained_.lower_bound(run.first_offset),
                                                                   explained_.upper_bound(run.last_offset)));
    if (run.count <= explained) return;
    if (run.queue == nullptr || run.queue->queue().files.files.empty()) {
      lost_queue(run);
      return;
    }
    QueueState& state = *run.queue;
    const QueueLeftovers& left = *by_state_.at(&state);
    if (state.queue().kind == scan::QueueKind::batch) {  // a batch's unit number is only known once it is found
      add_part("CQ-LAG", state.queue(), left.used_end, run.count, run);
      return;
    }
    const std::int64_t unit_size = state.unit_size();
    const std::int64_t file_size = state.queue().files.file_size;
    for (std::int64_t at = run.queue_offset; at < run.queue_offset + run.count;) {
      const std::int64_t file_end = file_size > 0 ? (at * unit_size / file_size + 1) * file_size / unit_size : at + 1;
      const std::int64_t end = std::min(run.queue_offset + run.count, std::max(file_end, at + 1));
      place_records(state, left, at, end, run);
      at = end;
    }
  }

  // Records of queue offsets [from, to), all in the range of one queue file.
  void place_records(QueueState& state, const QueueLeftovers& left, std::int64_t from, std::int64_t to, const RecordRun& run) {
    const scan::MappedFile* file = state.file_of(from);
    if (file == nullptr && from < left.used_end) {
      const std::int64_t size = state.queue().files.file_size;
      const std::int64_t start = size > 0 ? from * state.unit_size() / size * size : 0;
      if (fold_into_layout(state.queue().directory + "/" + format::mapped_file_name(start), to - from)) return;
      add_part("CQ-MISSING-FILE", state.queue(), from, to - from, run);
    } else if (to > left.used_end) {
      const std::int64_t first = std::max(from, left.used_end);
      if (file != nullptr && fold_into_layout(file->shown, to - first)) return;
      add_part("CQ-LAG", state.queue(), first, to - first, run);
    } else {
      // Their place holds another unit or a hole: told there. Only a record whose place another one rightly holds
      // has not been told.
      for (std::int64_t at = from; at < to; ++at) {
        if (!state.is_confirmed(at)) continue;
        Finding& finding = context_.add(
            "CQ-DUPLICATE-OFFSET", Severity::hidden, state.file_of(at)->shown,
            at * state.unit_size() - state.file_of(at)->start, state.unit_size(),
            fmt::format("two records claim this queue offset; the queue leads to the other one, not to that at {}",
                        run.first_offset));
        finding.topic = run.topic;
        finding.queue_id = run.queue_id;
        finding.queue_offset = at;
        if (++duplicates_ > 1000) return;
      }
    }
  }

  // A finding about the file's length or absence explains the records that need it.
  bool fold_into_layout(const std::string& shown, std::int64_t records) {
    for (Finding& finding : context_.findings) {
      if (finding.file != shown || (finding.code != "CQ-SIZE" && finding.code != "CQ-MISSING-FILE")) continue;
      finding.consequences += records;
      finding.severity = std::max(finding.severity, Severity::hidden);
      return true;
    }
    return false;
  }

  // A topic that is in no directory and not in topics.json was deleted. Without topics.json the other topics' queues
  // tell as much: whole topics vanish by deletion, single queues and the whole directory by accident. One that was
  // made again may have no message yet: deletedTopics.json knows.
  void lost_queue(const RecordRun& run) {
    if (context_.deleted.covers(run.topic, run.last_offset)) {
      old_generation_ += run.count;
      return;
    }
    const bool listed = std::ranges::binary_search(context_.topics, run.topic);
    const bool has_topic = context_.queues->has_topic(run.topic);
    const bool deleted = !listed && !has_topic && (context_.topics_known || any_queue_);
    if (deleted || (!listed && context_.topics_known && begins_behind(run.topic, run.last_offset))) {
      old_generation_ += run.count;
      return;
    }
    lost_queues_[run.topic][run.queue_id] += run.count;
    lost_records_ += run.count;
  }

  // A broker that is behind with its dispatching when a topic is deleted makes queues again for what it still
  // dispatches, with nothing but fillers in front of it. Whether all the topic's queues begin so, behind `offset`.
  [[nodiscard]] bool begins_behind(const std::string& topic, std::int64_t offset) const {
    return std::ranges::all_of(context_.queues->queues(), [&](const std::unique_ptr<QueueState>& state) {
      const scan::Queue& queue = state->queue();
      if (queue.topic != topic || queue.files.files.empty()) return true;
      if (queue.kind != scan::QueueKind::simple) return false;
      UnitReader reader(context_.files, *state, 64 << 10);
      const UnitNumber first = queue.files.files.front().start / state->unit_size();
      for (UnitNumber number = first;; ++number) {
        const auto entry = reader.entry(number);
        if (!entry || !entry->is_used()) return false;
        if (!entry->is_pre_blank()) return number > first && entry->commit_log_offset > offset;
      }
    });
  }

  void judge_missing_queues() {
    if (lost_queues_.empty()) return;
    if (!any_queue_) {
      context_.add("CQ-MISSING-ALL", Severity::hidden, "consumequeue", 0, 0,
                   fmt::format("no consume queue is left: {} cannot be consumed until they are rebuilt",
                               counted(lost_records_, "message", "messages")));
      return;
    }
    for (const auto& [topic, queues] : lost_queues_) {
      if (!context_.queues->has_topic(topic)) {
        std::int64_t records = 0;
        for (const auto& [id, count] : queues) records += count;
        Finding& finding = context_.add("CQ-MISSING-QUEUE", Severity::hidden, topic_directory(topic), 0, 0,
                                        fmt::format("the topic has no queue directory, but the log holds {} of it",
                                                    counted(records, "message", "messages")));
        finding.topic = topic;
        continue;
      }
      for (const auto& [id, count] : queues) {
        Finding& finding = context_.add("CQ-MISSING-QUEUE", Severity::hidden, topic_directory(topic) + "/" + std::to_string(id), 0,
                                        0, fmt::format("the queue is missing beside its sisters, but the log holds {} of it",
                                                       counted(count, "message", "messages")));
        finding.topic = topic;
        finding.queue_id = id;
      }
    }
  }

  void judge_tags() {
    for (LogFileReport& report : context_.reports) {
      for (const TagsDamage& damage : report.tags) {
        add_units("CQ-TAGS", Severity::hidden, *damage.queue, damage.unit, 1,
                  fmt::format("tags code {} where the message's tags give {}: consumers that filter by tag miss it", damage.found,
                              damage.expected));
      }
    }
    flush_units();
  }

  // ---- findings

  // A place in a queue that records should fill, one a file.
  struct Part {
    std::string_view code;
    const scan::Queue* queue = nullptr;
    std::int64_t file_start = 0;
    UnitNumber first = 0;
    UnitNumber end = 0;
    std::int64_t records = 0;
    std::int64_t first_offset = 0;
  };

  void add_part(std::string_view code, const scan::Queue& queue, UnitNumber first, std::int64_t count, const RecordRun& run) {
    const std::int64_t unit_size = unit_size_of(queue);
    const std::int64_t size = std::max(queue.files.file_size, unit_size);
    const std::int64_t file_start = first * unit_size / size * size;
    Part& part = missing_parts_[{queue.directory, file_start, std::string(code)}];
    if (part.records == 0) part = {code, &queue, file_start, first, first, 0, run.first_offset};
    part.first = std::min(part.first, first);
    part.end = std::max(part.end, first + count);
    part.records += count;
  }

  void report_part(const Part& part) {
    const bool missing = part.code == "CQ-MISSING-FILE";
    const std::int64_t unit_size = unit_size_of(*part.queue);
    const std::int64_t size = part.queue->files.file_size;
    const std::int64_t offset = missing ? 0 : part.first * unit_size - part.file_start;
    const std::int64_t length = missing ? size : std::min((part.end - part.first) * unit_size, size - offset);
    Finding& finding = context_.add(
        part.code, Severity::hidden, part.queue->directory + "/" + format::mapped_file_name(part.file_start), offset, length,
        missing ? fmt::format("missing: the log holds {} for it", counted(part.records, "message", "messages"))
                : fmt::format("the queue ends before the log: {} not in it (first at {})",
                              counted(part.records, "message is", "messages are"), part.first_offset));
    finding.topic = part.queue->topic;
    finding.queue_id = part.queue->queue_id;
    finding.queue_offset = part.first;
    finding.consequences = part.records;
  }

  // Units of one queue file with the same trouble, one behind the other, are one finding.
  void add_units(std::string_view code, Severity severity, const QueueState& state, UnitNumber first, std::int64_t count,
                 std::string what) {
    const scan::MappedFile* file = state.file_of(first);
    if (open_ && open_state_ == &state && open_->code == code && open_end_ == first && file != nullptr &&
        open_->file == file->shown) {
      open_->length += count * state.unit_size();
      open_->consequences += count;
      open_end_ += count;
      return;
    }
    flush_units();
    Finding finding;
    finding.code = code;
    finding.severity = severity;
    finding.file = file != nullptr ? file->shown : state.queue().directory;
    finding.offset = file != nullptr ? first * state.unit_size() - file->start : 0;
    finding.length = count * state.unit_size();
    finding.topic = state.queue().topic;
    finding.queue_id = state.queue().queue_id;
    finding.queue_offset = queue_offset_of(state, first);
    finding.message = std::move(what);
    finding.consequences = count;
    open_ = std::move(finding);
    open_state_ = &state;
    open_end_ = first + count;
  }

  void flush_units() {
    if (!open_) return;
    if (open_->consequences > 1) open_->message += fmt::format("; {} in all", counted(open_->consequences, "unit", "units"));
    context_.findings.push_back(*std::exchange(open_, std::nullopt));
  }

  [[nodiscard]] std::string topic_directory(const std::string& topic) const {
    for (const scan::Queue& queue : context_.survey.queues) {
      if (queue.topic == topic) return queue.directory.substr(0, queue.directory.find_last_of('/'));
    }
    return "consumequeue/" + topic;
  }

  [[nodiscard]] std::int64_t queue_offset_of(const QueueState& state, UnitNumber number) const {
    if (state.queue().kind == scan::QueueKind::simple) return number;
    UnitReader reader(context_.files, state, 0);
    const std::byte* bytes = reader.unit(number);
    return bytes == nullptr ? -1 : format::BatchConsumeQueueEntry::load(bytes).base_offset;
  }

  // The record at this place; its views live in record_bytes_ until the next call.
  [[nodiscard]] std::optional<MessageView> read_record(const LogFileReport& file, std::int64_t position) {
    auto opened = context_.files.open(file.file.file->path);
    if (!opened) return std::nullopt;
    record_bytes_.resize(format::kMinRecordSize);
    const auto head = (*opened)->read_at(position, record_bytes_);
    if (!head || *head < record_bytes_.size()) return std::nullopt;
    const auto size = load_be<std::int32_t>(record_bytes_.data());
    if (size < format::kMinRecordSize || size > format::kMaxRecordSize) return std::nullopt;
    record_bytes_.resize(static_cast<std::size_t>(size));
    const auto got = (*opened)->read_at(position, record_bytes_);
    if (!got || *got < record_bytes_.size()) return std::nullopt;
    const auto message = MessageView::parse(record_bytes_);
    if (!message) return std::nullopt;
    return *message;
  }

  [[nodiscard]] bool confirmed_at_home(const MessageView& record, std::int64_t log_offset) const {
    const QueueState* home = context_.queues->find(record.topic, record.queue_id);
    if (home == nullptr) return false;
    UnitReader reader(context_.files, *home, 0);
    const auto number = home->queue().kind == scan::QueueKind::batch ? reader.find_batch(record.queue_offset)
                                                                     : std::optional(record.queue_offset);
    const auto unit = number ? reader.entry(*number) : std::nullopt;
    return unit && unit->commit_log_offset == log_offset;
  }

  VerifyContext& context_;
  LogMap& log_;
  std::vector<QueueLeftovers>& leftovers_;
  std::unordered_map<const QueueState*, QueueLeftovers*> by_state_;
  std::vector<RecordRun> runs_;
  std::unordered_map<QueueState*, std::vector<const RecordRun*>> runs_of_;
  std::vector<std::pair<QueueState*, SuspectUnit>> behind_;
  std::vector<std::pair<QueueState*, SuspectUnit>> foreign_units_;
  std::map<const QueueState*, std::int64_t> foreign_;
  std::vector<LogWound> tails_;
  std::set<std::int64_t> explained_;  // log offsets of records whose own header is the damage
  std::map<std::string, std::map<std::int32_t, std::int64_t>> lost_queues_;
  std::map<std::tuple<std::string, std::int64_t, std::string>, Part> missing_parts_;
  bool any_queue_ = false;
  std::int64_t lost_records_ = 0;
  std::int64_t old_generation_ = 0;
  std::int64_t duplicates_ = 0;
  std::optional<Finding> open_;
  const QueueState* open_state_ = nullptr;
  UnitNumber open_end_ = 0;
  std::vector<std::byte> record_bytes_;
};

}  // namespace

void verify_queues(VerifyContext& context) {
  const auto states = context.queues->queues();
  std::vector<QueueLeftovers> leftovers(states.size());
  std::atomic<std::size_t> suspects{0};
  parallel_for(context.options.jobs, states.size(), context.options.cancelled, [&](std::size_t, std::size_t item) {
    leftovers[item] = collect(context.files, *states[item], suspects);
    if (context.options.progress != nullptr) *context.options.progress += leftovers[item].bytes_read;
  });
  for (const QueueLeftovers& left : leftovers) {
    context.summary.bytes_checked += left.bytes_read;
    context.summary.read_errors = context.summary.read_errors || left.read_error;
  }
  if (context.cancelled()) return;
  QueueJudge(context, leftovers).run();
}

}  // namespace rmq::forensics
