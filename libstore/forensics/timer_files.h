// The files of the timer in a store, and what can be told of them without the commit log.
#pragma once

#include <cstdint>
#include <optional>

#include "libstore/forensics/part_files.h"
#include "libstore/forensics/system_topics.h"
#include "libstore/format/timer_checkpoint.h"
#include "libstore/format/timer_log_unit.h"
#include "libstore/format/timer_slot.h"

namespace rmq::forensics {

struct TimerFiles {
  std::optional<scan::StoreFile> wheel;
  PartFiles log;
  std::optional<scan::StoreFile> checkpoint;  // config/timercheck

  [[nodiscard]] bool any() const { return wheel || checkpoint || !log.files.empty(); }
};

[[nodiscard]] TimerFiles find_timer_files(const scan::StoreSurvey& survey);

// Milliseconds a tick: what broker.conf says (timerPrecisionMs), else what slots of the wheel and the units
// that they lead to prove; nothing where no slot is in use.
[[nodiscard]] std::optional<std::int64_t> timer_precision(const io::ReadFileSystem& files,
                                                          const scan::StoreSurvey& survey,
                                                          const TimerFiles& timer);

// What waits, by the wheel.
struct TimerProgress {
  std::int64_t precision = format::kDefaultTimerPrecision;  // ms
  std::int64_t slots = 0;      // that are due later than the checkpoint's read time
  std::int64_t messages = 0;   // in them
  std::int64_t first_due = 0;  // ms; 0 without slots
  std::int64_t last_due = 0;
  std::int64_t bytes_read = 0;
};
[[nodiscard]] TimerProgress timer_progress(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                           const TimerFiles& timer,
                                           const format::TimerCheckpoint& checkpoint);

}  // namespace rmq::forensics
