// rmq-dump cq: the units of every selected queue, between the bounds a consumer sees.
#include <fmt/format.h>

#include <iterator>
#include <limits>

#include "libstore/base/saturate.h"
#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/dump_output.h"
#include "libstore/forensics/dump_text.h"

namespace rmq::forensics {
namespace {

// How often the observer hears of progress, in units.
constexpr std::int64_t kReportEvery = 4096;

class QueueDump {
 public:
  QueueDump(const DumpInput& input, const DumpOptions& options, DumpSummary& summary, ByteSink& out)
      : input_(input),
        options_(without_join(options)),
        join_(options.join),
        summary_(summary),
        output_(options.filter, summary, out),
        queues_(input.files, input.survey),
        records_(input.files, input.survey),
        record_json_(options_, nullptr),
        record_text_(options_, nullptr) {}

  void run(TopicMatcher& topics) {
    if (options_.format == OutputFormat::text) {
      output_.write(fmt::format("{:<32} {:>5} {:>12} {:>16} {:>10}  {}\n", "topic", "queue", "queueOffset",
                                "phyOffset", "size", "tagsCode"));
    }
    for (std::size_t i = 0; i < queues_.size(); ++i) {
      const scan::Queue& queue = queues_.queue(i);
      if (!topics.matches(queue.topic) || !topics.matches_queue(queue.queue_id)) continue;
      if (!dump(i)) break;
    }
    output_.finish();
    if (hidden_ > 0) {
      summary_.notes.push_back(
          fmt::format("{} past the end of the log; --all shows them",
                      hidden_ == 1 ? "1 unit leads" : fmt::format("{} units lead", hidden_)));
    }
    for (std::string& fault : queues_.faults()) summary_.faults.push_back(std::move(fault));
  }

 private:
  // The join is done here, unit by unit; the record printers must not ask the queues again.
  static DumpOptions without_join(const DumpOptions& options) {
    DumpOptions copy = options;
    copy.join = false;
    return copy;
  }

  bool dump(std::size_t index) {
    const scan::Queue& queue = queues_.queue(index);
    const QueueBounds bounds = queues_.bounds(index);
    const bool batch = queue.kind == scan::QueueKind::batch;
    const std::int64_t unit_size =
        batch ? format::kBatchConsumeQueueEntrySize : format::kConsumeQueueEntrySize;
    if (queue.files.files.empty()) return true;
    const std::int64_t first = queue.files.files.front().start;
    std::int64_t position = batch || options_.all ? first : bounds.min_offset * unit_size;
    std::int64_t end = options_.all ? bounds.used_position : bounds.end_position;
    if (!options_.all) hidden_ += (bounds.used_position - bounds.end_position) / unit_size;
    if (!batch && options_.filter.queue_from)
      position = std::max(position, *options_.filter.queue_from * unit_size);
    if (!batch && options_.filter.queue_to) end = std::min(end, *options_.filter.queue_to * unit_size);
    if (end <= position) return true;
    summary_.bytes_expected += end - position;
    input_.observer.expect(end - position);
    std::int64_t reported = position;
    while (position < end) {
      const auto unit = queues_.unit_at(index, position);
      if (!unit) {
        const std::int64_t next = next_file(queue, position, end);
        if (!gap(queue, position / unit_size, next / unit_size)) return false;
        position = next;
        continue;
      }
      position += unit_size;
      summary_.bytes_checked += unit_size;
      if (position - reported >= kReportEvery * unit_size || position >= end) {
        input_.observer.advance(position - reported);
        reported = position;
      }
      if (input_.observer.cancelled()) {
        summary_.stopped = true;
        return false;
      }
      if (selected(*unit) && !print(queue, *unit)) return false;
    }
    return true;
  }

  // Without a log nothing can be said.
  std::int64_t log_end() {
    return input_.survey.commit_log.files.empty() ? std::numeric_limits<std::int64_t>::max()
                                                  : queues_.log_end();
  }

  static std::int64_t next_file(const scan::Queue& queue, std::int64_t position, std::int64_t end) {
    for (const scan::MappedFile& file : queue.files.files) {
      if (file.start > position) return std::min(file.start, end);
    }
    return end;
  }

  [[nodiscard]] bool selected(const QueueUnit& unit) const {
    const RecordFilter& f = options_.filter;
    return (!f.from || unit.commit_log_offset >= *f.from) && (!f.to || unit.commit_log_offset < *f.to) &&
           (!f.queue_from || saturated_add(unit.queue_offset, unit.batch_size) > *f.queue_from) &&
           (!f.queue_to || unit.queue_offset < *f.queue_to);
  }

  bool print(const scan::Queue& queue, const QueueUnit& unit) {
    const bool batch = queue.kind == scan::QueueKind::batch;
    const bool empty = unit.size <= 0;
    const bool dangling =
        !empty && !unit.pre_blank && saturated_add(unit.commit_log_offset, unit.size) > log_end();
    const bool expired = !empty && !unit.pre_blank && unit.commit_log_offset < queues_.log_start();
    std::optional<DumpRecord> record;
    if (join_ && !empty && !unit.pre_blank) record = records_.read(unit.commit_log_offset);
    if (options_.format == OutputFormat::json) {
      json_.clear();
      json_unit(queue, unit, batch);
      if (unit.pre_blank) json_.field("preBlank", true);
      if (dangling) json_.field("dangling", true);
      if (expired) json_.field("expired", true);
      if (empty) json_.field("empty", true);
      if (join_) {
        json_.key("message");
        if (record) {
          json_.begin_object();
          record_json_.fields(json_, *record);
          json_.end_object();
        } else {
          json_.value(nullptr);
        }
      }
      end_line(json_);
      return output_.line(json_.text());
    }
    text_.clear();
    text_unit(queue, unit, batch);
    if (unit.pre_blank) text_ += "  [filler before the first unit]";
    if (dangling) text_ += "  [leads past the end of the log]";
    if (expired) text_ += "  [its message has expired]";
    if (empty) text_ += "  [empty]";
    text_ += '\n';
    if (record) {
      text_ += "    ";
      record_text_.line(text_, *record);
    } else if (join_) {
      text_ += "    no record lies there\n";
    }
    return output_.line(text_);
  }

  void json_unit(const scan::Queue& queue, const QueueUnit& unit, bool batch) {
    begin_line(json_, "cqUnit");
    json_.field("topic", queue.topic);
    json_.field("queueId", queue.queue_id);
    json_.field("queueOffset", unit.queue_offset);
    json_.field("phyOffset", unit.commit_log_offset);
    json_.field("size", unit.size);
    json_.field("tagsCode", unit.tags_code);
    if (unit.stored_tags_code != unit.tags_code) json_.field("tagsCodeStored", unit.stored_tags_code);
    if (batch) {
      json_.field("batchNum", unit.batch_size);
      json_.field("compactedOffset", unit.compacted_offset);
      json_.field("msgStoreTime", unit.store_timestamp);
    }
    if (!unit.ext) return;
    json_.key("ext");
    json_.begin_object();
    json_.field("size", static_cast<std::int32_t>(unit.ext->size));
    json_.field("msgStoreTime", unit.ext->store_timestamp);
    json_.key("bitMap");
    if (unit.ext->bit_map.empty()) {
      json_.value(nullptr);
    } else {
      scratch_.clear();
      append_hex(scratch_, unit.ext->bit_map);
      json_.value(scratch_);
    }
    json_.end_object();
  }

  void text_unit(const scan::Queue& queue, const QueueUnit& unit, bool batch) {
    append_visible(text_, queue.topic);
    constexpr std::size_t kTopicWidth = 32;
    if (text_.size() < kTopicWidth) text_.append(kTopicWidth - text_.size(), ' ');
    fmt::format_to(std::back_inserter(text_), " {:>5} {:>12} {:>16} {:>10}  {}", queue.queue_id,
                   unit.queue_offset, unit.commit_log_offset, unit.size, unit.tags_code);
    if (batch) fmt::format_to(std::back_inserter(text_), "  batch of {}", unit.batch_size);
    if (unit.ext)
      fmt::format_to(std::back_inserter(text_), "  ext at {}", format::ext_offset(unit.stored_tags_code));
  }

  // Units that no file holds, or that could not be read.
  bool gap(const scan::Queue& queue, std::int64_t from, std::int64_t to) {
    ++summary_.gaps;
    summary_.gap_bytes +=
        (to - from) * (queue.kind == scan::QueueKind::batch ? format::kBatchConsumeQueueEntrySize
                                                            : format::kConsumeQueueEntrySize);
    if (options_.format == OutputFormat::json) {
      json_.clear();
      begin_line(json_, "cqGap");
      json_.field("topic", queue.topic);
      json_.field("queueId", queue.queue_id);
      json_.field("fromUnit", from);
      json_.field("toUnit", to);
      json_.field("looksLike", kLooksMissing);
      end_line(json_);
      return output_.line(json_.text(), false);
    }
    text_ = fmt::format("-- no units {} to {} of ", from, to - 1);
    append_visible(text_, queue.topic);
    fmt::format_to(std::back_inserter(text_), " {}: their file is missing, short or unreadable\n",
                   queue.queue_id);
    return output_.line(text_, false);
  }

  const DumpInput& input_;
  const DumpOptions options_;
  const bool join_;
  DumpSummary& summary_;
  LineOutput output_;
  DumpQueueTable queues_;
  RecordReader records_;
  RecordJson record_json_;
  RecordText record_text_;
  std::int64_t hidden_ = 0;  // units past the end of the log
  json::JsonLine json_;
  std::string text_;
  std::string scratch_;
};

}  // namespace

Result<DumpSummary> dump_queues(const DumpInput& input, const DumpOptions& options, ByteSink& out) {
  DumpSummary summary;
  TopicMatcher topics(options.filter);
  for (const scan::Queue& queue : input.survey.queues) {
    if (topics.matches(queue.topic)) (void)topics.matches_queue(queue.queue_id);
  }
  if (auto error = unmatched_patterns_error(topics, options.strict_names)) return *std::move(error);
  QueueDump(input, options, summary, out).run(topics);
  return summary;
}

}  // namespace rmq::forensics
