// A consume queue file by itself. Without the log nobody can say whether its units are right, only whether
// they fit each other: a queue is written in the order of the log, so its units lead ever further, and never
// into each other.
#include <fmt/format.h>

#include <optional>

#include "libstore/base/saturate.h"
#include "libstore/forensics/verify_context.h"
#include "libstore/format/commit_log_record.h"

namespace rmq::forensics {
namespace {

constexpr std::size_t kWindow = 64 << 10;
constexpr std::size_t kMaxFindings = 10'000;

class QueueFileJudge {
 public:
  QueueFileJudge(VerifyContext& context, const QueueState& state, const scan::MappedFile& file)
      : context_(context), state_(state), file_(file), reader_(context.files, state, kWindow) {}

  void run() {
    const auto opened = context_.files.open(file_.path);
    if (!opened) {
      context_.summary.read_errors = true;
      return;
    }
    const UnitNumber first = file_.start / state_.unit_size();
    const UnitNumber end = first + file_.size / state_.unit_size();
    used_end_ = first;
    for (UnitNumber number = first; number < end && !context_.cancelled();) {
      const std::int64_t position = (number - first) * state_.unit_size();
      const UnitNumber data = first + (*opened)->next_data(position) / state_.unit_size();
      if (data > number) {
        number = std::min(data, end);
        continue;
      }
      const auto unit = reader_.entry(number);
      if (!unit) break;  // the file system has said why
      take(number, *unit);
      ++number;
    }
    context_.summary.bytes_checked += file_.size;
  }

 private:
  struct Unit {
    UnitNumber number = 0;
    std::int64_t from = 0;
    std::int64_t to = 0;
  };

  void take(UnitNumber number, const format::ConsumeQueueEntry& entry) {
    if (!entry.is_used()) return;
    if (used_end_ != number) {
      add("CQ-HOLE", used_end_, number - used_end_,
          "unused in the middle of the queue: a stock broker cuts the queue here");
    }
    used_end_ = number + 1;
    if (entry.is_pre_blank()) return;
    const Unit unit{number, entry.commit_log_offset, saturated_add(entry.commit_log_offset, entry.size)};
    if (entry.size < format::kMinRecordSize || entry.size > format::kMaxRecordSize) {
      add("CQ-WRONG-UNIT", number, 1, fmt::format("says {} bytes, which no record has", entry.size));
    } else if (!last_ || unit.from >= last_->to) {
      before_last_ = std::exchange(last_, unit);
    } else if (before_last_ && unit.from >= before_last_->to) {
      out_of_order(*last_);  // without it the queue goes on
      last_ = unit;
    } else {
      out_of_order(unit);
    }
  }

  void out_of_order(const Unit& unit) {
    add("CQ-WRONG-UNIT", unit.number, 1,
        fmt::format("leads to {}, which is not between the places that its neighbours lead to", unit.from));
  }

  void add(std::string_view code, UnitNumber first, std::int64_t count, std::string message) {
    if (++findings_ > kMaxFindings) return;
    const scan::Queue& queue = state_.queue();
    Finding& finding =
        context_.add(code, Severity::hidden, file_.shown, first * state_.unit_size() - file_.start,
                     count * state_.unit_size(), std::move(message));
    finding.topic = queue.topic;
    finding.queue_id = queue.queue_id;
    if (queue.kind == scan::QueueKind::simple) finding.queue_offset = first;
  }

  VerifyContext& context_;
  const QueueState& state_;
  const scan::MappedFile& file_;
  UnitReader reader_;
  UnitNumber used_end_ = 0;
  std::optional<Unit> last_;
  std::optional<Unit> before_last_;
  std::size_t findings_ = 0;
};

}  // namespace

void verify_queue_file(VerifyContext& context) {
  for (const auto& state : context.queues->queues()) {
    for (const scan::MappedFile& file : state->queue().files.files)
      QueueFileJudge(context, *state, file).run();
  }
}

}  // namespace rmq::forensics
