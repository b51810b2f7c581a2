#include "libstore/forensics/log_volume.h"

#include <algorithm>
#include <mutex>

#include "libstore/base/parallel.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::forensics {
namespace {

constexpr std::size_t kRowsLimit = 100'000;
constexpr std::int64_t kQuarterMs = 15 * 60 * 1000;  // zones change their offset on quarters of an hour

// The name of the span that a time lies in.
class SpanOf {
 public:
  SpanOf(bool utc, TimeSpan span) : time_(utc), length_(span == TimeSpan::day ? 10 : 13) {}
  const std::string& operator()(std::int64_t ms) {
    if (ms / kQuarterMs != quarter_ || name_.empty()) {
      quarter_ = ms / kQuarterMs;
      name_ = time_.text(ms);
      name_.resize(std::min(name_.size(), length_));
    }
    return name_;
  }

 private:
  TimeText time_;
  std::size_t length_;
  std::int64_t quarter_ = 0;
  std::string name_;
};

class Measure {
 public:
  Measure(const DumpInput& input, bool utc, TimeSpan span) : input_(input), utc_(utc), span_(span) {
    volume_.files.resize(input.survey.commit_log.files.size());
  }

  void count(std::size_t number) {
    const scan::MappedFile& file = input_.survey.commit_log.files[number];
    const auto opened = input_.files.open(file.path);
    if (!opened) return fault(opened.error().message());
    scan::CommitLogWalker::Options options;
    options.records_start = scan::records_start(**opened, file.start).value_or(file.start);
    options.file_size = input_.survey.commit_log.file_size;
    options.dledger = input_.survey.commit_log_is_dledger;
    scan::CommitLogWalker walker(**opened, options);
    FileVolume& counted = volume_.files[number];
    SpanOf span(utc_, span_);
    std::int64_t walked = 0;
    while (const scan::LogItem* item = walker.next()) {
      const std::int64_t end = item->position + item->length;
      if (item->kind == scan::LogItemKind::record) {
        add(counted, span, item->message);
        counted.used = end;
      } else if (item->kind == scan::LogItemKind::gap) {
        counted.gap_bytes += item->length;
        counted.used = end;
        if (item->look == scan::GapLook::unreadable) fault("could not read all of " + file.shown);
      }
      input_.observer.advance(end - walked);
      walked = end;
      if (input_.observer.cancelled()) break;
    }
    const std::lock_guard lock(mutex_);
    volume_.bytes_checked += walked;
  }

  [[nodiscard]] LogVolume take() { return std::move(volume_); }

 private:
  static void add(FileVolume& counted, SpanOf& span, const format::MessageView& message) {
    std::pair<std::string, std::string> key{span(message.store_timestamp), message.topic};
    auto row = counted.rows.find(key);
    if (row == counted.rows.end()) {
      if (counted.rows.size() >= kRowsLimit) key.second = kMoreTopics;
      row = counted.rows.try_emplace(std::move(key)).first;
    }
    const Volume one{1, message.total_size};
    row->second.add(one);
    counted.all.add(one);
    counted.first_ms = std::min(counted.first_ms, message.store_timestamp);
    counted.last_ms = std::max(counted.last_ms, message.store_timestamp);
  }

  void fault(std::string text) {
    const std::lock_guard lock(mutex_);
    volume_.faults.push_back(std::move(text));
  }

  const DumpInput& input_;
  bool utc_;
  TimeSpan span_;
  LogVolume volume_;
  std::mutex mutex_;
};

}  // namespace

LogVolume measure_log(const DumpInput& input, std::size_t jobs, bool utc, TimeSpan span) {
  Measure measure(input, utc, span);
  parallel_for(
      jobs, input.survey.commit_log.files.size(), [&input] { return input.observer.cancelled(); },
      [&measure](std::size_t, std::size_t file) { measure.count(file); });
  return measure.take();
}

}  // namespace rmq::forensics
