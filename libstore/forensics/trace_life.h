// What happened to messages, put together from a walk over the log: the copies that a message leaves on its
// way (half, delayed, timed, delivered, retried, dead letter), what decided its transaction, and who popped
// and acknowledged it. Internal to rmq-dump trace. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "libstore/forensics/dump_filter.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/pop_state.h"

namespace rmq::forensics {

enum class TraceStepKind {
  stored,       // in a topic of users
  half,         // half message of a transaction
  checked,      // the half message put back by a transaction check
  committed,    // in its topic, because its transaction was committed
  decided,      // the op queue names the half message: committed, rolled back or given up
  given_up,     // checked too often
  delayed,      // in SCHEDULE_TOPIC_XXXX, waiting on a delay level
  timed,        // in rmq_sys_wheel_timer, waiting for its time
  recalled,     // a request to delete the timed message
  delivered,    // in its topic, because it was due
  retry,        // in a group's retry topic
  dead_letter,  // in a group's dead letter topic
  popped,       // a group got it and hides it from its other members
  pop_due,      // that check point has come up for revival
  acked,
  ack_due,
};
[[nodiscard]] std::string_view to_string(TraceStepKind kind);

struct TraceStep {
  TraceStepKind kind = TraceStepKind::stored;
  // Of the record that tells it, and what that record says of itself; -1: kvStore/ tells it, of the copy that
  // the rest is about.
  std::int64_t phy_offset = 0;
  std::int32_t size = 0;
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
  std::int64_t store_timestamp = 0;
  std::int32_t reconsume_times = 0;
  bool is_commit = false;  // it carries the commit flag

  std::string group;       // retry, dead letter, pop
  std::string real_topic;  // where a copy that waits belongs
  std::int32_t real_queue_id = -1;
  std::int32_t level = 0;                         // delayed
  std::optional<std::int64_t> due;                // delayed, timed, popped
  std::optional<std::int64_t> pop_time;           // pop: of which check point
  std::int32_t check_times = 0;                   // checked
  std::optional<std::int64_t> half_queue_offset;  // decided
};

struct TraceLife {
  std::string id;  // UNIQ_KEY; where there is none the offset message id of the first record
  std::optional<std::string> uniq_key;
  std::string message_id;  // of the first record
  std::string topic;       // where it belongs
  std::string keys;
  std::string tags;
  std::vector<TraceStep> steps;  // in the log's order
};

struct TraceTarget {
  std::string key;                      // a UNIQ_KEY or one of KEYS; empty: only what follows
  std::optional<std::string> uniq_key;  // of the record that was named by its place
  std::optional<std::int64_t> phy_offset;
};

class TraceCollector {
 public:
  // `selects` decides by a message's own topic. Both must outlive the collector.
  TraceCollector(const TraceTarget& target, TopicMatcher& topics, std::size_t most_lives)
      : target_(target), topics_(topics), most_lives_(most_lives) {}

  // Every record of the log, in its order.
  void take(const format::MessageView& message, std::int64_t phy_offset);
  // After the log: what kvStore/ says is popped and not acknowledged.
  void take(const format::PopState& state);

  [[nodiscard]] const std::vector<TraceLife>& lives() const { return lives_; }
  [[nodiscard]] bool is_cut() const { return is_cut_; }  // there was more than is kept

 private:
  using Place = std::tuple<std::string, std::int32_t, std::int64_t>;  // topic, queue id, queue offset

  void take_op(const format::MessageView& message, std::int64_t phy_offset);
  void take_pop(const format::MessageView& message, std::string_view tag, std::int64_t phy_offset);
  [[nodiscard]] std::optional<std::size_t> find_life(const format::MessageView& message,
                                                     const format::StoreProperties& properties,
                                                     std::int64_t phy_offset);
  [[nodiscard]] bool is_asked_for(const format::StoreProperties& properties, std::int64_t phy_offset) const;
  std::optional<std::size_t> begin_life(const format::MessageView& message,
                                        const format::StoreProperties& properties);
  void add_copy(std::size_t life, const format::MessageView& message, std::int64_t phy_offset);
  void add_step(std::size_t life, TraceStep step);

  const TraceTarget& target_;
  TopicMatcher& topics_;
  std::size_t most_lives_;
  std::vector<TraceLife> lives_;
  std::size_t steps_ = 0;
  bool is_cut_ = false;
  bool by_message_id_needed_ = false;
  std::map<std::string, std::size_t, std::less<>> by_uniq_key_;
  std::map<std::string, std::size_t, std::less<>> by_message_id_;
  std::map<std::int64_t, std::size_t> by_half_;                               // where the half message lies
  std::map<std::pair<std::int32_t, std::int64_t>, std::size_t> half_places_;  // its queue and queue offset
  std::map<Place, std::size_t> places_;                                       // copies that consumers can get
  std::map<std::string, std::size_t, std::less<>>
      pop_seen_;  // records in the revive topic are copies of waiting ones
};

// The step's topic is a group's retry topic: which group. Pop's retry topics name the message's topic as
// well.
[[nodiscard]] std::string retry_group(std::string_view topic, std::string_view own_topic);

}  // namespace rmq::forensics
