#include "libstore/forensics/timer_files.h"

#include <algorithm>
#include <array>
#include <map>

namespace rmq::forensics {
namespace {

constexpr int kSlotsAsked = 64;

template <class Visit>
std::int64_t for_each_used_slot(const io::ReadFileSystem& files, const TimerFiles& timer, Visit&& visit) {
  if (!timer.wheel) return 0;
  const auto file = files.open(timer.wheel->path);
  if (!file) return 0;
  return for_each_piece(**file, format::kTimerSlotSize, [&](std::int64_t, std::span<const std::byte> bytes) {
    for (std::size_t i = 0; i + format::kTimerSlotSize <= bytes.size(); i += format::kTimerSlotSize) {
      const auto slot = format::TimerSlot::load(bytes.data() + i);
      if (slot.time > 0 && !visit(slot)) return false;
    }
    return true;
  });
}

}  // namespace

TimerFiles find_timer_files(const scan::StoreSurvey& survey) {
  TimerFiles timer;
  timer.log = collect_part_files(survey, "timerlog", configured_number(survey, "mappedFileSizeTimerLog"));
  for (const scan::OtherFile& other : survey.others) {
    if (other.part != scan::OtherPart::timer) continue;
    if (other.shown == "timerwheel") timer.wheel = other;
    if (other.name == "timercheck") timer.checkpoint = other;
  }
  return timer;
}

std::optional<std::int64_t> timer_precision(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                            const TimerFiles& timer) {
  if (const auto configured = configured_number(survey, "timerPrecisionMs")) return configured;
  PartReader reader(files, timer.log);
  std::map<std::int64_t, int> votes;
  int asked = 0;
  for_each_used_slot(files, timer, [&](const format::TimerSlot& slot) {
    std::array<std::byte, format::kTimerLogUnitSize> bytes{};
    if (slot.last < 0 || !reader.read(slot.last, bytes)) return true;
    const auto unit = format::TimerLogUnit::parse(bytes);
    // due / precision == time, and the remainder is far smaller than the time.
    if (unit && unit->due() / slot.time > 0) ++votes[unit->due() / slot.time];
    return ++asked < kSlotsAsked;
  });
  if (votes.empty()) return std::nullopt;
  return std::ranges::max_element(votes, {}, [](const auto& vote) { return vote.second; })->first;
}

TimerProgress timer_progress(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                             const TimerFiles& timer, const format::TimerCheckpoint& checkpoint) {
  TimerProgress progress;
  progress.precision = timer_precision(files, survey, timer).value_or(progress.precision);
  const std::int64_t now = checkpoint.last_read_time / progress.precision;
  std::int64_t first = 0;
  std::int64_t last = 0;
  progress.bytes_read = for_each_used_slot(files, timer, [&](const format::TimerSlot& slot) {
    if (slot.time < now) return true;
    ++progress.slots;
    progress.messages += slot.messages;
    first = first == 0 ? slot.time : std::min(first, slot.time);
    last = std::max(last, slot.time);
    return true;
  });
  constexpr std::int64_t kLongest = std::numeric_limits<std::int64_t>::max();
  progress.first_due = first > kLongest / progress.precision ? kLongest : first * progress.precision;
  progress.last_due = last > kLongest / progress.precision ? kLongest : last * progress.precision;
  return progress;
}

}  // namespace rmq::forensics
