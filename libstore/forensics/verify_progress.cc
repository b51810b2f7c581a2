// How far consumers, delay levels and transactions are, against what queues and log hold. Above benign is
// only what makes a consumer miss messages, or get them again.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "libstore/base/saturate.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/consumer_progress.h"
#include "libstore/forensics/dump_queue_table.h"
#include "libstore/forensics/dump_record.h"
#include "libstore/forensics/system_topics.h"
#include "libstore/forensics/transaction_progress.h"
#include "libstore/forensics/verify_context.h"
#include "libstore/format/pop_record.h"
#include "libstore/format/tags_code.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kManyFindings = 1000;
// A level's thread looks every 100 ms; a broker under load is seconds late.
constexpr std::int64_t kLateMs = 60'000;
constexpr std::int64_t kMostPopRecords = 1'000'000;

class ProgressJudge {
 public:
  explicit ProgressJudge(VerifyContext& context)
      : context_(context),
        queues_(context.files, context.survey),
        records_(context.files, context.survey),
        progress_(read_consumer_progress(context.files, context.survey)) {
    for (const LogFileReport* report : context.log->files())
      newest_ = std::max(newest_, report->max_store_timestamp);
  }

  void run() {
    consumers();
    delays();
    if (!context_.cancelled()) transactions();
    if (!context_.cancelled()) pops();
  }

 private:
  [[nodiscard]] std::string state_file(format::ConfigFileKind kind) const {
    const std::string name(format::config_file(kind).name);
    for (const scan::StoreFile& file : context_.survey.config_files) {
      if (file.name == name || file.name == name + ".bak") return file.shown;
    }
    return name;
  }

  // Whether something above benign is known of the queue: what its state then seems to say is a consequence.
  [[nodiscard]] bool is_damaged(std::string_view topic, std::int32_t queue_id) const {
    return std::ranges::any_of(context_.findings, [&](const Finding& finding) {
      if (finding.severity == Severity::benign) return false;
      return (finding.topic == topic && finding.queue_id == queue_id) || finding.code == "CQ-MISSING-ALL" ||
             finding.code == "CL-LOST-TAIL" || finding.code == "CL-MISSING" || finding.code == "CL-NAME";
    });
  }

  Finding& add(std::string_view code, Severity severity, std::string file, std::string_view topic,
               std::int32_t queue_id, std::int64_t queue_offset, std::string message) {
    Finding& finding = context_.add(code, severity, std::move(file), 0, 0, std::move(message));
    finding.topic = topic;
    finding.queue_id = queue_id;
    finding.queue_offset = queue_offset;
    return finding;
  }

  void consumers() {
    if (!progress_.offsets) return;
    const std::string file = state_file(format::ConfigFileKind::consumer_offsets);
    std::map<std::string, std::int64_t>
        strangers;  // groups that nobody lists, and how many offsets they have
    std::set<std::pair<std::string, std::string>> no_topic;
    for (const format::ConsumerOffset& offset : *progress_.offsets) {
      if (progress_.groups && !std::ranges::binary_search(*progress_.groups, offset.group) &&
          !offset.group.starts_with("CID_RMQ_SYS_"))
        ++strangers[offset.group];
      const auto queue = queues_.find(offset.topic, offset.queue_id);
      if (!queue) {
        const bool known = !progress_.topics || std::ranges::binary_search(*progress_.topics, offset.topic) ||
                           context_.queues->has_topic(offset.topic);
        if (!known && offset.offset > 0) no_topic.emplace(offset.topic, offset.group);
        continue;
      }
      judge(offset, queues_.bounds(*queue), file);
    }
    for (const auto& [code, severity, count] : {std::tuple("CF-OFFSET-BEYOND", Severity::degraded, beyond_),
                                                std::tuple("CF-OFFSET-BELOW", Severity::benign, below_)}) {
      if (count > kManyFindings)
        context_.add(code, severity, file, 0, 0,
                     fmt::format("{} more like those named are left out", count - kManyFindings));
    }
    for (const auto& [topic, group] : no_topic) {
      add("CF-OFFSET-TOPIC", Severity::benign, file, topic, -1, -1,
          fmt::format("{} has offsets in {}, which is no topic of this store", group, topic));
    }
    for (const auto& [group, count] : strangers) {
      context_.add("CF-OFFSET-GROUP", Severity::benign, file, 0, 0,
                   fmt::format("{} has {}, but subscriptionGroup.json does not list it", group,
                               counted(count, "offset", "offsets")));
    }
  }

  void judge(const format::ConsumerOffset& offset, const QueueBounds& bounds, const std::string& file) {
    if (offset.offset > bounds.max_offset) {
      if (context_.options.running || !may_tell(beyond_)) return;
      const bool consequence = is_damaged(offset.topic, offset.queue_id);
      const std::int64_t ahead = saturated_sub(offset.offset, bounds.max_offset);
      add("CF-OFFSET-BEYOND", consequence ? Severity::benign : Severity::degraded, file, offset.topic,
          offset.queue_id, offset.offset,
          fmt::format("{} reads on at {}, and the queue ends at {}: {}", offset.group, offset.offset,
                      bounds.max_offset,
                      consequence ? "a consequence of what else is wrong with it"
                                  : fmt::format("the next {} could be passed over, or a client starts again",
                                                counted(ahead, "message", "messages"))));
    } else if (offset.offset < bounds.min_offset && bounds.max_offset > 0 && may_tell(below_)) {
      const std::int64_t expired = saturated_sub(bounds.min_offset, std::max<std::int64_t>(offset.offset, 0));
      add("CF-OFFSET-BELOW", Severity::benign, file, offset.topic, offset.queue_id, offset.offset,
          fmt::format("{} reads on at {}, and the queue begins at {}: {} expired unread", offset.group,
                      offset.offset, bounds.min_offset, counted(expired, "message has", "messages have")));
    }
  }

  // Of one kind there may be as many as there are groups and queues.
  static bool may_tell(std::int64_t& count) { return ++count <= kManyFindings; }

  void delays() {
    std::optional<std::int32_t> levels;
    const std::string& given = context_.survey.config.message_delay_level;
    if (given.empty()) {
      levels = format::DelayLevels().max_level();
    } else if (const auto parsed = format::DelayLevels::parse(given)) {
      levels = parsed->max_level();
    }
    const std::string file = state_file(format::ConfigFileKind::delay_offsets);
    std::int64_t waiting = 0;
    for (std::size_t i = 0; i < queues_.size(); ++i) {
      if (queues_.queue(i).topic != format::kScheduleTopic) continue;
      const std::int32_t queue_id = queues_.queue(i).queue_id;
      const QueueBounds bounds = queues_.bounds(i);
      const std::int32_t level =
          queue_id < std::numeric_limits<std::int32_t>::max() ? queue_id + 1 : queue_id;
      const std::int64_t next = delivered_to(level, bounds);
      waiting += bounds.max_offset - next;
      if (levels && level > *levels && next < bounds.max_offset) {
        add("CF-DELAY-LEVEL", Severity::hidden, file, format::kScheduleTopic, queue_id, next,
            fmt::format("{} on delay level {}, and messageDelayLevel{} has {}: nothing delivers them",
                        counted(bounds.max_offset - next, "message waits", "messages wait"), level,
                        given.empty() ? " (stock's; --broker-conf tells another)" : "", *levels));
      } else if (next < bounds.max_offset) {
        overdue(i, level, next, bounds, file);
      }
    }
    if (!progress_.delays) return lost_delays(file, waiting);
    for (const format::DelayOffset& delay : *progress_.delays) {
      const auto queue = queues_.find(format::kScheduleTopic, saturated_id(delay.level));
      if (!queue) continue;
      const QueueBounds bounds = queues_.bounds(*queue);
      if (delay.offset <= bounds.max_offset && delay.offset >= bounds.min_offset) continue;
      if (delay.offset > bounds.max_offset && context_.options.running) continue;
      const bool beyond = delay.offset > bounds.max_offset;
      add(beyond ? "CF-DELAY-BEYOND" : "CF-DELAY-BELOW", Severity::benign, file, format::kScheduleTopic,
          queues_.queue(*queue).queue_id, delay.offset,
          fmt::format(
              "delay level {} delivers on at {}, and its queue {} {}: a broker sets it there when it starts",
              delay.level, delay.offset, beyond ? "ends at" : "begins at",
              beyond ? bounds.max_offset : bounds.min_offset));
    }
  }

  static std::int32_t saturated_id(std::int32_t level) {
    return level > std::numeric_limits<std::int32_t>::min() ? level - 1 : level;
  }

  [[nodiscard]] std::int64_t delivered_to(std::int32_t level, const QueueBounds& bounds) const {
    std::int64_t next = 0;
    if (progress_.delays) {
      for (const format::DelayOffset& delay : *progress_.delays)
        next = delay.level == level ? delay.offset : next;
    }
    return std::clamp(next, bounds.min_offset, bounds.max_offset);
  }

  void overdue(std::size_t queue, std::int32_t level, std::int64_t next, const QueueBounds& bounds,
               const std::string& file) {
    const auto unit = queues_.unit(queue, next);
    if (!unit || unit->tags_code <= 0 || saturated_sub(newest_, unit->tags_code) < kLateMs) return;
    add("CF-DELAY-LATE", Severity::benign, file, format::kScheduleTopic, queues_.queue(queue).queue_id, next,
        fmt::format("{} on delay level {}, the first was due {} s before the log's newest message",
                    counted(bounds.max_offset - next, "message waits", "messages wait"), level,
                    saturated_sub(newest_, unit->tags_code) / 1000));
  }

  // Without offsets every level starts at 0. Stores of no broker have no state files at all, and a broker that
  // runs writes them every ten seconds only.
  void lost_delays(const std::string& file, std::int64_t waiting) {
    const bool there = std::ranges::any_of(context_.survey.config_files, [](const scan::StoreFile& one) {
      return one.name.starts_with(format::config_file(format::ConfigFileKind::delay_offsets).name);
    });
    if (there || waiting == 0 || !progress_.topics || context_.options.running) return;
    add("CF-DELAY-LOST", Severity::degraded, file, format::kScheduleTopic, -1, -1,
        fmt::format("missing, with its .bak: a broker delivers all {} in {} again",
                    counted(waiting, "message", "messages"), format::kScheduleTopic));
  }

  void transactions() {
    for (const TransactionProgress& queue : read_transaction_progress(
             context_.files, context_.survey, queues_, progress_, context_.options.cancelled)) {
      if (queue.pending > 0) {
        std::string age;
        if (queue.first_pending_time && newest_ > *queue.first_pending_time)
          age = fmt::format(", the oldest stored {} s before the log's newest message",
                            saturated_sub(newest_, *queue.first_pending_time) / 1000);
        add("TX-PENDING", Severity::benign, "", kHalfTopic, queue.queue_id, queue.first_pending,
            fmt::format("{} neither committed nor rolled back yet{}{}",
                        counted(queue.pending, "half message is", "half messages are"), age,
                        queue.is_cut ? "; more were not looked at" : ""));
      }
      if (queue.orphans > 0 && !context_.options.running) {
        const bool consequence = is_damaged(kHalfTopic, queue.queue_id);
        add("TX-ORPHAN-OP", consequence ? Severity::benign : Severity::degraded, "", kOpHalfTopic,
            queue.queue_id, queue.orphan_op_offset,
            fmt::format(
                "{} behind the end of the half queue ({}), the first {}: {}",
                counted(queue.orphans, "decision names a half message", "decisions name half messages"),
                queue.max_offset, queue.first_orphan,
                consequence
                    ? "a consequence of what else is wrong with it"
                    : "half messages that get these offsets count as decided, and are never checked"));
      }
    }
  }

  // Check points that have not been revived yet and are not acknowledged, and such as name messages that are
  // not there.
  void pops() {
    for (std::size_t i = 0; i < queues_.size(); ++i) {
      const scan::Queue& queue = queues_.queue(i);
      if (queue.topic.starts_with(kReviveTopicPrefix)) revive_queue(i, queue);
    }
  }

  void revive_queue(std::size_t index, const scan::Queue& queue) {
    using Popped = std::tuple<std::string, std::int32_t, std::int64_t, std::string, std::int64_t>;
    const QueueBounds bounds = queues_.bounds(index);
    const auto revived = progress_.offset_of(kReviveGroup, queue.topic, queue.queue_id);
    const std::int64_t from = std::clamp(revived.value_or(0), bounds.min_offset, bounds.max_offset);
    const std::int64_t end = std::min(bounds.max_offset, from + kMostPopRecords);
    std::set<Popped> hidden;
    std::int64_t nowhere = 0;
    for (std::int64_t offset = from; offset < end && !context_.cancelled(); ++offset) {
      const auto unit = queues_.unit(index, offset);
      const auto record = unit ? records_.read(unit->commit_log_offset) : std::nullopt;
      if (!record) continue;
      const auto tag = format::find_property(record->message.properties, format::kPropertyTags);
      if (!tag || !format::is_pop_tag(*tag)) continue;
      const auto pop = format::parse_pop_record(*tag, as_text(record->message.body));
      if (!pop) continue;
      const auto popped = queues_.find(pop->topic, pop->queue_id);
      const std::int64_t queue_end = popped ? queues_.bounds(*popped).max_offset : 0;
      for (std::size_t i = 0; i < pop->offsets.size(); ++i) {
        Popped one(pop->topic, pop->queue_id, pop->offsets[i], pop->group, pop->pop_time);
        if (!pop->is_check_point) {
          hidden.erase(one);
        } else if (pop->offsets[i] >= queue_end) {
          ++nowhere;
        } else if (!pop->is_acked(i) && std::ssize(hidden) < kMostPopRecords) {
          hidden.insert(std::move(one));
        }
      }
    }
    if (!hidden.empty()) {
      add("PO-UNACKED", Severity::benign, "", queue.topic, queue.queue_id, from,
          fmt::format("{} popped and not acknowledged in what is to be revived from here on",
                      counted(std::ssize(hidden), "message is", "messages are")));
    }
    if (nowhere > 0) {
      add("PO-ORPHAN", Severity::benign, "", queue.topic, queue.queue_id, from,
          fmt::format("check points name {} no queue has: nothing comes of them",
                      counted(nowhere, "message that", "messages that")));
    }
  }

  VerifyContext& context_;
  DumpQueueTable queues_;
  RecordReader records_;
  ConsumerProgress progress_;
  std::int64_t newest_ = 0;  // store time in the log
  std::int64_t beyond_ = 0;  // consumers, told and untold
  std::int64_t below_ = 0;
};

}  // namespace

void verify_progress(VerifyContext& context) {
  if (context.log && context.queues) ProgressJudge(context).run();
}

}  // namespace rmq::forensics
