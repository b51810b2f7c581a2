// The timer: its wheel, its log, its checkpoint, and at the deep level the messages that wait in it. Most of
// what is wrong here a stock broker mends when it starts, for it reads the timer log's end again and sets the
// wheel right by it (TimerMessageStore.recover); what lies before that is believed as it stands.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>

#include "libstore/bytes/java_string.h"
#include "libstore/forensics/part_files.h"
#include "libstore/forensics/timer_files.h"
#include "libstore/forensics/verify_context.h"
#include "libstore/format/config_files.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/timer_metrics.h"

namespace rmq::forensics {
namespace {

using format::kTimerLogUnitSize;
using format::kTimerSlots;
using format::kTimerSlotSize;
using format::TimerLogUnit;
using format::TimerSlot;

constexpr std::size_t kMaxFindings = 1000;    // of one code
constexpr std::size_t kMaxGaps = 100'000;     // kept one by one
constexpr std::size_t kMaxBlamed = 100'000;   // units that are told already
constexpr std::int64_t kClockSlack = 60'000;  // ms by which a clock may have been set back
constexpr std::int64_t kQueueSlack =
    1000;  // messages that were put into the log and not into the checkpoint yet
constexpr std::int64_t kMaxCheckpoint = 1 << 20;

// The chain of one slot, as the timer log has it.
struct Chain {
  std::int64_t time = -1;  // ticks; -1: no unit in the log
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::int64_t flushed_last = -1;  // of the units before the checkpoint's flush position
  std::int32_t messages = 0;
  bool whole = true;  // nothing before, between or in its units is damaged or gone
};

class TimerCheck {
 public:
  explicit TimerCheck(VerifyContext& context)
      : context_(context),
        timer_(find_timer_files(context.survey)),
        log_(timer_.log),
        reader_(context.files, log_) {}

  void run() {
    layout();
    if (!context_.at_least(VerifyLevel::normal)) return;
    load_checkpoint();
    precision_ =
        timer_precision(context_.files, context_.survey, timer_).value_or(format::kDefaultTimerPrecision);
    walk_log();
    if (context_.cancelled()) return;
    walk_wheel();
    lost_units();
    checkpoint();
    note_whether_wrong();
    metrics();
  }

 private:
  // ---- names and lengths

  void layout() {
    check_part_files(context_, log_, "TM-FILE", "timer log");
    if (!timer_.wheel) {
      if (!log_.files.empty()) {
        context_.add("TM-FILE", Severity::degraded, "timerwheel", 0, format::kTimerWheelFileSize,
                     "missing: a stock broker makes it again from the end of the timer log only");
      }
    } else if (timer_.wheel->size != format::kTimerWheelFileSize) {
      const bool empty = timer_.wheel->size == 0 && log_.files.empty();
      context_.add("TM-FILE", empty ? Severity::benign : Severity::degraded, timer_.wheel->shown, 0,
                   std::max(timer_.wheel->size, format::kTimerWheelFileSize),
                   fmt::format("{} bytes long, a timer wheel has {}; a stock broker does not start on it",
                               timer_.wheel->size, format::kTimerWheelFileSize));
    }
  }

  void load_checkpoint() {
    if (!timer_.checkpoint) return;
    const auto bytes = io::read_all(context_.files, timer_.checkpoint->path, kMaxCheckpoint);
    count_file(context_, *timer_.checkpoint, bytes ? timer_.checkpoint->size : 0);
    if (!bytes) return;
    checkpoint_ = format::TimerCheckpoint::read(*bytes);
    has_checkpoint_ = true;
    // One that says nothing judges nothing: all units then count as waiting.
    if (checkpoint_.last_log_flush_position >= 0) {
      flushed_ = checkpoint_.last_log_flush_position;
      reread_from_ = std::max<std::int64_t>(flushed_ - log_.file_size, 0);
    }
  }

  // ---- the log

  void walk_log() {
    std::int64_t expected_start = log_.begin();
    for (const scan::MappedFile& file : log_.files) {
      if (context_.cancelled()) return;
      if (file.start != expected_start) hole_before(file.start);
      walk_file(file);
      expected_start = file.start + log_.file_size;
    }
  }

  void hole_before(std::int64_t start) {
    damaged_until_ = start;
    chains_are_whole_ = false;
  }

  void walk_file(const scan::MappedFile& mapped) {
    const auto file = context_.files.open(mapped.path);
    if (!file) {
      count_file(context_, mapped, 0);
      return hole_before(mapped.start + mapped.size);
    }
    gap_from_ = -1;
    std::int64_t zeros_from = 0;  // only zeros behind this
    bool ended = false;
    const std::int64_t read =
        for_each_piece(**file, kTimerLogUnitSize, [&](std::int64_t at, std::span<const std::byte> bytes) {
          for (std::size_t i = 0; i < bytes.size() && !ended; i += kTimerLogUnitSize) {
            const std::int64_t position = at + static_cast<std::int64_t>(i);
            const auto rest = bytes.subspan(i, std::min<std::size_t>(kTimerLogUnitSize, bytes.size() - i));
            if (is_zero(rest)) continue;
            if (position > zeros_from && gap_from_ < 0) gap_from_ = zeros_from;
            zeros_from = position + std::ssize(rest);
            if (format::is_timer_log_blank(rest, mapped.size - position)) {
              end_gap(mapped, position);
              ended = true;
            } else if (const auto unit = TimerLogUnit::parse(rest)) {
              end_gap(mapped, position);
              take(mapped.start + position, *unit);
            } else if (gap_from_ < 0) {
              gap_from_ = position;
            }
          }
          return !context_.cancelled();
        });
    count_file(context_, mapped, read);
    const bool last = &mapped == &log_.files.back();
    if (gap_from_ >= 0) {
      end_gap(mapped, zeros_from, last);
    } else if (!last && !ended &&
               zeros_from + kTimerLogUnitSize + format::kTimerLogBlankSize <= mapped.size) {
      gap_from_ = zeros_from;  // more units were here, or the blank
      end_gap(mapped, mapped.size);
    }
    if (units_end_ < mapped.start + zeros_from) units_end_ = mapped.start + zeros_from;
    if (ended) units_end_ = mapped.start + mapped.size;
  }

  void end_gap(const scan::MappedFile& mapped, std::int64_t to, bool at_the_end = false) {
    if (gap_from_ < 0) return;
    const std::int64_t from = std::exchange(gap_from_, -1);
    chains_are_whole_ = false;
    if (gaps_.size() < kMaxGaps) {
      gaps_.emplace_back(mapped.start + from, mapped.start + to);
    } else {
      gaps_.back().second = mapped.start + to;
    }
    const bool read_again = mapped.start + from >= reread_from_;
    if (at_the_end && mapped.start + from >= flushed_) {
      return add("TM-UNIT", Severity::benign, mapped.shown, from, to - from,
                 "half a unit at the end of the timer log, from when the broker stopped: its next start cuts "
                 "it off and puts the "
                 "message in again");
    }
    add("TM-UNIT", read_again ? Severity::degraded : Severity::hidden, mapped.shown, from, to - from,
        read_again ? "no whole units of the timer log: a stock broker cuts the log here at its next start "
                     "and puts the messages "
                     "behind it in again, those that were delivered already too"
                   : "no whole units of the timer log: the messages that they and the units before them in "
                     "their slots stand for "
                     "are not delivered");
  }

  [[nodiscard]] bool in_gap(std::int64_t offset) const {
    if (offset < 0) return false;
    if (offset < damaged_until_ && log_.file_of(offset) == nullptr) return true;
    const auto after =
        std::ranges::upper_bound(gaps_, offset, {}, &std::pair<std::int64_t, std::int64_t>::first);
    return after != gaps_.begin() && offset < std::prev(after)->second;
  }

  [[nodiscard]] std::int64_t tick_of(const TimerLogUnit& unit) const {
    return unit.due() < 0 ? -1 : unit.due() / precision_;
  }
  [[nodiscard]] bool waits(std::int64_t tick) const {
    return tick >= checkpoint_.last_read_time / precision_;
  }

  // Does the unit at `offset` stand there, and in which tick?
  [[nodiscard]] std::optional<std::int64_t> tick_at(std::int64_t offset) {
    const scan::MappedFile* const file = log_.file_of(offset);
    std::array<std::byte, kTimerLogUnitSize> bytes{};
    if (file == nullptr || (offset - file->start) % kTimerLogUnitSize != 0 || !reader_.read(offset, bytes))
      return std::nullopt;
    const auto unit = TimerLogUnit::parse(bytes);
    if (!unit) return std::nullopt;
    return tick_of(*unit);
  }

  void take(std::int64_t offset, const TimerLogUnit& unit) {
    ++units_;
    const std::int64_t tick = tick_of(unit);
    if (tick < 0) return blame(offset, unit, "is due before the epoch");
    if (unit.reserved != 0) return blame(offset, unit, "has something in its reserved bytes");
    if (context_.at_least(VerifyLevel::deep) && !fits_message(offset, unit)) return;
    if (unit.write_time % precision_ != 0 || (unit.is_roll() && unit.due() % precision_ != 0)) {
      tell(offset, "has a time that is no whole tick", Severity::benign);
    }
    Chain& chain = chains_[TimerSlot::index_of(tick)];
    const bool follows = chain.time == tick;
    const std::int64_t expected = follows ? chain.last : -1;
    const bool whole = chains_are_whole_ && unit.previous == expected;
    if (unit.previous != expected && !excused(unit.previous, follows))
      wrong_previous(offset, unit, tick, expected);
    if (!follows) {
      chain = {};
      chain.time = tick;
      chain.first = offset;
    }
    chain.last = offset;
    chain.messages += unit.is_delete() ? -1 : 1;
    chain.whole = chain.whole && whole;
    if (offset < flushed_) chain.flushed_last = offset;
  }

  void wrong_previous(std::int64_t offset, const TimerLogUnit& unit, std::int64_t tick,
                      std::int64_t expected) {
    const auto other =
        unit.previous > expected && unit.previous < offset ? tick_at(unit.previous) : std::nullopt;
    if (other && *other != tick && *other >= 0) {
      // One of the two says a wrong time, and the wheel knows which.
      const bool wheel_has_it = in_wheel(*other, unit.previous);
      blame_at(wheel_has_it ? offset : unit.previous,
               fmt::format("is due in another slot than the chain it lies in: {} ms",
                           (wheel_has_it ? *other : tick) * precision_),
               waits(std::max(*other, tick)) ? Severity::hidden : Severity::benign);
    } else if (expected >= 0) {
      blame(offset, unit,
            fmt::format("leads to {} as the one before it in its slot, which lies at {}", unit.previous,
                        expected));
    } else {
      blame(offset, unit,
            fmt::format("leads to {} as the one before it in its slot, and is the first", unit.previous));
    }
  }

  // Does the wheel have a chain of this tick that reaches at least to `offset`?
  [[nodiscard]] bool in_wheel(std::int64_t tick, std::int64_t offset) {
    if (!timer_.wheel) return false;
    if (!wheel_file_) {
      auto opened = context_.files.open(timer_.wheel->path);
      if (!opened) return false;
      wheel_file_ = *std::move(opened);
    }
    std::array<std::byte, kTimerSlotSize> bytes{};
    const auto got = wheel_file_->read_at(TimerSlot::index_of(tick) * kTimerSlotSize, bytes);
    if (!got || *got != bytes.size()) return false;
    const TimerSlot slot = TimerSlot::load(bytes.data());
    return slot.time == tick && slot.last >= offset;
  }

  // Places that say nothing about the unit that leads to them.
  [[nodiscard]] bool excused(std::int64_t previous, bool follows) const {
    if (blamed_.contains(previous) || in_gap(previous)) return true;
    return !follows && previous >= 0 && previous < log_.begin();  // the file has expired
  }

  void blame(std::int64_t offset, const TimerLogUnit& unit, const std::string& what) {
    const bool waiting = waits(tick_of(unit));
    blame_at(offset, what, waiting ? Severity::hidden : Severity::benign);
  }

  void blame_at(std::int64_t offset, const std::string& what, Severity severity) {
    if (blamed_.size() >= kMaxBlamed || !blamed_.insert(offset).second) return;
    tell(offset, what, severity);
  }

  void tell(std::int64_t offset, const std::string& what, Severity severity) {
    const scan::MappedFile* const file = log_.file_of(offset);
    if (file == nullptr) return;
    add("TM-UNIT", severity, file->shown, offset - file->start, kTimerLogUnitSize,
        fmt::format("the unit at {} {}", offset, what));
  }

  // ---- units and messages

  // Blames the unit where it does not.
  [[nodiscard]] bool fits_message(std::int64_t offset, const TimerLogUnit& unit) {
    LogMap& log = *context_.log;
    if (unit.commit_log_offset >= 0 && unit.commit_log_offset < log.begin()) return true;  // expired
    const auto place = log.locate(unit.commit_log_offset);
    if (place.place == LogMap::Place::wound || place.place == LogMap::Place::missing) return true;
    if (place.place == LogMap::Place::behind && log_lost_something()) return true;
    const auto bytes = place.place == LogMap::Place::record_space
                           ? record(*place.file->file.file, place.position, unit.size)
                           : std::span<const std::byte>();
    format::MessageView view;
    if (bytes.empty() || format::MessageView::decode(bytes, view) || view.total_size != unit.size ||
        view.topic != kTimerTopic) {
      blame(offset, unit,
            fmt::format("leads to {} bytes at {} of the log, where no message of {} of that size is",
                        unit.size, unit.commit_log_offset, kTimerTopic));
      return false;
    }
    const auto out = format::find_property(view.properties, "TIMER_OUT_MS");
    const auto due = out ? to_number(*out) : std::nullopt;
    const auto topic = format::find_property(view.properties, "REAL_TOPIC");
    const bool deletes = format::find_property(view.properties, "TIMER_DEL_UNIQKEY").has_value();
    if (!due) return true;
    std::string problem;
    if (unit.is_roll() ? unit.due() >= *due : unit.due() != *due) {
      problem = fmt::format("is due at {} ms, its message at {} ms", unit.due(), *due);
    } else if ((unit.magic & format::kTimerDefault) == 0 || unit.magic >= 8 || unit.is_delete() != deletes) {
      problem = fmt::format("has the magic {}, which does not fit its message", unit.magic);
    } else if (unit.topic_hash != (topic ? java_hash(*topic) : 0)) {
      problem = "has another topic's hash than its message";
    }
    if (!problem.empty()) {
      blame_at(offset, problem,
               waits(std::max(tick_of(unit), *due / precision_)) ? Severity::hidden : Severity::benign);
      return false;
    }
    last_queue_offset_ = view.queue_offset;
    if (topic && waits(tick_of(unit)) &&
        (waiting_.size() < kMaxBlamed || waiting_.contains(unit.topic_hash))) {
      waiting_[unit.topic_hash] += unit.is_delete() ? -1 : 1;
    }
    return true;
  }

  static std::optional<std::int64_t> to_number(std::string_view text) {
    std::int64_t number = 0;
    if (text.empty() || text.size() > 18) return std::nullopt;
    for (const char c : text) {
      if (c < '0' || c > '9') return std::nullopt;
      number = number * 10 + (c - '0');
    }
    return number;
  }

  std::span<const std::byte> record(const scan::MappedFile& mapped, std::int64_t position,
                                    std::int32_t size) {
    if (&mapped != log_mapped_) {
      auto opened = context_.files.open(mapped.path);
      log_file_ = opened ? *std::move(opened) : nullptr;
      log_mapped_ = &mapped;
    }
    if (!log_file_ || size < format::kMinRecordSize || size > format::kMaxRecordSize ||
        size > mapped.size - position)
      return {};
    record_.resize(static_cast<std::size_t>(size));
    const auto got = log_file_->read_at(position, record_);
    return got && *got == record_.size() ? std::span<const std::byte>(record_) : std::span<const std::byte>{};
  }

  [[nodiscard]] bool log_lost_something() const {
    return std::ranges::any_of(context_.findings, [](const Finding& finding) {
      return finding.severity == Severity::loss && finding.code.starts_with("CL-");
    });
  }

  // ---- the wheel

  void walk_wheel() {
    if (!timer_.wheel) return;
    const auto file = context_.files.open(timer_.wheel->path);
    if (!file) return count_file(context_, *timer_.wheel, 0);
    auto chain = chains_.begin();  // those before it are judged
    const std::int64_t read =
        for_each_piece(**file, kTimerSlotSize, [&](std::int64_t at, std::span<const std::byte> bytes) {
          for (std::size_t i = 0; i + kTimerSlotSize <= bytes.size(); i += kTimerSlotSize) {
            const std::int64_t index = at / kTimerSlotSize + static_cast<std::int64_t>(i) / kTimerSlotSize;
            if (index >= kTimerSlots || is_zero(bytes.subspan(i, kTimerSlotSize))) continue;
            for (; chain != chains_.end() && chain->first < index; ++chain) empty_slot(chain->first);
            if (chain != chains_.end() && chain->first == index) ++chain;
            used_slot(index, TimerSlot::load(bytes.data() + i));
          }
          return !context_.cancelled();
        });
    count_file(context_, *timer_.wheel, read);
    if (context_.cancelled()) return;
    for (const std::int64_t end = timer_.wheel->size / kTimerSlotSize;
         chain != chains_.end() && chain->first < end; ++chain) {
      empty_slot(chain->first);
    }
  }

  [[nodiscard]] const Chain* chain_at(std::int64_t index) const {
    const auto chain = chains_.find(index);
    return chain == chains_.end() || blamed_.contains(chain->second.last) ? nullptr : &chain->second;
  }

  void empty_slot(std::int64_t index) {
    const Chain* const chain = chain_at(index);
    // The wheel is written after the log: what came last need not be in it.
    if (chain == nullptr || chain->flushed_last < 0) return;
    slot_finding(index, chain,
                 fmt::format("empty, though the timer log has units of it up to {}", chain->last));
  }

  void used_slot(std::int64_t index, const TimerSlot& slot) {
    const Chain* const chain = chain_at(index);
    if (slot.time < 0 || TimerSlot::index_of(slot.time) != index) {
      return slot_finding(index, chain, fmt::format("says tick {}, which has another slot", slot.time));
    }
    if (slot.magic != 0) slot_finding(index, nullptr, "has something in its unused bytes");
    if (slot.last < 0 || slot.first > slot.last) {
      return slot_finding(index, chain, fmt::format("says units {} to {}", slot.first, slot.last));
    }
    if (chain == nullptr || chain->time != slot.time) {
      if (chain != nullptr && chain->flushed_last >= 0 && chain->time > slot.time) {
        return slot_finding(index, chain,
                            fmt::format("says tick {}, the timer log has tick {}", slot.time, chain->time));
      }
      return slot_without_units(index, slot);
    }
    if (slot.last != chain->last) {
      const bool behind =
          slot.last < chain->last && slot.last >= chain->flushed_last && tick_at(slot.last) == slot.time;
      if (!behind && !leads_to_damage(slot.last)) return wrong_last(index, slot, *chain);
    } else if (slot.messages != chain->messages && chain->whole) {
      slot_finding(index, nullptr,
                   fmt::format("counts {} waiting messages, the timer log has {}: only monitoring suffers",
                               slot.messages, chain->messages));
    }
    if (slot.first != chain->first && slot.first >= log_.begin() && !leads_to_damage(slot.first) &&
        tick_at(slot.first) != slot.time) {
      slot_finding(index, chain,
                   fmt::format("says {} for its first unit, which is {}", slot.first, chain->first));
    }
  }

  [[nodiscard]] bool leads_to_damage(std::int64_t offset) const {
    return blamed_.contains(offset) || in_gap(offset);
  }

  void slot_without_units(std::int64_t index, const TimerSlot& slot) {
    if (slot.last < log_.begin()) return;  // its units have expired
    if (slot.last >= units_end_) {
      if (!waits(slot.time)) return;
      ++lost_slots_;
      lost_messages_ += std::max(slot.messages, 0);
      lost_end_ = std::max(lost_end_, slot.last + kTimerLogUnitSize);
      return;
    }
    if (leads_to_damage(slot.last)) return;
    wrong_last(index, slot, {});
  }

  // Either the slot is wrong, or the unit that it leads to says a wrong time: the slot of that time knows.
  void wrong_last(std::int64_t index, const TimerSlot& slot, const Chain& chain) {
    const auto tick = tick_at(slot.last);
    if (tick && *tick >= 0 && *tick != slot.time && !in_wheel(*tick, slot.last)) {
      return blame_at(
          slot.last,
          fmt::format("is due in another slot than the one that leads to it: {} ms", slot.time * precision_),
          waits(std::max(slot.time, *tick)) ? Severity::hidden : Severity::benign);
    }
    slot_finding(index, chain.time >= 0 ? &chain : nullptr,
                 chain.time >= 0 ? fmt::format("leads to {}, its last unit lies at {}", slot.last, chain.last)
                                 : fmt::format("leads to {}, where no unit of its time is", slot.last));
  }

  // `chain`: the units that suffer, nullptr where none does.
  void slot_finding(std::int64_t index, const Chain* chain, const std::string& what) {
    Severity severity = Severity::benign;
    std::string effect;
    if (chain != nullptr && waits(chain->time)) {
      const bool read_again = chain->last >= reread_from_;
      severity = read_again ? Severity::degraded : Severity::hidden;
      effect = read_again ? "; a stock broker sets it right at its next start"
                          : fmt::format("; {} in it {} not delivered",
                                        counted(chain->messages, "message", "messages"),
                                        chain->messages == 1 ? "is" : "are");
    }
    // A torn page is one finding.
    const std::int64_t offset = index * kTimerSlotSize;
    if (last_slot_finding_ < context_.findings.size()) {
      Finding& before = context_.findings[last_slot_finding_];
      if (before.code == "TM-SLOT" && before.severity == severity &&
          before.offset + before.length == offset) {
        before.length += kTimerSlotSize;
        ++before.consequences;
        return;
      }
    }
    last_slot_finding_ = context_.findings.size();
    add("TM-SLOT", severity, timer_.wheel->shown, offset, kTimerSlotSize,
        fmt::format("slot {} {}{}", index, what, effect));
  }

  // ---- what the log no longer has

  void lost_units() {
    if (lost_slots_ == 0) return;
    const bool all = units_ == 0;
    const std::string name =
        log_.files.empty() ? "timerlog/" + format::mapped_file_name(0) : log_.files.back().shown;
    const std::int64_t start = log_.files.empty() ? 0 : log_.files.back().start;
    const std::int64_t from = std::max<std::int64_t>(units_end_ - start, 0);
    Finding& finding =
        context_.add("TM-LOST", all ? Severity::hidden : Severity::degraded, name, from,
                     std::max<std::int64_t>(lost_end_ - start - from, 1),
                     fmt::format("{} of the timer wheel with {} lead behind the end of the timer log: {}",
                                 counted(lost_slots_, "slot", "slots"),
                                 counted(lost_messages_, "waiting message", "waiting messages"),
                                 all ? "they are in the commit log, and are not delivered"
                                     : "a stock broker puts them in again from the queue, and messages that "
                                       "were delivered may come twice"));
    finding.consequences = lost_messages_;
  }

  // ---- the checkpoint

  // Counts are only compared where nothing else is wrong with the timer.
  void note_whether_wrong() {
    wrong_ = std::ranges::any_of(context_.findings,
                                 [](const Finding& finding) { return finding.code.starts_with("TM-"); });
  }

  void checkpoint() {
    if (!timer_.checkpoint) {
      if (units_ > 0)
        check_finding(Severity::degraded, "missing: a stock broker puts all messages of the timer in again");
      return;
    }
    if (!has_checkpoint_) return;
    const format::TimerCheckpoint& point = checkpoint_;
    const auto newest = [&] {
      std::int64_t time = point.timestamp;
      for (const LogFileReport* report : context_.log->files())
        time = std::max(time, report->max_store_timestamp);
      return time;
    };
    if (timer_.checkpoint->size != format::kTimerCheckpointFileSize) {
      check_finding(Severity::degraded,
                    fmt::format("{} bytes long, a timer checkpoint has {}: what is missing counts as zero",
                                timer_.checkpoint->size, format::kTimerCheckpointFileSize));
    } else if (point == format::TimerCheckpoint{}) {
      if (units_ > 0)
        check_finding(Severity::degraded, "all zero: a stock broker puts all messages of the timer in again");
    } else if (point.last_read_time < 0 || point.last_log_flush_position < 0 || point.last_queue_offset < 0 ||
               point.master_queue_offset < 0 || point.timestamp < 0 || point.state_version < 0 ||
               point.counter < 0) {
      check_finding(Severity::degraded, "says a number below zero");
    } else if (point.last_read_time > saturated_add(newest(), kClockSlack)) {
      check_finding(waiting_before(point.last_read_time) ? Severity::hidden : Severity::degraded,
                    fmt::format("says that messages were delivered up to {} ms, which is after everything "
                                "else in the store: those "
                                "due before it are never delivered",
                                point.last_read_time));
    } else if (point.last_read_time % precision_ != 0) {
      check_finding(Severity::degraded,
                    fmt::format("says {} ms, which is no whole tick", point.last_read_time));
    } else if (point.last_queue_offset > point.master_queue_offset) {
      check_finding(Severity::degraded, fmt::format("its queue offset {} is above the master's {}",
                                                    point.last_queue_offset, point.master_queue_offset));
    } else if (const auto end = queue_end(); end && point.last_queue_offset > *end && !log_lost_something()) {
      // Recovery after an unclean stop makes the queue's end again before the timer starts.
      check_finding(context_.survey.abort ? Severity::benign : Severity::degraded,
                    fmt::format("says queue offset {}, the queue of {} ends at {}", point.last_queue_offset,
                                kTimerTopic, *end));
    } else if (point.last_log_flush_position > std::max(units_end_, lost_end_) && lost_slots_ == 0) {
      check_finding(Severity::degraded,
                    fmt::format("says that the timer log was flushed up to {}, it ends at {}",
                                point.last_log_flush_position, units_end_));
    } else if (last_queue_offset_ >= 0 &&
               saturated_add(point.master_queue_offset, kQueueSlack) < last_queue_offset_) {
      check_finding(
          Severity::degraded,
          fmt::format("says queue offset {}, the timer log has messages up to {}: a stock broker puts "
                      "those in between in again",
                      point.master_queue_offset, last_queue_offset_));
    }
  }

  void check_finding(Severity severity, std::string what) {
    context_.add("TM-CHECK", severity, timer_.checkpoint ? timer_.checkpoint->shown : "config/timercheck", 0,
                 std::max<std::int64_t>(timer_.checkpoint ? timer_.checkpoint->size : 0,
                                        format::kTimerCheckpointFileSize),
                 std::move(what));
  }

  // Does a chain lie between what the checkpoint's own time says and what it claims was delivered?
  [[nodiscard]] bool waiting_before(std::int64_t read_time) const {
    return std::ranges::any_of(chains_, [&](const auto& slot) {
      return slot.second.time >= checkpoint_.timestamp / precision_ &&
             slot.second.time < read_time / precision_;
    });
  }

  // Behind the last unit of the wheel's queue that a record confirms; nothing where it has no queue.
  [[nodiscard]] std::optional<std::int64_t> queue_end() const {
    const QueueState* const queue = context_.queues->find(kTimerTopic, 0);
    if (queue == nullptr) return std::nullopt;
    return queue->last_confirmed() < 0 ? queue->first_unit() : queue->last_confirmed() + 1;
  }

  // ---- the metrics

  void metrics() {
    const format::ConfigFile& kind = format::config_file(format::ConfigFileKind::timer_metrics);
    const scan::StoreFile* file = nullptr;
    for (const scan::StoreFile& other : context_.survey.config_files) {
      if (other.name == kind.name) file = &other;
    }
    if (file == nullptr) return;
    const auto bytes = io::read_all(context_.files, file->path, kMaxCheckpoint << 8);
    if (!bytes) return;  // told with the other state files
    const auto value = json::parse(as_text(*bytes));
    if (!value) return;
    const auto metrics = format::read_timer_metrics(*value);
    if (!metrics) {
      context_.add("TM-METRICS", Severity::degraded, file->shown, 0, std::max<std::int64_t>(file->size, 1),
                   metrics.error().what + ": a stock broker does not take the file");
      return;
    }
    if (!context_.at_least(VerifyLevel::deep) || wrong_) return;
    for (const format::TimerMetric& metric : *metrics) {
      const auto found = waiting_.find(java_hash(metric.topic));
      const std::int64_t counted_here = found == waiting_.end() ? 0 : found->second;
      if (metric.count != counted_here) {
        context_.add("TM-METRICS", Severity::benign, file->shown, 0, file->size,
                     fmt::format("counts {} waiting messages of {}, the timer log has {}", metric.count,
                                 metric.topic, counted_here));
      }
    }
  }

  void add(std::string_view code, Severity severity, const std::string& file, std::int64_t offset,
           std::int64_t length, std::string message) {
    std::size_t& told = code == "TM-SLOT" ? told_slots_ : told_units_;
    if (++told > kMaxFindings) return;
    if (told == kMaxFindings) message += " (and more like it)";
    context_.add(code, severity, file, offset, length, std::move(message));
  }

  VerifyContext& context_;
  const TimerFiles timer_;
  const PartFiles& log_;
  PartReader reader_;
  std::unique_ptr<io::ReadFile> wheel_file_;
  std::int64_t precision_ = format::kDefaultTimerPrecision;

  bool has_checkpoint_ = false;
  format::TimerCheckpoint checkpoint_;
  std::int64_t flushed_ = 0;
  std::int64_t reread_from_ = 0;

  std::map<std::int64_t, Chain> chains_;  // by slot: never more than the wheel has
  std::int64_t units_ = 0;
  std::int64_t units_end_ = 0;
  std::int64_t last_queue_offset_ = -1;
  std::int64_t gap_from_ = -1;
  std::int64_t damaged_until_ = 0;
  bool chains_are_whole_ = true;
  std::vector<std::pair<std::int64_t, std::int64_t>> gaps_;
  std::set<std::int64_t> blamed_;
  std::map<std::int32_t, std::int64_t> waiting_;  // messages by the hash of their topic

  const scan::MappedFile* log_mapped_ = nullptr;
  std::unique_ptr<io::ReadFile> log_file_;
  std::vector<std::byte> record_;

  bool wrong_ = false;
  std::int64_t lost_slots_ = 0;
  std::int64_t lost_messages_ = 0;
  std::int64_t lost_end_ = 0;
  std::size_t last_slot_finding_ = std::numeric_limits<std::size_t>::max();
  std::size_t told_slots_ = 0;
  std::size_t told_units_ = 0;
};

}  // namespace

void verify_timer(VerifyContext& context) {
  // Beside a running broker the survey leaves the timer out: then its counts have nothing to be compared with
  // either.
  if (find_timer_files(context.survey).any()) TimerCheck(context).run();
}

}  // namespace rmq::forensics
