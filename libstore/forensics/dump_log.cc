// rmq-dump log: a reader cuts the log into batches, workers turn batches into lines, and the caller's thread
// hands the lines out in the log's order. The number of batches bounds the memory.
#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/dump_log_reader.h"
#include "libstore/forensics/dump_output.h"
#include "libstore/forensics/dump_stats.h"
#include "libstore/forensics/dump_text.h"

namespace rmq::forensics {
namespace {

// Rough upper bound of what a batch holds: records, their lines, growth.
constexpr std::int64_t kBatchMemory = 4 << 20;
constexpr std::int32_t kJobsLimit = 256;

// Turns batches into lines. One for each worker.
class LogFormatter {
 public:
  LogFormatter(const DumpInput& input, const DumpOptions& options, DumpQueueTable* queues,
               RecordSelector selector)
      : input_(input),
        options_(options),
        selector_(std::move(selector)),
        selects_(options.filter.selects_records()),
        json_(options, queues),
        text_(options, queues),
        stats_(options.stats) {}

  void format(LogBatch& batch) {
    for (const LogBatch::Item& item : batch.items) {
      if (item.is_record) {
        record(batch, item);
      } else {
        gap(batch, item.gap);
      }
    }
  }
  void merge_stats(const LogFormatter& other) { stats_.merge(other.stats_); }
  [[nodiscard]] const StatsTable& stats() const { return stats_; }

 private:
  void record(LogBatch& batch, const LogBatch::Item& item) {
    DumpRecord record;
    record.bytes = std::span<const std::byte>(batch.bytes).subspan(item.at, item.size);
    const auto message = format::MessageView::parse(record.bytes);
    if (!message) return;  // the walker parsed these very bytes
    record.message = *message;
    if (selects_ && !selector_.selects(record.message)) return;
    if (options_.stats != StatsGroup::none) {
      stats_.add(record.message);
      return;
    }
    record.phy_offset = item.phy_offset;
    record.file = input_.survey.commit_log.files[item.file].name;
    record.duplicate_of = item.duplicate_of;
    record.dledger = item.dledger;
    if (options_.format == OutputFormat::json) {
      json_.line(batch.json, record);
    } else {
      text_.line(batch.text, record);
    }
    batch.lines.push_back({batch.output().size(), true});
  }

  void gap(LogBatch& batch, const DumpGap& gap) {
    if (options_.format == OutputFormat::json) {
      gap_line(batch.json, gap);
    } else {
      text_.gap(batch.text, gap);
    }
    batch.lines.push_back({batch.output().size(), false});
  }

  const DumpInput& input_;
  const DumpOptions& options_;
  RecordSelector selector_;
  bool selects_;
  RecordJson json_;
  RecordText text_;
  StatsTable stats_;
};

class LogPipeline {
 public:
  LogPipeline(LogReader& reader, std::vector<LogFormatter>& formatters, LineOutput& output,
              std::size_t batches)
      : reader_(reader), formatters_(formatters), output_(output) {
    for (std::size_t i = 0; i < batches; ++i) free_.push_back(std::make_unique<LogBatch>());
  }

  // False: stopped before the end, because nothing more was wanted.
  bool run() {
    std::vector<std::jthread> threads;
    threads.emplace_back([this] { read(); });
    for (LogFormatter& formatter : formatters_)
      threads.emplace_back([this, &formatter] { format(formatter); });
    for (std::int64_t next = 0; auto batch = take_done(next); ++next) {
      if (!output_.block(batch->output(), batch->lines)) {
        stop();
        return false;
      }
      give_back(std::move(batch));
    }
    return true;
  }

 private:
  void read() {
    std::int64_t sequence = 0;
    while (true) {
      std::unique_ptr<LogBatch> batch;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopped_ || !free_.empty(); });
        if (stopped_) return;
        batch = std::move(free_.back());
        free_.pop_back();
      }
      const bool more = reader_.fill(*batch);
      batch->sequence = sequence++;
      const std::lock_guard lock(mutex_);
      if (more) {
        todo_.push_back(std::move(batch));
      } else {
        total_ = sequence - 1;
      }
      changed_.notify_all();
      if (!more) return;
    }
  }

  void format(LogFormatter& formatter) {
    while (true) {
      std::unique_ptr<LogBatch> batch;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopped_ || !todo_.empty() || total_; });
        if (stopped_ || todo_.empty()) return;
        batch = std::move(todo_.front());
        todo_.pop_front();
      }
      formatter.format(*batch);
      const std::lock_guard lock(mutex_);
      const std::int64_t sequence = batch->sequence;
      done_.emplace(sequence, std::move(batch));
      changed_.notify_all();
    }
  }

  std::unique_ptr<LogBatch> take_done(std::int64_t sequence) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_.contains(sequence) || (total_ && sequence >= *total_); });
    auto node = done_.extract(sequence);
    return node.empty() ? nullptr : std::move(node.mapped());
  }

  void give_back(std::unique_ptr<LogBatch> batch) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(batch));
    changed_.notify_all();
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

  LogReader& reader_;
  std::vector<LogFormatter>& formatters_;
  LineOutput& output_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<LogBatch>> free_;
  std::deque<std::unique_ptr<LogBatch>> todo_;
  std::map<std::int64_t, std::unique_ptr<LogBatch>> done_;
  std::optional<std::int64_t> total_;  // how many batches there are, once it is known
  bool stopped_ = false;
};

bool run_alone(LogReader& reader, LogFormatter& formatter, LineOutput& output) {
  LogBatch batch;
  while (reader.fill(batch)) {
    formatter.format(batch);
    if (!output.block(batch.output(), batch.lines)) return false;
  }
  return true;
}

}  // namespace

Result<DumpSummary> dump_log(const DumpInput& input, const DumpOptions& options, ByteSink& out) {
  DumpSummary summary;
  TopicMatcher topics(options.filter);
  for (const scan::Queue& queue : input.survey.queues) {
    if (topics.matches(queue.topic)) (void)topics.matches_queue(queue.queue_id);
  }
  std::optional<DumpQueueTable> queues;
  if (options.join) {
    if (input.survey.consume_queue_is_rocksdb && input.survey.queues.empty()) {
      summary.notes.emplace_back(
          "there are no consume queues in the store's RocksDB: --join leaves their fields out");
    } else {
      queues.emplace(input.files, input.survey);
    }
  }
  const std::int32_t jobs = std::clamp(options.jobs, 1, kJobsLimit);
  std::vector<LogFormatter> formatters;
  formatters.reserve(static_cast<std::size_t>(jobs));
  for (std::int32_t i = 0; i < jobs; ++i) {
    auto selector = RecordSelector::make(options.filter, topics);
    if (!selector) return std::move(selector).error();
    formatters.emplace_back(input, options, queues ? &*queues : nullptr, *std::move(selector));
  }
  LogReader reader(input, options.filter, summary);
  LineOutput output(options.filter, summary, out);
  const bool counting = options.stats != StatsGroup::none;
  if (!counting && options.format == OutputFormat::text) output.write(RecordText::header());
  const auto batches =
      static_cast<std::size_t>(std::clamp<std::int64_t>(options.memory / kBatchMemory, 2, jobs * 3 + 1));
  const bool complete = jobs == 1 || options.body == BodyForm::file
                            ? run_alone(reader, formatters.front(), output)
                            : LogPipeline(reader, formatters, output, batches).run();
  if (!complete) summary.stopped = true;
  // Before what is still buffered goes out: a wrong name should give a sentence, not an empty table.
  if (!summary.stopped) {
    if (auto error = unmatched_patterns_error(topics, options.strict_names)) return *std::move(error);
  }
  if (counting) {
    for (std::size_t i = 1; i < formatters.size(); ++i) formatters.front().merge_stats(formatters[i]);
    json::JsonLine json;
    std::string text;
    formatters.front().stats().print(options, json, text);
    output.write(options.format == OutputFormat::json ? json.text() : std::string_view(text));
  }
  output.finish();
  // A key or an id names a message, and a message that is not there is more than an empty list.
  const bool named = !options.filter.keys.empty() || !options.filter.message_ids.empty();
  if (named && !counting && !summary.stopped && summary.lines == 0) {
    summary.found = false;
    summary.notes.emplace_back("no record in the log has this key or id");
  }
  if (queues) {
    for (std::string& fault : queues->faults()) summary.faults.push_back(std::move(fault));
  }
  return summary;
}

}  // namespace rmq::forensics
