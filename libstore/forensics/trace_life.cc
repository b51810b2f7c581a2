#include "libstore/forensics/trace_life.h"

#include <algorithm>
#include <utility>

#include "libstore/base/saturate.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/system_topics.h"
#include "libstore/format/pop_record.h"
#include "libstore/format/sys_flag.h"
#include "libstore/format/tags_code.h"
#include "libstore/format/transaction_op.h"

namespace rmq::forensics {
namespace {

// Of all lives together: 200 bytes or so each.
constexpr std::size_t kMostSteps = 200'000;
// A check point's and its acks' names are kept until their copies come up.
constexpr std::size_t kMostPopRecords = 100'000;

std::string text_property(std::string_view properties, std::string_view name) {
  return std::string(format::find_property(properties, name).value_or(std::string_view()));
}

std::int32_t int_property(std::string_view properties, std::string_view name, std::int32_t otherwise) {
  std::int32_t value = 0;
  const auto found = format::find_property(properties, name);
  return found && format::parse_java_int(*found, value) ? value : otherwise;
}

std::optional<std::int64_t> time_property(std::string_view properties, std::string_view name) {
  const auto found = format::find_property(properties, name);
  if (!found) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(found->data(), found->data() + found->size(), value);
  if (error != std::errc() || end != found->data() + found->size()) return std::nullopt;
  return value;
}

bool holds_waiting(std::string_view topic) { return topic == kTimerTopic || topic == format::kScheduleTopic; }

// Where the message belongs: retried ones name their topic, waiting and half ones too.
std::string own_topic_of(const format::MessageView& message) {
  const bool retried = message.topic.starts_with(kRetryPrefix) || message.topic.starts_with(kDlqPrefix);
  std::string topic(message.topic);
  if (!retried &&
      (holds_waiting(message.topic) || message.topic == kHalfTopic || message.topic == kGivenUpTopic)) {
    topic = text_property(message.properties, kPropertyRealTopic);
  }
  if (topic.starts_with(kRetryPrefix) || topic.starts_with(kDlqPrefix) || topic.empty()) {
    std::string retry = text_property(message.properties, kPropertyRetryTopic);
    if (!retry.empty()) return retry;
  }
  return topic.empty() ? std::string(message.topic) : topic;
}

TraceStep step_of(TraceStepKind kind, const format::MessageView& message, std::int64_t phy_offset) {
  TraceStep step;
  step.kind = kind;
  step.phy_offset = phy_offset;
  step.size = message.total_size;
  step.topic = message.topic;
  step.queue_id = message.queue_id;
  step.queue_offset = message.queue_offset;
  step.store_timestamp = message.store_timestamp;
  step.reconsume_times = message.reconsume_times;
  step.is_commit = format::transaction_type(message.sys_flag) == format::kSysFlagTransactionCommit;
  return step;
}

bool waits_for(const TraceStep& step, const format::MessageView& message) {
  return (step.kind == TraceStepKind::delayed || step.kind == TraceStepKind::timed) &&
         step.real_topic == message.topic && step.real_queue_id == message.queue_id;
}

}  // namespace

std::string_view to_string(TraceStepKind kind) {
  switch (kind) {
    case TraceStepKind::stored: return "stored";
    case TraceStepKind::half: return "half";
    case TraceStepKind::checked: return "checked";
    case TraceStepKind::committed: return "committed";
    case TraceStepKind::decided: return "decided";
    case TraceStepKind::given_up: return "givenUp";
    case TraceStepKind::delayed: return "delayed";
    case TraceStepKind::timed: return "timed";
    case TraceStepKind::recalled: return "recalled";
    case TraceStepKind::delivered: return "delivered";
    case TraceStepKind::retry: return "retry";
    case TraceStepKind::dead_letter: return "deadLetter";
    case TraceStepKind::popped: return "popped";
    case TraceStepKind::pop_due: return "popDue";
    case TraceStepKind::acked: return "acked";
    case TraceStepKind::ack_due: return "ackDue";
  }
  return "?";
}

std::string retry_group(std::string_view topic, std::string_view own_topic) {
  std::string_view group = topic;
  for (const std::string_view prefix : {kRetryPrefix, kDlqPrefix}) {
    if (group.starts_with(prefix)) group.remove_prefix(prefix.size());
  }
  // KeyBuilder.buildPopRetryTopic: group_topic, or group+topic with enableRetryTopicV2.
  if (!own_topic.empty() && group.size() > own_topic.size() + 1 && group.ends_with(own_topic)) {
    const char between = group[group.size() - own_topic.size() - 1];
    if (between == '_' || between == '+') group.remove_suffix(own_topic.size() + 1);
  }
  return std::string(group);
}

void TraceCollector::take(const format::MessageView& message, std::int64_t phy_offset) {
  if (message.topic == kOpHalfTopic) take_op(message, phy_offset);
  const format::StoreProperties properties = format::store_properties(message.properties);
  if (const auto life = find_life(message, properties, phy_offset)) {
    add_copy(*life, message, phy_offset);
    return;
  }
  if (!properties.tags || !format::is_pop_tag(*properties.tags)) return;
  const bool revives =
      message.topic.starts_with(kReviveTopicPrefix) ||
      (holds_waiting(message.topic) &&
       text_property(message.properties, kPropertyRealTopic).starts_with(kReviveTopicPrefix));
  if (revives) take_pop(message, *properties.tags, phy_offset);
}

bool TraceCollector::is_asked_for(const format::StoreProperties& properties, std::int64_t phy_offset) const {
  if (target_.phy_offset && *target_.phy_offset == phy_offset) return true;
  if (target_.uniq_key && properties.uniq_key && *target_.uniq_key == *properties.uniq_key) return true;
  if (target_.key.empty()) return false;
  if (properties.uniq_key && *properties.uniq_key == target_.key) return true;
  bool found = false;
  if (properties.keys)
    format::for_each_key(*properties.keys,
                         [&](std::string_view key) { found = found || key == target_.key; });
  return found;
}

std::optional<std::size_t> TraceCollector::find_life(const format::MessageView& message,
                                                     const format::StoreProperties& properties,
                                                     std::int64_t phy_offset) {
  if (properties.uniq_key) {
    if (const auto found = by_uniq_key_.find(*properties.uniq_key); found != by_uniq_key_.end())
      return found->second;
  }
  if (message.topic == kTimerTopic) {
    // TimerMessageStore.buildDeleteKey: real topic, a plus, the UNIQ_KEY; older ones are the UNIQ_KEY alone.
    const std::string key = text_property(message.properties, kPropertyTimerDeleteKey);
    const auto found = by_uniq_key_.find(std::string_view(key).substr(key.find_last_of('+') + 1));
    if (!key.empty() && found != by_uniq_key_.end()) return found->second;
  }
  if (by_message_id_needed_) {
    if (const auto origin = format::find_property(message.properties, kPropertyOriginMessageId)) {
      if (const auto found = by_message_id_.find(*origin); found != by_message_id_.end())
        return found->second;
    }
    if (format::transaction_type(message.sys_flag) != 0) {
      const auto found = by_half_.find(message.prepared_transaction_offset);
      if (found != by_half_.end()) return found->second;
    }
  }
  if (!is_asked_for(properties, phy_offset)) return std::nullopt;
  return begin_life(message, properties);
}

std::optional<std::size_t> TraceCollector::begin_life(const format::MessageView& message,
                                                      const format::StoreProperties& properties) {
  TraceLife life;
  life.topic = own_topic_of(message);
  if (!topics_.matches(life.topic)) return std::nullopt;
  if (lives_.size() >= most_lives_) {
    is_cut_ = true;
    return std::nullopt;
  }
  life.message_id = format::offset_message_id(message);
  if (properties.uniq_key) life.uniq_key = *properties.uniq_key;
  life.id = life.uniq_key.value_or(life.message_id);
  life.keys = properties.keys.value_or(std::string_view());
  life.tags = properties.tags.value_or(std::string_view());
  const std::size_t index = lives_.size();
  if (life.uniq_key) {
    by_uniq_key_.emplace(*life.uniq_key, index);
  } else {
    by_message_id_needed_ = true;
  }
  lives_.push_back(std::move(life));
  return index;
}

void TraceCollector::add_step(std::size_t life, TraceStep step) {
  if (steps_ >= kMostSteps) {
    is_cut_ = true;
    return;
  }
  ++steps_;
  lives_[life].steps.push_back(std::move(step));
}

void TraceCollector::add_copy(std::size_t index, const format::MessageView& message,
                              std::int64_t phy_offset) {
  const TraceLife& life = lives_[index];
  TraceStep step = step_of(TraceStepKind::stored, message, phy_offset);
  by_message_id_.emplace(format::offset_message_id(message), index);
  const std::string_view properties = message.properties;
  if (holds_waiting(message.topic) || message.topic == kHalfTopic) {
    step.real_topic = text_property(properties, kPropertyRealTopic);
    step.real_queue_id = int_property(properties, kPropertyRealQueueId, -1);
    if (step.real_topic.starts_with(kRetryPrefix)) step.group = retry_group(step.real_topic, life.topic);
  }
  if (message.topic == kHalfTopic) {
    step.check_times = int_property(properties, kPropertyCheckTimes, 0);
    const bool again =
        std::ranges::any_of(life.steps, [](const TraceStep& s) { return s.kind == TraceStepKind::half; });
    step.kind = again ? TraceStepKind::checked : TraceStepKind::half;
    by_half_.emplace(phy_offset, index);
    half_places_.insert_or_assign({message.queue_id, message.queue_offset}, index);
  } else if (message.topic == kGivenUpTopic) {
    step.kind = TraceStepKind::given_up;
  } else if (message.topic == format::kScheduleTopic) {
    step.kind = TraceStepKind::delayed;
    step.level = message.queue_id < INT32_MAX ? message.queue_id + 1 : message.queue_id;
  } else if (message.topic == kTimerTopic) {
    const bool recall = format::find_property(properties, kPropertyTimerDeleteKey).has_value();
    step.kind = recall ? TraceStepKind::recalled : TraceStepKind::timed;
    step.due = time_property(properties, kPropertyTimerOut);
  } else {
    const bool was_due =
        std::ranges::any_of(life.steps, [&](const TraceStep& before) { return waits_for(before, message); });
    if (message.topic.starts_with(kRetryPrefix) || message.topic.starts_with(kDlqPrefix)) {
      step.kind = message.topic.starts_with(kDlqPrefix) ? TraceStepKind::dead_letter : TraceStepKind::retry;
      step.group = retry_group(message.topic, life.topic);
    } else {
      step.kind = was_due          ? TraceStepKind::delivered
                  : step.is_commit ? TraceStepKind::committed
                                   : TraceStepKind::stored;
    }
    places_.insert_or_assign({step.topic, step.queue_id, step.queue_offset}, index);
  }
  add_step(index, std::move(step));
}

void TraceCollector::take_op(const format::MessageView& message, std::int64_t phy_offset) {
  if (half_places_.empty()) return;
  format::for_each_half_offset(as_text(message.body), [&](std::int64_t offset) {
    const auto found = half_places_.find({message.queue_id, offset});
    if (found == half_places_.end()) return;
    TraceStep step = step_of(TraceStepKind::decided, message, phy_offset);
    step.half_queue_offset = offset;
    add_step(found->second, std::move(step));
  });
}

void TraceCollector::take_pop(const format::MessageView& message, std::string_view tag,
                              std::int64_t phy_offset) {
  if (places_.empty()) return;
  const auto record = format::parse_pop_record(tag, as_text(message.body));
  if (!record) return;
  for (std::size_t i = 0; i < record->offsets.size(); ++i) {
    const auto found = places_.find({record->topic, record->queue_id, record->offsets[i]});
    if (found == places_.end()) continue;
    TraceStep step = step_of(TraceStepKind::popped, message, phy_offset);
    step.group = record->group;
    step.pop_time = record->pop_time;
    // The same record waits in the timer (4.9: on a delay level) before it comes into the revive topic.
    const std::string name = std::string(tag) + ' ' + record->topic + ' ' + std::to_string(record->queue_id) +
                             ' ' + std::to_string(record->offsets[i]) + ' ' + record->group + ' ' +
                             std::to_string(record->pop_time);
    const bool again = pop_seen_.contains(name);
    if (pop_seen_.size() < kMostPopRecords) pop_seen_.emplace(name, found->second);
    if (record->is_check_point) {
      step.kind = again ? TraceStepKind::pop_due : TraceStepKind::popped;
      step.due = record->visible_at();
      add_step(found->second, step);
      if (!again && record->is_acked(i)) {
        step.kind = TraceStepKind::acked;
        step.due.reset();
        add_step(found->second, std::move(step));
      }
    } else {
      step.kind = again ? TraceStepKind::ack_due : TraceStepKind::acked;
      add_step(found->second, std::move(step));
    }
  }
}

void TraceCollector::take(const format::PopState& state) {
  const auto found = places_.find({state.topic, state.queue_id, state.queue_offset});
  if (found == places_.end()) return;
  TraceStep step;
  step.kind = TraceStepKind::popped;
  step.phy_offset = -1;
  step.topic = state.topic;
  step.queue_id = state.queue_id;
  step.queue_offset = state.queue_offset;
  step.store_timestamp = state.pop_time;
  step.group = state.group;
  step.pop_time = state.pop_time;
  step.due = state.visible_at();
  add_step(found->second, std::move(step));
}

}  // namespace rmq::forensics
