// derive_speed DIRECTORY [MESSAGES]: how fast consume queues and index files are written, into DIRECTORY
// (which must not be there, and is left for a look). Queues: units put in batches of 64, for 4 queues and for
// 50,000 in turn, with a thread that writes and syncs all the time; then the flush of 50,000 dirty queues,
// and opening them again. Index: one file of stock's size with a key a message, hashes ready and from text.
// Prints one JSON object a line.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "bench/measure.h"
#include "libstore/base/parallel.h"
#include "libstore/derive/index_writer.h"
#include "libstore/derive/queue_writer.h"
#include "libstore/scan/store_survey.h"

namespace {

using rmq::derive::DispatchRequest;
using rmq::bench::Clock;
using rmq::bench::seconds_since;

constexpr std::size_t kBatch = 64;

// Of this thread: what others do on the machine does not count.
double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "{}\n", what);
  std::exit(1);
}

// Messages of `queues` queues in turn, eight a topic.
class Log {
 public:
  explicit Log(std::size_t queues) : next_(queues) {
    for (std::size_t topic = 0; topic * 8 < queues; ++topic)
      topics_.push_back(fmt::format("benchmark-topic-{}", topic));
  }
  void fill(std::vector<DispatchRequest>& batch, std::size_t count) {
    batch.clear();
    for (std::size_t i = 0; i < count; ++i, turn_ = (turn_ + 1) % next_.size()) {
      DispatchRequest request;
      request.topic = topics_[turn_ / 8];
      request.queue_id = static_cast<std::int32_t>(turn_ % 8);
      request.size = 1024;
      request.queue_offset = request.base_offset = next_[turn_]++;
      request.log_offset = end_;
      request.tags_code = 98;
      request.store_timestamp = 1'700'000'000'000 + end_ / (1 << 20);
      end_ += 1024;
      batch.push_back(request);
    }
  }

 private:
  std::vector<std::string> topics_;
  std::vector<std::int64_t> next_;
  std::size_t turn_ = 0;
  std::int64_t end_ = 0;
};

double put(rmq::derive::QueueWriter& queues, Log& log, std::size_t messages) {
  std::vector<DispatchRequest> batch;
  double spent = 0;  // without making up the messages
  for (std::size_t done = 0; done < messages; done += kBatch) {
    log.fill(batch, std::min(kBatch, messages - done));
    const double start = cpu_seconds();
    const auto report = queues.put(batch);
    spent += cpu_seconds() - start;
    if (!report.status) fail(report.status.error().message());
    if (!report.holes.empty() || report.unusable > 0) fail("units were refused");
  }
  return spent;
}

void flush(rmq::derive::QueueWriter& queues, unsigned threads) {
  rmq::parallel_for(threads, threads, {}, [&](std::size_t, std::size_t) {
    const rmq::derive::FlushLimit limit{1 << 20, 64};
    for (bool more = true; more;) {
      const auto written = queues.write_out(limit);
      const auto synced = queues.sync(limit);
      if (!written) fail(written.error().message());
      if (!synced) fail(synced.error().message());
      more = written->files + synced->files > 0;
    }
  });
  if (const auto done = queues.flush(); !done) fail(done.error().message());
}

void run_queues(const std::string& root, std::size_t queue_count, std::size_t messages) {
  rmq::derive::QueueWriterOptions options;
  options.simple_directory = root + "/consumequeue";
  options.batch_directory = root + "/batchconsumequeue";
  options.memory_limit = 256 << 20;
  // Small files: what is measured is the work, not the disk's size.
  if (queue_count > 1000) options.simple_file_size = 16'000;
  rmq::derive::QueueWriter queues(rmq::io::posix_file_system(), options);
  Log log(queue_count);

  // First unit of each: directories and files.
  double spent = put(queues, log, queue_count);
  auto start = Clock::now();
  flush(queues, 8);
  fmt::print(R"({{"what":"create","queues":{},"cpuSecondsPut":{:.3f},"secondsFlush":{:.3f}}})"
             "\n",
             queue_count, spent, seconds_since(start));

  spent = put(queues, log, messages / 4);
  fmt::print(R"({{"what":"put into memory","queues":{},"units":{},"cpuNsAUnit":{:.0f}}})"
             "\n",
             queue_count, messages / 4, spent / static_cast<double>(messages / 4) * 1e9);
  start = Clock::now();
  flush(queues, 8);
  fmt::print(R"({{"what":"flush","queues":{},"units":{},"seconds":{:.3f}}})"
             "\n",
             queue_count, messages / 4, seconds_since(start));

  std::atomic<bool> over{false};
  std::jthread flusher([&] {
    while (!over) {
      const rmq::derive::FlushLimit limit{4 << 20, 256};
      if (!queues.write_out(limit) || !queues.sync(limit)) fail("the flusher failed");
    }
  });
  start = Clock::now();
  spent = put(queues, log, messages);
  const double wall = seconds_since(start);
  over = true;
  flusher.join();
  flush(queues, 8);
  fmt::print(
      R"({{"what":"put beside a flusher","queues":{},"units":{},"cpuNsAUnit":{:.0f},"seconds":{:.3f},"secondsDurable":{:.3f}}})"
      "\n",
      queue_count, messages, spent / static_cast<double>(messages) * 1e9, wall, seconds_since(start));

  rmq::scan::StoreConfig config;
  config.root = root;
  config.consume_queue_file_size = options.simple_file_size;
  const auto survey = rmq::scan::survey_store(rmq::io::posix_file_system(), config);
  if (!survey) fail(survey.error().message());
  start = Clock::now();
  std::vector<std::int64_t> ends(survey->queues.size());
  rmq::parallel_for(2, ends.size(), {}, [&](std::size_t, std::size_t i) {
    const auto tail = rmq::derive::find_queue_tail(rmq::io::posix_file_system(), survey->queues[i], {});
    if (!tail) fail(tail.error().message());
    ends[i] = tail->end;
  });
  std::int64_t units = 0;
  for (const std::int64_t end : ends) units += end;
  if (units != static_cast<std::int64_t>(queue_count + messages / 4 + messages)) fail("units were lost");
  fmt::print(R"({{"what":"find tails","queues":{},"seconds":{:.3f}}})"
             "\n",
             queue_count, seconds_since(start));
}

void run_index(const std::string& root, bool from_text) {
  rmq::derive::IndexWriterOptions options;
  options.directory = root + (from_text ? "/index-text" : "/index");
  options.local_time_ms = [] { return std::int64_t{1'700'000'000'000}; };
  auto opened = rmq::derive::IndexWriter::open(rmq::io::posix_file_system(), options, {});
  if (!opened) fail(opened.error().message());
  rmq::derive::IndexWriter& index = **opened;
  constexpr std::size_t kKeys = 19'999'999;
  constexpr std::size_t kMessages = 256;

  std::vector<std::string> texts(1 << 16);
  for (std::size_t i = 0; i < texts.size(); ++i)
    texts[i] = fmt::format("7F000001{:08X}{:016X}", i * 2654435761U, i);
  rmq::derive::IndexBatch batch;
  double spent = 0;
  std::int64_t log_offset = 0;
  for (std::size_t done = 0; done < kKeys; done += kMessages) {
    std::vector<DispatchRequest> messages(std::min(kMessages, kKeys - done));
    for (DispatchRequest& message : messages) {
      // Every text once in a while with another end: new keys, without the time of printing them.
      std::string& text = texts[static_cast<std::size_t>(log_offset / 1024) % texts.size()];
      if (text.back()++ == 'z') text.back() = '0';
      message.topic = "benchmark-topic";
      message.uniq_key = text;
      message.size = 1024;
      message.log_offset = log_offset;
      message.store_timestamp = 1'700'000'000'000 + log_offset / 1'000'000;
      log_offset += 1024;
    }
    double start = cpu_seconds();
    batch.clear();
    for (const DispatchRequest& message : messages) batch.add(message);
    if (!from_text) start = cpu_seconds();
    const auto report = index.put(batch);
    spent += cpu_seconds() - start;
    if (!report.status) fail(report.status.error().message());
  }
  const auto start = Clock::now();
  if (const auto synced = index.sync(); !synced) fail(synced.error().message());
  fmt::print(R"({{"what":"index {}","keys":{},"millionKeysACpuSecond":{:.1f},"secondsSync":{:.3f}}})"
             "\n",
             from_text ? "from text" : "hashes ready", kKeys, static_cast<double>(kKeys) / spent / 1e6,
             seconds_since(start));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 2 ? argv[2] : "";
  if (argc > 4 || std::filesystem::exists(argv[1]) || (what != "queues" && what != "index"))
    fail("usage: derive_speed NEW_DIRECTORY queues [UNITS] | index");
  const std::string root = argv[1];
  if (what == "index") {
    run_index(root, false);
    run_index(root, true);
    return 0;
  }
  const std::size_t units = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 4'000'000;
  for (const std::size_t queues : {std::size_t{4}, std::size_t{50'000}})
    run_queues(root + "/" + std::to_string(queues), queues, units);
  return 0;
}
