#include "libstore/repair/consumer_impact.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "libstore/repair/stock_names.h"

namespace rmq::repair {
namespace {

using GroupQueue = std::tuple<std::string, std::string, std::int32_t>;  // group, topic, queue id
using TopicQueue = std::pair<std::string, std::int32_t>;

struct Offsets {
  std::optional<std::int64_t> before;
  std::optional<std::int64_t> after;
};

std::string counted(std::int64_t count, std::string_view rest) {
  return fmt::format("{} {} {}", count, count == 1 ? "message" : "messages", rest);
}

class Impact {
 public:
  Impact(const recovery::Plan& plan, const ConfigMend& mend) : mend_(mend) {
    for (const recovery::QueueOutcome& queue : plan.queues) queues_[{queue.topic, queue.queue_id}] = &queue;
    for (const recovery::LostMessage& lost : plan.placeholders)
      placeholders_[{lost.topic, lost.queue_id}].push_back(lost.queue_offset);
    for (auto& [queue, offsets] : placeholders_) std::ranges::sort(offsets);
    topics_found_.insert(mend.topics_found.begin(), mend.topics_found.end());
  }

  std::vector<ConsumerImpact> run() {
    for (const format::ConsumerOffset& one : mend_.offsets_before)
      offsets_[{one.group, one.topic, one.queue_id}].before = one.offset;
    for (const format::ConsumerOffset& one : mend_.offsets_after)
      offsets_[{one.group, one.topic, one.queue_id}].after = one.offset;
    for (const format::DelayOffset& one : mend_.delays_before)
      offsets_[{std::string(kScheduleGroup), std::string(kScheduleTopic), one.level - 1}].before = one.offset;
    for (const format::DelayOffset& one : mend_.delays_after)
      offsets_[{std::string(kScheduleGroup), std::string(kScheduleTopic), one.level - 1}].after = one.offset;
    add_queues_without_offset();
    for (const auto& [key, offsets] : offsets_) judge(key, offsets);
    add_lost_groups();
    std::ranges::sort(rows_, {},
                      [](const ConsumerImpact& row) { return std::tie(row.group, row.topic, row.queue_id); });
    return std::move(rows_);
  }

 private:
  [[nodiscard]] static bool is_delay(const GroupQueue& key) { return std::get<0>(key) == kScheduleGroup; }

  // Queues that will be read whatever the offsets say: of levels, of retry topics, of topics that a group has
  // read other queues of.
  void add_queues_without_offset() {
    std::set<std::pair<std::string, std::string>> reading;  // topic, group
    for (const auto& [key, offsets] : offsets_)
      if (!is_delay(key)) reading.emplace(std::get<1>(key), std::get<0>(key));
    for (const std::string& group : mend_.groups) reading.emplace(std::string(kRetryPrefix) + group, group);
    for (const auto& [queue, outcome] : queues_) {
      if (queue.first == kScheduleTopic) {
        if (mend_.delays_lost) offsets_.try_emplace({std::string(kScheduleGroup), queue.first, queue.second});
        continue;
      }
      for (auto at = reading.lower_bound({queue.first, {}}); at != reading.end() && at->first == queue.first;
           ++at)
        offsets_.try_emplace({at->second, queue.first, queue.second});
    }
  }

  // Lost messages of the queue at [from, to).
  [[nodiscard]] std::int64_t placeholders_in(const TopicQueue& queue, std::int64_t from,
                                             std::int64_t to) const {
    const auto found = placeholders_.find(queue);
    if (found == placeholders_.end() || from >= to) return 0;
    return std::ranges::lower_bound(found->second, to) - std::ranges::lower_bound(found->second, from);
  }

  // Messages at [from, to) that are there.
  [[nodiscard]] std::int64_t messages_in(const TopicQueue& queue, const recovery::QueueOutcome& outcome,
                                         std::int64_t from, std::int64_t to) const {
    from = std::max(from, outcome.min_offset);
    to = std::min(to, outcome.max_offset);
    return from >= to ? 0 : to - from - placeholders_in(queue, from, to);
  }

  // Of the messages that no right unit led to until now, those from `from` on. Where they lie is known of
  // those at the end; of the others at most so many.
  [[nodiscard]] std::int64_t found_from(const TopicQueue& queue, const recovery::QueueOutcome& outcome,
                                        std::int64_t from) const {
    if (topics_found_.contains(queue.first)) return messages_in(queue, outcome, from, outcome.max_offset);
    if (outcome.found == 0) return 0;
    const std::int64_t known_end = std::clamp(outcome.was_max, outcome.min_offset, outcome.max_offset);
    const std::int64_t at_end = messages_in(queue, outcome, known_end, outcome.max_offset);
    const std::int64_t inside = std::max<std::int64_t>(0, outcome.found - at_end);
    return messages_in(queue, outcome, std::max(from, known_end), outcome.max_offset) +
           std::min(inside, messages_in(queue, outcome, from, known_end));
  }

  void judge(const GroupQueue& key, const Offsets& offsets) {
    const auto& [group, topic, queue_id] = key;
    const TopicQueue queue(topic, queue_id);
    ConsumerImpact row;
    row.group = group;
    row.topic = topic;
    row.queue_id = queue_id;
    row.offset_before = offsets.before.value_or(-1);
    row.offset_after = offsets.after.value_or(-1);
    const auto found = queues_.find(queue);
    static const recovery::QueueOutcome kNone;
    const recovery::QueueOutcome& outcome = found == queues_.end() ? kNone : *found->second;
    row.found_back = found_from(queue, outcome, std::max(offsets.after.value_or(0), outcome.min_offset));
    std::vector<std::string> told;
    const bool is_lost = is_delay(key) ? mend_.delays_lost : mend_.offsets_lost;
    // From where on the group will read: without an offset from the beginning, as far as anybody can tell.
    const std::int64_t from = std::max(offsets.after.value_or(0), outcome.min_offset);
    if (offsets.before && offsets.after && *offsets.after < *offsets.before) {
      row.again = messages_in(queue, outcome, *offsets.after, *offsets.before);
      told.push_back(
          *offsets.before > outcome.max_offset
              ? fmt::format("its offset was beyond the queue's end, and new messages would have been "
                            "passed over: it goes back from {} to {}",
                            *offsets.before, *offsets.after)
              : fmt::format("its offset goes back from {} to {}", *offsets.before, *offsets.after));
    } else if (!offsets.after && is_lost) {
      row.again =
          std::max<std::int64_t>(0, messages_in(queue, outcome, 0, outcome.max_offset) - row.found_back);
      if (row.again > 0)
        told.push_back(is_delay(key)
                           ? fmt::format("the offset of delay level {} is lost: all of its messages are "
                                         "delivered again, at most {}",
                                         queue_id + 1, row.again)
                           : fmt::format("its offset is lost: at most {} again, if its consumeFromWhere "
                                         "says the beginning; retry topics always begin there",
                                         counted(row.again, "come")));
    } else if (offsets.before && !offsets.after) {
      told.push_back("what was no offset is left out: its consumeFromWhere decides");
    }
    const bool has_offset = offsets.after.has_value() || offsets.before.has_value();
    // What it had read before it was lost is no loss to it.
    const std::int64_t unread = std::max(from, offsets.before.value_or(0));
    row.skipped = placeholders_in(queue, unread, outcome.max_offset);
    if (has_offset)
      row.skipped += std::max<std::int64_t>(0, outcome.was_max - std::max(outcome.max_offset, unread));
    if (!has_offset && !is_lost && row.found_back == 0 && row.skipped == 0) return;
    if (row.skipped > 0) told.push_back(counted(row.skipped, "are lost that it had not read"));
    if (row.found_back > 0)
      told.push_back(counted(row.found_back, "can be read again, or for the first time"));
    if (told.empty()) return;
    row.text = fmt::format("{}, {} queue {}: {}", group, topic, queue_id, fmt::join(told, "; "));
    rows_.push_back(std::move(row));
  }

  // Groups of which no offset is left.
  void add_lost_groups() {
    if (!mend_.offsets_lost) return;
    std::set<std::string> with_offset;
    for (const format::ConsumerOffset& one : mend_.offsets_after) with_offset.insert(one.group);
    for (const std::string& group : mend_.groups) {
      if (with_offset.contains(group) || is_predefined_group(group)) continue;
      ConsumerImpact row;
      row.group = group;
      row.text = fmt::format(
          "{}: no offset of it is left; its consumeFromWhere decides where it begins (by default "
          "at the end of queues that do not begin at 0 or are large)",
          group);
      rows_.push_back(std::move(row));
    }
  }

  const ConfigMend& mend_;
  std::map<TopicQueue, const recovery::QueueOutcome*> queues_;
  std::map<TopicQueue, std::vector<std::int64_t>> placeholders_;
  std::set<std::string> topics_found_;
  std::map<GroupQueue, Offsets> offsets_;
  std::vector<ConsumerImpact> rows_;
};

}  // namespace

std::vector<ConsumerImpact> consumer_impact(const recovery::Plan& plan, const ConfigMend& mend) {
  return Impact(plan, mend).run();
}

void write_consumer_impact(json::JsonLine& out, const std::vector<ConsumerImpact>& impact) {
  out.begin_array();
  for (const ConsumerImpact& row : impact) {
    out.begin_object();
    out.field("group", row.group);
    if (!row.topic.empty()) {
      out.field("topic", row.topic);
      out.field("queueId", row.queue_id);
    }
    out.field("offsetBefore", row.offset_before);
    out.field("offsetAfter", row.offset_after);
    out.field("again", row.again);
    out.field("skipped", row.skipped);
    out.field("foundBack", row.found_back);
    out.field("text", row.text);
    out.end_object();
  }
  out.end_array();
}

}  // namespace rmq::repair
