// rmq-dump trace: the life of a message in the log's order, and what has become of it.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "libstore/forensics/consumer_progress.h"
#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/dump_log_reader.h"
#include "libstore/forensics/dump_output.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/forensics/message_name.h"
#include "libstore/forensics/trace_life.h"
#include "libstore/forensics/trace_state.h"
#include "libstore/forensics/system_topics.h"
#include "libstore/format/tags_code.h"
#include "libstore/rocks/pop_states.h"

namespace rmq::forensics {
namespace {

// Messages that share a key, unless --limit says otherwise.
constexpr std::int64_t kUsualLives = 1000;

class TraceDump {
 public:
  TraceDump(const DumpInput& input, const DumpOptions& options, DumpSummary& summary, ByteSink& out)
      : input_(input),
        options_(options),
        summary_(summary),
        output_(unlimited_, summary, out),
        time_(options.utc),
        queues_(input.files, input.survey),
        progress_(read_consumer_progress(input.files, input.survey)) {}

  // Fails where --topic and --queue name nothing.
  Result<void> run() {
    TopicMatcher topics(options_.filter);
    for (const scan::Queue& queue : input_.survey.queues) (void)topics.matches(queue.topic);
    const TraceTarget target = find_target();
    const auto limit = static_cast<std::size_t>(
        std::clamp<std::int64_t>(options_.filter.limit.value_or(kUsualLives), 0, kUsualLives * 100));
    TraceCollector collector(target, topics, limit);
    walk(collector);
    if (const auto error = unmatched_patterns_error(topics, options_.strict_names)) return *error;
    const auto popped = rocks::read_pop_states(input_.files, input_.survey, rocks::PopStateDepth::entries,
                                               [&](const format::PopState& state) {
                                                 collector.take(state);
                                                 return !input_.observer.cancelled();
                                               });
    if (!popped.fault.empty()) summary_.faults.push_back("kvStore: " + popped.fault);
    for (const TraceLife& life : collector.lives()) print(life);
    if (collector.lives().empty()) {
      summary_.found = false;
      summary_.notes.push_back("no message '" + options_.key + "' in this store");
    }
    if (collector.is_cut())
      summary_.notes.push_back(
          fmt::format("more is there than is shown, which is at most {} messages: see --limit", limit));
    output_.finish();
    return {};
  }

 private:
  TraceTarget find_target() {
    TraceTarget target;
    target.key = options_.key;
    RecordReader records(input_.files, input_.survey);
    const auto offset = typed_offset(options_.key);
    const auto by_id = offset ? std::nullopt : offset_of_message_id(options_.key);
    if (!offset && !by_id) return target;
    const auto record = records.read(offset ? *offset : *by_id);
    if (!record) return target;
    if (by_id && !matches_id(*record)) return target;
    target.key.clear();
    target.phy_offset = record->phy_offset;
    if (const auto key = format::find_property(record->message.properties, format::kPropertyUniqKey))
      target.uniq_key = *key;
    return target;
  }

  [[nodiscard]] bool matches_id(const DumpRecord& record) const {
    std::string id = options_.key;
    for (char& c : id) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
    return format::offset_message_id(record.message) == id;
  }

  void walk(TraceCollector& collector) {
    LogReader reader(input_, options_.filter, summary_);
    LogBatch batch;
    while (reader.fill(batch)) {
      for (const LogBatch::Item& item : batch.items) {
        if (!item.is_record || item.duplicate_of) continue;
        const auto message =
            format::MessageView::parse(std::span<const std::byte>(batch.bytes).subspan(item.at, item.size));
        if (!message) continue;
        if (options_.filter.since_ms && message->store_timestamp < *options_.filter.since_ms) continue;
        if (options_.filter.until_ms && message->store_timestamp >= *options_.filter.until_ms) continue;
        collector.take(*message, item.phy_offset);
      }
      if (summary_.stopped) break;
    }
  }

  void print(TraceLife life) {
    for (TraceStep& step : life.steps) {
      if (step.kind == TraceStepKind::delayed) step.due = due_of(step);
    }
    const TraceState state = judge_trace(life, progress_);
    options_.format == OutputFormat::json ? print_json(life, state) : print_text(life, state);
  }

  // The queue's unit holds it; without one the level's delay says.
  std::int64_t due_of(const TraceStep& step) {
    if (const auto queue = queues_.find(step.topic, step.queue_id)) {
      const auto unit = queues_.unit(*queue, step.queue_offset);
      if (unit && unit->commit_log_offset == step.phy_offset) return unit->tags_code;
    }
    format::DelayLevels levels;
    const std::string& given = input_.survey.config.message_delay_level;
    if (auto parsed = format::DelayLevels::parse(given); !given.empty() && parsed)
      levels = *std::move(parsed);
    return levels.deliver_timestamp(step.level, step.store_timestamp);
  }

  void print_json(const TraceLife& life, const TraceState& state) {
    for (const TraceStep& step : life.steps) {
      json_.clear();
      begin_line(json_, "step");
      json_.field("trace", life.id);
      json_.field("step", to_string(step.kind));
      json_.field("phyOffset", step.phy_offset);
      json_.field("size", step.size);
      json_.field("topic", step.topic);
      json_.field("queueId", step.queue_id);
      json_.field("queueOffset", step.queue_offset);
      json_.field("storeTimestamp", step.store_timestamp);
      json_.field("reconsumeTimes", step.reconsume_times);
      if (!step.group.empty()) json_.field("group", step.group);
      if (!step.real_topic.empty()) {
        json_.field("realTopic", step.real_topic);
        json_.field("realQueueId", step.real_queue_id);
      }
      if (step.level > 0) json_.field("level", step.level);
      if (step.due) json_.field("due", *step.due);
      if (step.pop_time) json_.field("popTime", *step.pop_time);
      if (step.check_times > 0) json_.field("checkTimes", step.check_times);
      if (step.half_queue_offset) json_.field("halfQueueOffset", *step.half_queue_offset);
      end_line(json_);
      output_.line(json_.text(), false);
    }
    json_.clear();
    begin_line(json_, "trace");
    json_.field("trace", life.id);
    if (life.uniq_key) json_.field("uniqKey", *life.uniq_key);
    json_.field("offsetMsgId", life.message_id);
    json_.field("topic", life.topic);
    if (!life.keys.empty()) json_.field("keys", life.keys);
    if (!life.tags.empty()) json_.field("tags", life.tags);
    json_.field("steps", static_cast<std::int64_t>(life.steps.size()));
    json_.field("state", to_string(state.kind));
    if (state.transaction != TransactionState::none) json_.field("transaction", to_string(state.transaction));
    if (state.waiting) {
      json_.key("waiting");
      json_.begin_object();
      json_.field("topic", state.waiting->real_topic);
      json_.field("queueId", state.waiting->real_queue_id);
      if (state.waiting->level > 0) json_.field("level", state.waiting->level);
      if (state.waiting->due) json_.field("due", *state.waiting->due);
      json_.end_object();
    }
    json_.key("groups");
    json_.begin_array();
    for (const GroupState& group : state.groups) {
      json_.begin_object();
      json_.field("group", group.group);
      json_.field("retries", group.retries);
      json_.field("deadLetter", group.dead_letter);
      if (group.popped) json_.field("acked", group.acked);
      if (group.invisible_until) json_.field("invisibleUntil", *group.invisible_until);
      if (group.offset) {
        json_.field("offset", *group.offset);
        json_.field("passed", group.passed);
      }
      json_.end_object();
    }
    json_.end_array();
    json_.field("text", state_text(life, state, time_));
    end_line(json_);
    output_.line(json_.text());
  }

  void print_text(const TraceLife& life, const TraceState& state) {
    std::string text;
    append_visible(text, life.id);
    text += "  ";
    append_visible(text, life.topic);
    for (const auto& [what, value] : {std::pair{"tags ", &life.tags}, std::pair{"keys ", &life.keys}}) {
      if (value->empty()) continue;
      text += std::string(", ") + what;
      append_visible(text, *value);
    }
    text += '\n';
    for (const TraceStep& step : life.steps) {
      text += "  ";
      time_.append(text, step.store_timestamp);
      fmt::format_to(std::back_inserter(text), "  {:<10}  ", to_string(step.kind));
      append_visible(text, step.topic);
      fmt::format_to(std::back_inserter(text), " {}/{}", step.queue_id, step.queue_offset);
      if (step.phy_offset >= 0) fmt::format_to(std::back_inserter(text), " at {}", step.phy_offset);
      details(text, step);
      text += '\n';
    }
    text += "  now: ";
    append_visible(text, state_text(life, state, time_));
    text += "\n\n";
    output_.line(text);
  }

  void details(std::string& text, const TraceStep& step) {
    const auto out = std::back_inserter(text);
    switch (step.kind) {
      case TraceStepKind::decided:
        fmt::format_to(out, ": half message {} is decided", step.half_queue_offset.value_or(-1));
        break;
      case TraceStepKind::checked: fmt::format_to(out, ": check {}", step.check_times); break;
      case TraceStepKind::delayed:
      case TraceStepKind::timed:
        text += step.level > 0 ? fmt::format(": level {} until ", step.level) : ": until ";
        if (step.due) time_.append(text, *step.due);
        text += ", for ";
        append_visible(text, step.real_topic);
        fmt::format_to(out, " {}", step.real_queue_id);
        if (step.reconsume_times > 0) fmt::format_to(out, ", retry {}", step.reconsume_times);
        break;
      case TraceStepKind::retry: fmt::format_to(out, ": retry {}", step.reconsume_times); break;
      case TraceStepKind::popped:
      case TraceStepKind::pop_due:
      case TraceStepKind::acked:
      case TraceStepKind::ack_due:
        text += ": by ";
        append_visible(text, step.group);
        if (step.due) text += ", hidden until " + time_.text(*step.due);
        break;
      default: break;
    }
  }

  const DumpInput& input_;
  const DumpOptions& options_;
  DumpSummary& summary_;
  const RecordFilter unlimited_;  // the limit is one of messages, and theirs is the walk
  LineOutput output_;
  TimeText time_;
  DumpQueueTable queues_;
  ConsumerProgress progress_;
  json::JsonLine json_;
};

}  // namespace

Result<DumpSummary> dump_trace(const DumpInput& input, const DumpOptions& options, ByteSink& out) {
  DumpSummary summary;
  if (const auto done = TraceDump(input, options, summary, out).run(); !done) return done.error();
  return summary;
}

}  // namespace rmq::forensics
