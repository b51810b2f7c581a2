#include "libstore/recovery/queue_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "libstore/format/commit_log_record.h"
#include "libstore/recovery/log_layout.h"
#include "libstore/recovery/queue_units.h"

namespace rmq::recovery {
namespace {

constexpr std::int64_t kMostLost = 1'000'000;  // slots of one hole; more is no damage but another log
constexpr std::size_t kMostLostTold = 1'000'000;

// Slots between two records of a queue, or behind the last one, that no record claims.
struct Hole {
  std::int64_t from = 0;
  std::int64_t to = 0;
};

// One queue on its way to a verdict.
struct Case {
  QueueId id;
  const scan::Queue* queue = nullptr;  // none: no such directory
  std::vector<RecordRun> live;         // in the order of the log, and of their slots
  std::int64_t history_end = -1;       // log offset of the last record that is history; -1: none is
  bool disputed = false;               // two records claim a slot
  std::vector<Hole> unexplained;
  std::int64_t redo_from = kEverything;  // the first slot whose unit must be made again
  std::int64_t begin = 0;                // the first slot that a record or a placeholder has
  std::int64_t end = 0;                  // behind the last one
  std::int64_t lost = 0;                 // messages of those between that placeholders stand for
  std::int64_t mended = 0;               // records that came from another queue, where their headers put them
  std::int64_t was_end = 0;              // behind the last slot whose unit is used now
};

// A record whose header fits nowhere, or into a queue of its own.
struct Misfit {
  QueueId says;
  std::int64_t queue_offset = 0;
};
using Misfits = std::map<std::int64_t, Misfit>;  // by log offset

class QueueJudge {
 public:
  QueueJudge(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, QueueRuns runs,
             const QueueEvidence& evidence, const PlanOptions& options, bool by_units)
      : files_(files), survey_(survey), evidence_(evidence), options_(options), by_units_(by_units) {
    for (const scan::Queue& queue : survey.queues) {
      topics_there_.insert(queue.topic);
      queues_tell_ = queues_tell_ || queue.kind == scan::QueueKind::simple;
      Case& one = cases_[{queue.topic, queue.queue_id}];
      if (one.queue == nullptr || queue.kind == scan::QueueKind::batch) one.queue = &queue;
    }
    for (auto& [id, of_queue] : runs) {
      cases_[id].live = std::move(of_queue);
    }
    for (auto& [id, one] : cases_) one.id = id;
    for (const Wound& wound : evidence.wounds) {
      const bool to_file_end = wound.to % survey.commit_log.file_size == 0;
      room_.push_back(wound.to - wound.from - (to_file_end ? format::kBlankSize : 0));
    }
  }

  // More placeholders than room for them.
  [[nodiscard]] bool is_crowded() const {
    return std::ranges::any_of(room_, [](std::int64_t left) { return left < 0; });
  }

  QueueVerdicts run() {
    for (auto& [id, one] : cases_) take_out_misfits(one);
    leave_history();
    for (auto& [id, one] : cases_) {
      if (one.queue == nullptr) {
        look_at(one, nullptr);
      } else {
        QueueUnits units(files_, *one.queue);
        look_at(one, &units);
      }
    }
    // Once all units have been asked where they lead.
    for (auto& [id, one] : cases_) {
      if (!one.live.empty() && is_simple(one)) take_last(one);
    }
    for (auto& [id, one] : cases_) {
      if (one.queue == nullptr) continue;
      QueueUnits units(files_, *one.queue);
      cut(one, units);
      if (options_.depth == Depth::full) one.was_end = slot_end(units);
    }
    if (options_.depth == Depth::full) tell_outcomes();
    for (const auto& [id, one] : cases_) {
      if (one.history_end < 0) continue;
      verdicts_.floors.push_back(
          {id.topic, id.queue_id, one.live.empty() ? evidence_.log_end : one.live.front().first_offset});
    }
    return std::move(verdicts_);
  }

 private:
  void tell_outcomes() {
    std::set<std::int64_t> mended;
    for (const FieldMend& mend : verdicts_.mends) mended.insert(mend.log_offset);
    for (const auto& [id, one] : cases_) {
      if (one.live.empty() && one.queue == nullptr) continue;
      QueueOutcome told{id.topic, id.queue_id, one.begin,  one.end, one.lost + one.mended,
                        one.lost, one.mended,  one.was_end};
      for (const RecordRun& run : one.live) {
        if (mended.contains(run.first_offset)) continue;  // it belongs to another queue
        told.readable += run.messages;
        if (!run.confirmed) told.found += run.messages;
      }
      if (one.queue != nullptr || told.readable > 0) verdicts_.queues.push_back(std::move(told));
    }
  }

  [[nodiscard]] static std::int64_t slot_end(QueueUnits& units) {
    const std::int64_t end = units.used_end();
    if (units.queue().kind == scan::QueueKind::simple) return end;
    const auto last = units.unit(end - 1);
    return last && last->used ? last->queue_offset + last->messages : 0;
  }

  // ---- which records count

  // Single records whose header is wrong: they fit nowhere in the queue that they say.
  void take_out_misfits(Case& one) {
    std::vector<RecordRun> kept;
    if (one.queue == nullptr && one.live.size() == 1 && one.live.front().messages == 1)
      (queues_tell_ ? misfits_ : lone_)
          .emplace(one.live.front().first_offset, Misfit{one.id, one.live.front().queue_offset});
    for (std::size_t i = 0; i < one.live.size(); ++i) {
      const RecordRun& run = one.live[i];
      const RecordRun* const before = kept.empty() ? nullptr : &kept.back();
      const RecordRun* const next = i + 1 < one.live.size() ? &one.live[i + 1] : nullptr;
      if (run.first_offset == run.last_offset && !run.confirmed && is_misfit(one, before, run, next)) {
        misfits_.emplace(run.first_offset, Misfit{one.id, run.queue_offset});
      } else {
        add_run(kept, run);
      }
    }
    one.live = std::move(kept);
  }

  // Those around it follow each other, or leave just one slot for it; or it goes back, and not to where a
  // topic that was created again begins.
  [[nodiscard]] bool is_misfit(const Case& one, const RecordRun* before, const RecordRun& run,
                               const RecordRun* next) const {
    if (run.queue_offset < 0) return true;
    if (next != nullptr && next->confirmed && next->queue_offset == run.queue_offset) return true;
    if (before != nullptr && before->end() == run.queue_offset) return false;
    if (before != nullptr && next != nullptr && next->queue_offset >= before->end() &&
        next->queue_offset <= before->end() + 1)
      return true;
    if (before != nullptr && next == nullptr && run.queue_offset < before->end())
      return run.queue_offset != 0 || another_queue_is_older(one, run.first_offset);
    if (before == nullptr && next != nullptr && next->queue_offset != 0 &&
        next->queue_offset <= run.queue_offset)
      return true;
    if (before == nullptr && next == nullptr) return false;
    return has_unit_elsewhere(one, before, run) || (before != nullptr && next == nullptr && is_simple(one) &&
                                                    !wound_between(before->last_offset, run.first_offset));
  }

  [[nodiscard]] static bool is_simple(const Case& one) {
    return one.queue != nullptr && one.queue->kind == scan::QueueKind::simple;
  }

  // Only where something is lost such a queue skips slots.
  [[nodiscard]] bool wound_between(std::int64_t from, std::int64_t to) const {
    const auto wound = std::ranges::lower_bound(evidence_.wounds, from, {}, &Wound::from);
    return wound != evidence_.wounds.end() && wound->from < to;
  }

  // Whoever deletes a topic deletes all of its queues: a unit in another of them that leads to a record from
  // before says that the topic was not created again here.
  [[nodiscard]] bool another_queue_is_older(const Case& one, std::int64_t log_offset) const {
    for (auto other = cases_.lower_bound({one.id.topic, std::numeric_limits<std::int32_t>::min()});
         other != cases_.end() && other->first.topic == one.id.topic; ++other) {
      if (&other->second == &one) continue;
      for (const RecordRun& run : other->second.live)
        if (run.confirmed && run.first_offset < log_offset) return true;
    }
    return false;
  }

  // The unit of another slot leads to it.
  [[nodiscard]] bool has_unit_elsewhere(const Case& one, const RecordRun* before,
                                        const RecordRun& run) const {
    const auto leads_there = [&](const scan::Queue& queue, std::int64_t slot) {
      const auto unit = QueueUnits(files_, queue).unit(slot);
      return unit && unit->used && unit->entry.commit_log_offset == run.first_offset;
    };
    const auto begin = std::ranges::lower_bound(survey_.queues, one.id.topic, {}, &scan::Queue::topic);
    for (auto queue = begin; queue != survey_.queues.end() && queue->topic == one.id.topic; ++queue) {
      if (queue->kind != scan::QueueKind::simple) continue;
      const bool own = queue->queue_id == one.id.queue_id;
      if (own ? before != nullptr && leads_there(*queue, before->end())
              : leads_there(*queue, run.queue_offset))
        return true;
    }
    return false;
  }

  // A topic that was created again begins all of its queues at 0 again; what is older is history, in all of
  // them, unless its unit is still there.
  void leave_history() {
    struct Restart {
      std::int64_t old_end = -1;
      std::int64_t begin = -1;
    };
    std::map<std::string, Restart> restarts;
    for (auto& [id, one] : cases_) {
      std::size_t begin = 0;
      for (std::size_t i = 1; i < one.live.size(); ++i) {
        if (one.live[i].queue_offset == 0 && one.live[i - 1].end() > 0) begin = i;
      }
      if (begin == 0) continue;
      Restart& restart = restarts[id.topic];
      one.history_end = one.live[begin - 1].last_offset;
      restart.old_end = std::max(restart.old_end, one.history_end);
      restart.begin = std::max(restart.begin, one.live[begin].first_offset);
      one.live.erase(one.live.begin(), one.live.begin() + static_cast<std::ptrdiff_t>(begin));
    }
    for (auto& [id, one] : cases_) {
      const auto restart = restarts.find(id.topic);
      const auto is_history = [&](const RecordRun& run) {
        if (run.confirmed) return false;
        if (is_of_deleted_topic(one, run)) return true;
        if (restart == restarts.end() || run.last_offset >= restart->second.begin) return false;
        return run.queue_offset != 0 || run.first_offset <= restart->second.old_end;
      };
      const auto first_live = std::ranges::find_if_not(one.live, is_history);
      if (first_live != one.live.begin())
        one.history_end = std::max(one.history_end, std::prev(first_live)->last_offset);
      one.live.erase(one.live.begin(), first_live);
      for (std::size_t i = 1; i < one.live.size(); ++i)
        one.disputed = one.disputed || one.live[i].queue_offset < one.live[i - 1].end();
    }
  }

  // A topic without a directory, and not in topics.json, was deleted. Without topics.json the other topics'
  // queues tell as much: single queues vanish by accident, and all of them, but whole topics by deletion.
  [[nodiscard]] bool is_of_deleted_topic(const Case& one, const RecordRun& run) const {
    if (evidence_.deleted.covers(one.id.topic, run.last_offset)) return true;
    if (one.queue != nullptr || topics_there_.contains(one.id.topic)) return false;
    if (evidence_.topics.contains(one.id.topic)) return false;
    const bool tells = evidence_.topics_known || !topics_there_.empty();
    return tells && run.store_timestamp <= evidence_.derived_until;
  }

  // ---- slots without a record

  void look_at(Case& one, QueueUnits* units) {
    const bool simple = units != nullptr && one.queue->kind == scan::QueueKind::simple;
    if (!one.live.empty()) {
      one.begin = one.end = one.live.front().queue_offset;
      if (simple) look_before(one, *units);
    } else if (simple) {
      one.begin = one.end = first_suspect(*units);
    }
    std::int64_t behind = one.live.empty() ? 0 : one.live.front().first_offset;
    for (const RecordRun& run : one.live) {
      if (run.queue_offset > one.end) {
        fill(one, units, {one.end, run.queue_offset}, behind, run.first_offset);
      }
      if (!run.confirmed) redo(one, run.queue_offset, run.first_offset);
      one.end = std::max(one.end, run.end());
      behind = run.last_offset;
    }
    if (units != nullptr) simple ? look_behind(one, *units) : look_behind_batches(one, *units);
  }

  // The record behind a queue's last one whose queue offset, or queue, is wrong: there is but one slot for
  // it.
  void take_last(Case& one) {
    const auto at = misfits_.upper_bound(one.live.back().last_offset);
    if (at == misfits_.end() || at->second.says.topic != one.id.topic) return;
    const Misfit& misfit = at->second;
    if (misfit.queue_offset != one.end &&
        (misfit.says != one.id || is_next_of_another(one, at->first, misfit)))
      return;
    mend(misfits_, one, at, one.end++);
  }

  // What it says is the slot behind the last one of another queue of its topic.
  [[nodiscard]] bool is_next_of_another(const Case& one, std::int64_t log_offset,
                                        const Misfit& misfit) const {
    for (auto other = cases_.lower_bound({one.id.topic, std::numeric_limits<std::int32_t>::min()});
         other != cases_.end() && other->first.topic == one.id.topic; ++other) {
      if (&other->second == &one || other->second.live.empty()) continue;
      const RecordRun& last = other->second.live.back();
      if (last.last_offset < log_offset && last.end() == misfit.queue_offset) return true;
    }
    return false;
  }

  // The first of the units at a queue's end that lead to where the log was walked: in a queue that has no
  // record there.
  [[nodiscard]] std::int64_t first_suspect(QueueUnits& units) const {
    std::int64_t at = end_of(units);
    const std::int64_t from = std::max(evidence_.log_begin, evidence_.walked_from);
    while (at > units.first()) {
      const auto unit = units.unit(at - 1);
      if (!unit || !unit->used || unit->entry.is_pre_blank() || unit->entry.commit_log_offset < from) break;
      --at;
    }
    return at;
  }

  [[nodiscard]] std::int64_t end_of(QueueUnits& units) const {
    if (options_.depth == Depth::full) return units.used_end();
    const std::int64_t end = units.prefix_end();
    // A power loss may have kept a unit behind some that it took.
    return evidence_.was_closed_cleanly ? end : units.used_end_from(end);
  }

  // Units in front of the first record that still lead into the log.
  void look_before(Case& one, QueueUnits& units) {
    std::int64_t first = one.end;
    const std::int64_t from = std::max(evidence_.log_begin, evidence_.walked_from);
    while (first > units.first()) {
      const auto unit = units.unit(first - 1);
      if (!unit || !unit->used || unit->entry.is_pre_blank() || unit->entry.commit_log_offset < from) return;
      const auto wound = wound_at(unit->entry.commit_log_offset);
      if (!wound && !mend_field(one, unit->entry, first - 1)) {
        redo(one, units.first(), one.live.front().first_offset);
        return;
      }
      if (wound) lose(one, *wound, first - 1, 1, unit->entry.commit_log_offset);
      one.begin = --first;
    }
  }

  void look_behind(Case& one, QueueUnits& units) {
    const std::int64_t used_end = end_of(units);
    for (; one.end < used_end; ++one.end) {
      const auto unit = units.unit(one.end);
      if (!unit || !unit->used) break;
      const auto wound = wound_at(unit->entry.commit_log_offset);
      if (wound) {
        lose(one, *wound, one.end, 1, unit->entry.commit_log_offset);
      } else if (!mend_field(one, unit->entry, one.end)) {
        break;
      }
    }
    if (one.end >= used_end) return;
    const auto unit = units.unit(one.end);
    if (unit && unit->used && unit->entry.commit_log_offset >= evidence_.log_end)
      tell_behind(units, one.end, used_end);
    one.redo_from = std::min(one.redo_from, one.end);
  }

  void look_behind_batches(Case& one, QueueUnits& units) {
    const std::int64_t known = one.live.empty() ? std::max(evidence_.log_begin, evidence_.walked_from) - 1
                                                : one.live.back().last_offset;
    const std::int64_t used_end = end_of(units);
    std::int64_t number = used_end;
    while (number > units.first()) {
      const auto unit = units.unit(number - 1);
      if (unit && unit->used && unit->entry.commit_log_offset <= known) break;
      --number;
    }
    for (; number < used_end; ++number) {
      const auto unit = units.unit(number);
      if (!unit || !unit->used) break;
      const auto wound = wound_at(unit->entry.commit_log_offset);
      if (wound) {
        lose(one, *wound, unit->queue_offset, unit->messages, unit->entry.commit_log_offset);
      } else if (!mend_batch(one, units, {unit->queue_offset, unit->queue_offset + unit->messages})) {
        break;
      }
      one.end = unit->queue_offset + unit->messages;
    }
    if (number >= used_end) return;
    const auto unit = units.unit(number);
    if (unit && unit->entry.commit_log_offset >= evidence_.log_end) tell_behind(units, number, used_end);
    one.redo_from = std::min(one.redo_from, one.end);
  }

  // Units behind the log's end: their messages are lost.
  void tell_behind(QueueUnits& units, std::int64_t from, std::int64_t end) {
    verdicts_.units_behind += end - from;
    for (std::int64_t number = from; number < end; ++number) {
      const auto unit = units.unit(number);
      if (unit && unit->used) tell_lost(unit->entry.commit_log_offset);
    }
  }

  void tell_lost(std::int64_t log_offset) {
    if (verdicts_.lost.size() < kMostLostTold) verdicts_.lost.push_back(log_offset);
  }

  // Slots between two records that lie at log offsets `behind` and `before`.
  void fill(Case& one, QueueUnits* units, const Hole& hole, std::int64_t behind, std::int64_t before) {
    const bool batch = one.queue != nullptr && one.queue->kind == scan::QueueKind::batch;
    const auto first = std::ranges::lower_bound(evidence_.wounds, behind, {}, &Wound::from);
    const auto end = std::ranges::lower_bound(evidence_.wounds, before, {}, &Wound::from);
    auto at = static_cast<std::size_t>(first - evidence_.wounds.begin());
    const auto last = static_cast<std::size_t>(end - evidence_.wounds.begin());
    if (hole.to - hole.from > kMostLost) {
      one.unexplained.push_back(hole);
    } else if (batch) {  // batch queues may skip offsets: only where something was lost there is a slot to
                         // hold
      if (units != nullptr && mend_batch(one, *units, hole)) return;
      if (at < last) lose(one, at, hole.from, static_cast<std::int32_t>(hole.to - hole.from), {});
    } else {
      for (std::int64_t slot = hole.from; slot < hole.to; ++slot) {
        const Unit unit = (units != nullptr ? units->unit(slot) : std::nullopt).value_or(Unit{});
        const bool used = unit.used && !unit.entry.is_pre_blank();
        if (used && mend_field(one, unit.entry, slot)) continue;
        if (mend_neighbour(misfits_, one, slot, behind, before)) continue;
        const auto told = used ? wound_at(unit.entry.commit_log_offset) : std::nullopt;
        at = wound_with_room(one, at, last, told);
        if (at < last) {
          lose(one, at, slot, 1, used ? std::optional(unit.entry.commit_log_offset) : std::nullopt);
        } else if (!mend_neighbour(lone_, one, slot, behind, before)) {
          one.unexplained.push_back({slot, slot + 1});
        }
      }
    }
  }

  [[nodiscard]] std::optional<std::size_t> wound_at(std::int64_t log_offset) const {
    const auto behind = std::ranges::upper_bound(evidence_.wounds, log_offset, {}, &Wound::from);
    if (behind == evidence_.wounds.begin() || std::prev(behind)->to <= log_offset) return std::nullopt;
    return static_cast<std::size_t>(std::prev(behind) - evidence_.wounds.begin());
  }

  // The wound in [at, last) that a slot's placeholder goes into: the one that its unit tells, or the first
  // with room.
  [[nodiscard]] std::size_t wound_with_room(const Case& one, std::size_t at, std::size_t last,
                                            std::optional<std::size_t> told) const {
    const std::int64_t size = placeholder_size({one.id.topic, one.id.queue_id, 0, 1, false});
    const bool can_be = told && *told >= at && *told < last;
    if (can_be && by_units_) return *told;
    for (std::size_t i = at; i < last; ++i)
      if (room_[i] >= size) return i;
    return can_be ? *told : at;
  }

  void lose(Case& one, std::size_t wound, std::int64_t slot, std::int32_t messages,
            std::optional<std::int64_t> log_offset) {
    one.lost += messages;
    tell_lost(log_offset.value_or(evidence_.wounds[wound].from));
    const bool batch = one.queue != nullptr && one.queue->kind == scan::QueueKind::batch;
    Slot& lost =
        verdicts_.slots[wound].emplace_back(Slot{one.id.topic, one.id.queue_id, slot, messages, batch});
    room_[wound] -= placeholder_size(lost);
    redo(one, slot, evidence_.wounds[wound].from);
  }

  void redo(Case& one, std::int64_t slot, std::int64_t log_offset) {
    one.redo_from = std::min(one.redo_from, slot);
    verdicts_.missing_from = std::min(verdicts_.missing_from, log_offset);
  }

  // The unit of a slot that no record claims leads to a record that fits nowhere: they belong together.
  bool mend_field(Case& one, const format::ConsumeQueueEntry& unit, std::int64_t slot) {
    const auto misfit = misfits_.find(unit.commit_log_offset);
    if (misfit == misfits_.end() || misfit->second.says.topic != one.id.topic) return false;
    mend(misfits_, one, misfit, slot);
    return true;
  }

  // The same for a batch queue: the unit that has all of the hole.
  bool mend_batch(Case& one, QueueUnits& units, const Hole& hole) {
    const auto number = units.find(hole.from);
    const auto unit = number ? units.unit(*number) : std::nullopt;
    if (!unit || !unit->used || unit->queue_offset != hole.from ||
        unit->queue_offset + unit->messages != hole.to)
      return false;
    if (!mend_field(one, unit->entry, hole.from)) return false;
    one.mended += unit->messages - 1;
    return true;
  }

  // No unit tells, but of this topic one record between the slot's neighbours fits nowhere, and says the
  // right queue or the right slot.
  bool mend_neighbour(Misfits& misfits, Case& one, std::int64_t slot, std::int64_t behind,
                      std::int64_t before) {
    for (auto at = misfits.upper_bound(behind); at != misfits.end() && at->first < before; ++at) {
      const Misfit& misfit = at->second;
      if (misfit.says.topic != one.id.topic) continue;
      if (misfit.says.queue_id != one.id.queue_id && misfit.queue_offset != slot) continue;
      mend(misfits, one, at, slot);
      return true;
    }
    return false;
  }

  void mend(Misfits& misfits, Case& one, Misfits::iterator misfit, std::int64_t slot) {
    verdicts_.mends.push_back({misfit->first, one.id.queue_id, slot});
    ++one.mended;
    redo(one, slot, misfit->first);
    misfits.erase(misfit);
  }

  // ---- what is done about it

  void cut(Case& one, QueueUnits& units) {
    const std::string name = fmt::format("{}/{}", one.id.topic, one.id.queue_id);
    const auto& set = one.queue->files.files;
    const bool all_in_order = files_in_order(*one.queue) == set.size();
    for (const scan::StoreFile& stray : one.queue->files.strays) set_aside(stray, "no queue file");
    if (one.redo_from == kEverything && all_in_order) return;
    if (one.redo_from != kEverything && one.disputed) {
      verdicts_.refusals.push_back(fmt::format(
          "queue {}: units from {} on are damaged, and two records of the log claim the same slots", name,
          one.redo_from));
      return;
    }
    const std::int64_t from = first_to_redo(one, units);
    for (const Hole& hole : one.unexplained) {
      if (one.redo_from > hole.from) continue;
      verdicts_.refusals.push_back(
          fmt::format("queue {}: units from {} on are damaged, and the log has nothing for {}", name,
                      one.redo_from, hole.from));
      return;
    }
    if (one.redo_from == kEverything) {  // files that are in the way, with nothing in them that counts
      for (std::size_t i = files_in_order(*one.queue); i < set.size(); ++i)
        set_aside(set[i], "it does not follow the file before it, or has a wrong size");
      return;
    }
    for (const scan::MappedFile& file : set) {
      const std::int64_t begin = file.start / units.unit_size();
      const scan::MappedFile* const in_order = units.file_of(begin);
      if (in_order != &file || begin >= from) {
        set_aside(file, "its units are made again from the log");
        continue;
      }
      const std::int64_t end = begin + file.size / units.unit_size();
      if (end > from) zero(file, from, used_end_in(units, from, end), units.unit_size());
    }
  }

  // What stays must be units one behind the other: where it is not, the queue begins anew.
  std::int64_t first_to_redo(Case& one, QueueUnits& units) {
    if (one.redo_from == kEverything) return units.end();
    const std::int64_t from = unit_of_slot(units, one.redo_from);
    if (from == units.first()) return from;
    const auto before = units.unit(from - 1);
    if (before && before->used && !before->entry.is_pre_blank()) return from;
    if (!one.live.empty()) redo(one, one.live.front().queue_offset, one.live.front().first_offset);
    verdicts_.needs_whole_log = options_.depth == Depth::tail;
    return units.first();
  }

  [[nodiscard]] static std::int64_t unit_of_slot(QueueUnits& units, std::int64_t slot) {
    if (units.queue().kind == scan::QueueKind::simple)
      return slot <= units.first() ? units.first() : std::min(slot, units.end());
    std::int64_t number = units.first();
    for (auto unit = units.unit(number); unit && unit->used && unit->queue_offset < slot;
         unit = units.unit(number))
      ++number;
    return number;
  }

  [[nodiscard]] static std::int64_t used_end_in(QueueUnits& units, std::int64_t from, std::int64_t end) {
    std::int64_t used = from;
    for (std::int64_t number = from; number < end; ++number) {
      const auto unit = units.unit(number);
      if (unit && unit->used) used = number + 1;
    }
    return used;
  }

  void set_aside(const scan::StoreFile& file, std::string why) {
    verdicts_.steps.push_back(setting_aside(file, std::move(why)));
  }

  void zero(const scan::MappedFile& file, std::int64_t first, std::int64_t end, std::int64_t unit_size) {
    if (end <= first) return;
    Step step;
    step.kind = Step::Kind::zero;
    step.path = file.path;
    step.shown = file.shown;
    step.from = first * unit_size - file.start;
    step.to = end * unit_size - file.start;
    step.why = "units that do not lead to the queue's messages, or stand behind such";
    verdicts_.steps.push_back(std::move(step));
  }

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  const QueueEvidence& evidence_;
  const PlanOptions& options_;
  bool by_units_;  // placeholders go where units say that the lost messages were
  std::map<QueueId, Case> cases_;
  std::set<std::string, std::less<>> topics_there_;
  bool queues_tell_ = false;  // there are some: a record of a queue that is not there is odd
  Misfits misfits_;
  Misfits lone_;  // the only records of their queues, in a store without any queue: nothing is odd about that
  std::vector<std::int64_t> room_;  // left in each wound
  QueueVerdicts verdicts_;
};

}  // namespace

QueueVerdicts judge_queues(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, QueueRuns runs,
                           const QueueEvidence& evidence, const PlanOptions& options) {
  QueueJudge by_units(files, survey, runs, evidence, options, true);
  QueueVerdicts verdicts = by_units.run();
  if (!by_units.is_crowded()) return verdicts;
  // Units tell where messages were before an earlier recovery, cut off by a power loss, wrote something else.
  QueueJudge by_room(files, survey, std::move(runs), evidence, options, false);
  QueueVerdicts others = by_room.run();
  return by_room.is_crowded() ? verdicts : others;
}

}  // namespace rmq::recovery
