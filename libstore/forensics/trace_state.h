// What has become of a message, from the steps of its life and from how far groups have read. Internal to
// rmq-dump trace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/forensics/consumer_progress.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/forensics/trace_life.h"

namespace rmq::forensics {

enum class TransactionState {
  none,
  pending,  // nobody has decided it yet
  committed,
  rolled_back,
  given_up,
  passed,  // the check has passed the half message, and what decided it is not in the log
};
[[nodiscard]] std::string_view to_string(TransactionState state);

// The most telling of all that can be said.
enum class TraceStateKind {
  half_pending,
  rolled_back,
  given_up,
  decided,  // as TransactionState::passed
  waiting,  // on a delay level or in the timer
  recalled,
  dead_letter,
  hidden,  // popped, not acknowledged
  acked,
  retried,
  stored,
};
[[nodiscard]] std::string_view to_string(TraceStateKind kind);

struct GroupState {
  std::string group;
  std::int32_t retries = 0;  // copies in its retry topic
  bool dead_letter = false;
  bool popped = false;
  bool acked = false;                           // and no check point of it is open any more
  std::optional<std::int64_t> invisible_until;  // popped and not acknowledged
  std::optional<std::int64_t> offset;           // what it reads next, in the queue of its newest copy
  bool passed = false;                          // which is behind that copy
};

struct TraceState {
  TraceStateKind kind = TraceStateKind::stored;
  TransactionState transaction = TransactionState::none;
  std::optional<TraceStep> waiting;
  std::vector<GroupState> groups;  // in order of appearance
};

[[nodiscard]] TraceState judge_trace(const TraceLife& life, const ConsumerProgress& progress);
// A sentence without a full stop.
[[nodiscard]] std::string state_text(const TraceLife& life, const TraceState& state, TimeText& time);

}  // namespace rmq::forensics
