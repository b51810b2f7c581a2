#include "libstore/forensics/dump_parts.h"

#include <fmt/format.h>

#include <iterator>

#include "libstore/base/saturate.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/timer_files.h"
#include "libstore/format/epoch_checkpoint.h"
#include "libstore/format/timer_metrics.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kSmallFile = 64 << 20;

}  // namespace

void PartsDump::state() {
  timer();
  epochs();
}

void PartsDump::timer() {
  const TimerFiles timer = find_timer_files(input_.survey);
  if (!timer.any()) return;
  const auto bytes = timer.checkpoint ? read(*timer.checkpoint) : std::nullopt;
  const auto checkpoint = format::TimerCheckpoint::read(bytes ? std::span<const std::byte>(*bytes)
                                                              : std::span<const std::byte>());
  const TimerProgress waiting = forensics::timer_progress(input_.files, input_.survey, timer, checkpoint);
  if (timer.wheel) {
    summary_.bytes_expected += timer.wheel->size;
    summary_.bytes_checked += waiting.bytes_read;
  }
  if (to_json_) {
    begin("timer");
    json_.field("wheelSize", timer.wheel ? timer.wheel->size : 0);
    json_.field("precisionMs", waiting.precision);
    json_.field("slotsWaiting", waiting.slots);
    json_.field("messagesWaiting", waiting.messages);
    json_.field("firstDue", waiting.first_due);
    json_.field("lastDue", waiting.last_due);
    json_.field("logFiles", timer.log.files.size());
    json_.field("logFileSize", timer.log.file_size);
    json_.field("logMinOffset", timer.log.begin());
    if (bytes) {
      json_.field("lastReadTimeMs", checkpoint.last_read_time);
      json_.field("lastTimerLogFlushPos", checkpoint.last_log_flush_position);
      json_.field("lastTimerQueueOffset", checkpoint.last_queue_offset);
      json_.field("masterTimerQueueOffset", checkpoint.master_queue_offset);
    }
    return end();
  }
  std::string text =
      fmt::format("timer          {} waiting in {} slots, {} log files of {}\n", waiting.messages,
                  waiting.slots, timer.log.files.size(), size_text(timer.log.file_size));
  if (waiting.slots > 0) {
    text += "               due from " + time_.text(waiting.first_due) + " to " +
            time_.text(waiting.last_due) + '\n';
  }
  if (bytes) {
    text += "               delivered up to " + time_.text(checkpoint.last_read_time) +
            fmt::format(", queue offset {}, log flushed to {}\n", checkpoint.last_queue_offset,
                        checkpoint.last_log_flush_position);
  }
  output_.line(text);
}

void PartsDump::epochs() {
  for (const scan::OtherFile& other : input_.survey.others) {
    if (other.part != scan::OtherPart::epoch) continue;
    const auto bytes = read(other);
    if (!bytes) continue;
    const auto epochs = format::EpochCheckpoint::parse(as_text(*bytes));
    if (to_json_) {
      begin("epochs");
      json_.field("file", other.shown);
      json_.field("good", epochs.has_value());
      if (epochs) {
        json_.key("epochs");
        json_.begin_array();
        for (const format::EpochEntry& entry : epochs->entries) {
          json_.begin_object();
          json_.field("epoch", entry.epoch);
          json_.field("startOffset", entry.start);
          json_.end_object();
        }
        json_.end_array();
      }
      end();
      continue;
    }
    std::string text = "epochs         ";
    append_visible(text, other.shown);
    if (!epochs) {
      text += fmt::format("  not good: {}\n", to_string(epochs.error().fault));
    } else {
      for (const format::EpochEntry& entry : epochs->entries) {
        fmt::format_to(std::back_inserter(text), "{} {} from {}",
                       &entry == &epochs->entries.front() ? " " : ",", entry.epoch, entry.start);
      }
      text += '\n';
    }
    output_.line(text);
  }
}

void PartsDump::timer_progress(DumpQueueTable& queues) {
  const TimerFiles timer = find_timer_files(input_.survey);
  const auto bytes = timer.checkpoint ? read(*timer.checkpoint) : std::nullopt;
  if (!bytes) return;
  const auto checkpoint = format::TimerCheckpoint::read(*bytes);
  const auto queue = queues.find(kTimerTopic, 0);
  const auto bounds = queue ? std::optional(queues.bounds(*queue)) : std::nullopt;
  if (to_json_) {
    begin("timerProgress");
    json_.field("lastReadTimeMs", checkpoint.last_read_time);
    json_.field("offset", checkpoint.last_queue_offset);
    if (bounds) {
      json_.field("minOffset", bounds->min_offset);
      json_.field("maxOffset", bounds->max_offset);
      json_.field("lag", saturated_sub(bounds->max_offset, checkpoint.last_queue_offset));
    }
    return end();
  }
  std::string text = "timercheck     delivered up to " + time_.text(checkpoint.last_read_time) +
                     fmt::format(", offset {}", checkpoint.last_queue_offset);
  if (bounds) {
    text +=
        fmt::format("  lag {} of {} to {}", saturated_sub(bounds->max_offset, checkpoint.last_queue_offset),
                    bounds->min_offset, bounds->max_offset);
  }
  output_.line(text + '\n');
}

void PartsDump::timer_metrics(const json::Value& value) {
  const auto metrics = format::read_timer_metrics(value);
  if (!metrics) {
    summary_.found = false;
    summary_.notes.push_back("timermetrics does not hold what it should: " + metrics.error().message());
    return;
  }
  for (const format::TimerMetric& metric : *metrics) {
    if (to_json_) {
      begin("timerMetric");
      json_.field("topic", metric.topic);
      json_.field("count", metric.count);
      json_.field("timeStamp", metric.timestamp);
      end();
      continue;
    }
    std::string text = "    ";
    append_visible(text, metric.topic);
    output_.line(text + fmt::format("  {} waiting\n", metric.count));
  }
}

std::optional<std::vector<std::byte>> PartsDump::read(const scan::StoreFile& file) {
  summary_.bytes_expected += file.size;
  auto bytes = io::read_all(input_.files, file.path, kSmallFile);
  if (!bytes) {
    summary_.faults.push_back(bytes.error().message());
    return std::nullopt;
  }
  summary_.bytes_checked += static_cast<std::int64_t>(bytes->size());
  return *std::move(bytes);
}

void PartsDump::begin(std::string_view kind) { begin_line(json_, kind); }

void PartsDump::end() {
  end_line(json_);
  output_.line(json_.text());
  json_.clear();
}

}  // namespace rmq::forensics
