#include "libstore/forensics/trace_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "libstore/forensics/system_topics.h"

namespace rmq::forensics {
namespace {

class Judge {
 public:
  Judge(const TraceLife& life, const ConsumerProgress& progress) : life_(life), progress_(progress) {}

  TraceState run() {
    for (const TraceStep& step : life_.steps) take(step);
    state_.transaction = transaction();
    if (!waiting_.empty()) state_.waiting = waiting_.back();
    for (const auto& [name, pops] : hidden_) {
      if (pops.empty()) continue;
      GroupState& by = group(name);
      by.acked = false;
      for (const auto& [time, due] : pops)
        by.invisible_until = std::max(by.invisible_until.value_or(due), due);
    }
    add_readers();
    state_.kind = kind();
    return std::move(state_);
  }

 private:
  GroupState& group(const std::string& name) {
    const auto found = std::ranges::find(state_.groups, name, &GroupState::group);
    if (found != state_.groups.end()) return *found;
    state_.groups.emplace_back().group = name;
    return state_.groups.back();
  }

  void take(const TraceStep& step) {
    using Kind = TraceStepKind;
    committed_ = committed_ || step.is_commit || step.kind == Kind::committed;
    switch (step.kind) {
      case Kind::half:
      case Kind::checked:
        half_ = &step;
        decided_ = false;
        break;
      case Kind::decided:
        decided_ = decided_ || (half_ != nullptr && step.queue_id == half_->queue_id &&
                                step.half_queue_offset == half_->queue_offset);
        break;
      case Kind::given_up: given_up_ = true; break;
      case Kind::delayed:
      case Kind::timed:
        // A timer that reaches farther than its wheel puts the message back: the newer copy waits, not the
        // older one.
        std::erase_if(waiting_, [&](const TraceStep& before) {
          return before.kind == step.kind && before.real_topic == step.real_topic &&
                 before.real_queue_id == step.real_queue_id && step.kind == Kind::timed;
        });
        waiting_.push_back(step);
        break;
      case Kind::recalled:
        recalled_ =
            std::erase_if(waiting_, [](const TraceStep& before) { return before.kind == Kind::timed; }) > 0;
        break;
      case Kind::retry:
        ++group(step.group).retries;
        revealed(step);
        break;
      case Kind::dead_letter:
        group(step.group).dead_letter = true;
        revealed(step);
        break;
      case Kind::stored:
      case Kind::committed:
      case Kind::delivered: revealed(step); break;
      case Kind::popped:
        group(step.group).popped = true;
        hidden_[step.group].insert_or_assign(step.pop_time.value_or(0), step.due.value_or(0));
        break;
      case Kind::acked:
        group(step.group).popped = group(step.group).acked = true;
        hidden_[step.group].erase(step.pop_time.value_or(0));
        break;
      case Kind::pop_due:
      case Kind::ack_due: break;
    }
  }

  // A copy that consumers can get: nothing waits for this place any more.
  void revealed(const TraceStep& step) {
    const auto waited = std::ranges::find_if(waiting_, [&](const TraceStep& before) {
      return before.real_topic == step.topic && before.real_queue_id == step.queue_id;
    });
    if (waited != waiting_.end()) waiting_.erase(waited);
    // Pop revives into the retry topic: what was over by then hides it no longer.
    if (step.kind == TraceStepKind::retry)
      std::erase_if(hidden_[step.group], [&](const auto& pop) { return pop.second <= step.store_timestamp; });
    newest_.push_back(&step);
  }

  [[nodiscard]] TransactionState transaction() const {
    if (half_ == nullptr) return committed_ ? TransactionState::committed : TransactionState::none;
    if (committed_) return TransactionState::committed;
    if (given_up_) return TransactionState::given_up;
    if (decided_) return TransactionState::rolled_back;
    const auto checked_to = progress_.offset_of(kTransactionGroup, kHalfTopic, half_->queue_id);
    return checked_to && *checked_to > half_->queue_offset ? TransactionState::passed
                                                           : TransactionState::pending;
  }

  // How far groups are in the queues where its copies lie.
  void add_readers() {
    if (!progress_.offsets) return;
    for (const TraceStep* copy : newest_) {
      if (copy->kind == TraceStepKind::dead_letter) continue;
      for (const format::ConsumerOffset& offset : *progress_.offsets) {
        if (offset.topic != copy->topic || offset.queue_id != copy->queue_id) continue;
        if (copy->kind == TraceStepKind::retry && offset.group != copy->group) continue;
        GroupState& reader = group(offset.group);
        reader.offset = offset.offset;
        reader.passed = offset.offset > copy->queue_offset;
      }
    }
  }

  [[nodiscard]] TraceStateKind kind() const {
    switch (state_.transaction) {
      case TransactionState::pending: return TraceStateKind::half_pending;
      case TransactionState::rolled_back: return TraceStateKind::rolled_back;
      case TransactionState::given_up: return TraceStateKind::given_up;
      case TransactionState::passed: return TraceStateKind::decided;
      default: break;
    }
    const auto any = [&](auto&& test) { return std::ranges::any_of(state_.groups, test); };
    if (state_.waiting) return TraceStateKind::waiting;
    if (recalled_ && newest_.empty()) return TraceStateKind::recalled;
    if (any([](const GroupState& g) { return g.dead_letter; })) return TraceStateKind::dead_letter;
    if (any([](const GroupState& g) { return g.invisible_until.has_value(); })) return TraceStateKind::hidden;
    if (any([](const GroupState& g) { return g.acked; })) return TraceStateKind::acked;
    if (any([](const GroupState& g) { return g.retries > 0; })) return TraceStateKind::retried;
    return TraceStateKind::stored;
  }

  const TraceLife& life_;
  const ConsumerProgress& progress_;
  TraceState state_;
  const TraceStep* half_ = nullptr;  // the newest
  std::map<std::string, std::map<std::int64_t, std::int64_t>>
      hidden_;  // by group: pop time, visible again when
  bool decided_ = false;
  bool committed_ = false;
  bool given_up_ = false;
  bool recalled_ = false;
  std::vector<TraceStep> waiting_;
  std::vector<const TraceStep*> newest_;  // copies that consumers can get, in the log's order
};

std::string group_text(const GroupState& group, TimeText& time) {
  std::vector<std::string> parts;
  if (group.retries > 0)
    parts.push_back(
        fmt::format("retried {}", group.retries == 1 ? "once" : fmt::format("{} times", group.retries)));
  if (group.dead_letter) parts.emplace_back("dead letter");
  if (group.acked) parts.emplace_back("acknowledged");
  if (group.invisible_until) parts.push_back("popped and hidden until " + time.text(*group.invisible_until));
  if (group.offset && !group.dead_letter)
    parts.push_back(
        fmt::format("{} it (offset {})", group.passed ? "has passed" : "has not reached", *group.offset));
  return parts.empty() ? std::string() : fmt::format("{}: {}", group.group, fmt::join(parts, ", "));
}

}  // namespace

std::string_view to_string(TransactionState state) {
  switch (state) {
    case TransactionState::none: return "none";
    case TransactionState::pending: return "pending";
    case TransactionState::committed: return "committed";
    case TransactionState::rolled_back: return "rolledBack";
    case TransactionState::given_up: return "givenUp";
    case TransactionState::passed: return "passed";
  }
  return "?";
}

std::string_view to_string(TraceStateKind kind) {
  switch (kind) {
    case TraceStateKind::half_pending: return "halfPending";
    case TraceStateKind::rolled_back: return "rolledBack";
    case TraceStateKind::given_up: return "givenUp";
    case TraceStateKind::decided: return "decided";
    case TraceStateKind::waiting: return "waiting";
    case TraceStateKind::recalled: return "recalled";
    case TraceStateKind::dead_letter: return "deadLetter";
    case TraceStateKind::hidden: return "hidden";
    case TraceStateKind::acked: return "acked";
    case TraceStateKind::retried: return "retried";
    case TraceStateKind::stored: return "stored";
  }
  return "?";
}

TraceState judge_trace(const TraceLife& life, const ConsumerProgress& progress) {
  return Judge(life, progress).run();
}

std::string state_text(const TraceLife& life, const TraceState& state, TimeText& time) {
  std::vector<std::string> parts;
  switch (state.transaction) {
    case TransactionState::none: break;
    case TransactionState::pending:
      parts.emplace_back("half message, neither committed nor rolled back yet");
      break;
    case TransactionState::committed: parts.emplace_back("committed"); break;
    case TransactionState::rolled_back: parts.emplace_back("rolled back"); break;
    case TransactionState::given_up: parts.emplace_back("given up: its producer never decided"); break;
    case TransactionState::passed:
      parts.emplace_back(
          "half message that the transaction check has passed; what decided it is not in the log");
      break;
  }
  if (state.waiting) {
    const TraceStep& waits = *state.waiting;
    parts.push_back(fmt::format("waits {} for {} queue {}{}",
                                waits.level > 0 ? fmt::format("on level {}", waits.level) : "in the timer",
                                waits.real_topic, waits.real_queue_id,
                                waits.due ? ", due " + time.text(*waits.due) : ""));
  }
  if (state.kind == TraceStateKind::recalled) parts.emplace_back("recalled before it was due");
  for (const GroupState& group : state.groups) {
    std::string text = group_text(group, time);
    if (!text.empty()) parts.push_back(std::move(text));
  }
  const auto copy = std::find_if(life.steps.rbegin(), life.steps.rend(), [](const TraceStep& step) {
    return step.kind == TraceStepKind::stored || step.kind == TraceStepKind::committed ||
           step.kind == TraceStepKind::delivered;
  });
  if (copy != life.steps.rend() && state.kind == TraceStateKind::stored)
    parts.insert(parts.begin() + (state.transaction == TransactionState::none ? 0 : 1),
                 fmt::format("in {} queue {} at {}", copy->topic, copy->queue_id, copy->queue_offset));
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace rmq::forensics
