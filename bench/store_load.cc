#include "bench/store_load.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <thread>

#include "bench/measure.h"
#include "libstore/format/message_properties.h"

namespace rmq::bench {
namespace {

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Sample {
  std::int64_t at;    // ns since the load began
  std::int64_t took;  // ns
  bool rolled;        // began a log file
};

Latencies percentiles(std::vector<std::int64_t> took) {
  Latencies found;
  if (took.empty()) return found;
  std::ranges::sort(took);
  const auto at = [&](double part) {
    return took[static_cast<std::size_t>(part * static_cast<double>(took.size() - 1))];
  };
  found.p50 = at(0.5);
  found.p99 = at(0.99);
  found.p999 = at(0.999);
  found.highest = took.back();
  found.samples = std::ssize(took);
  return found;
}

void add_latencies(std::vector<Sample> samples, PutFigures& figures) {
  constexpr std::int64_t kAround = 10'000'000;
  std::ranges::sort(samples, {}, &Sample::at);
  std::vector<std::int64_t> rolls;
  for (const Sample& sample : samples) {
    if (sample.rolled) rolls.push_back(sample.at);
  }
  std::vector<std::int64_t> all;
  std::vector<std::int64_t> near;
  std::vector<std::int64_t> far;
  for (const Sample& sample : samples) {
    const auto next = std::ranges::lower_bound(rolls, sample.at - kAround);
    all.push_back(sample.took);
    (next != rolls.end() && *next <= sample.at + kAround ? near : far).push_back(sample.took);
  }
  figures.all = percentiles(std::move(all));
  figures.around_rolls = percentiles(std::move(near));
  figures.elsewhere = percentiles(std::move(far));
  figures.rolls = std::ssize(rolls);
}

std::string topic_name(std::int32_t number) { return fmt::format("Bench{}", number); }

// The messages of one put at a time; their texts live here.
class MessageMaker {
 public:
  MessageMaker(const PutLoad& load)
      : load_(load), body_(static_cast<std::size_t>(load.body_bytes), std::byte{'x'}) {
    for (std::int32_t topic = 0; topic < load.topics; ++topic) topics_.push_back(topic_name(topic));
    properties_.resize(static_cast<std::size_t>(std::max(load.span, 1)));
    messages_.resize(properties_.size());
  }

  std::span<const format::MessageView> make(std::int64_t from, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t number = from + i;
      format::MessageView& message = messages_[static_cast<std::size_t>(i)];
      std::string& properties = properties_[static_cast<std::size_t>(i)];
      const std::int64_t queue = number % load_.queues;
      message.topic = topics_[static_cast<std::size_t>(queue % load_.topics)];
      message.queue_id = static_cast<std::int32_t>(queue / load_.topics);
      message.body = body_;
      properties.clear();
      if (load_.keys) {
        fmt::format_to(std::back_inserter(properties), "KEYS\x01k{}\x02TAGS\x01TAG1\x02", number);
      } else {
        properties = "TAGS\x01TAG1\x02";
      }
      message.properties = properties;
      message.born_timestamp = 1'700'000'000'000;
      message.born_host = message.store_host = {host_, 10911};
    }
    return std::span(messages_).first(static_cast<std::size_t>(count));
  }

 private:
  const PutLoad& load_;
  std::vector<std::byte> body_;
  std::array<std::byte, 4> host_{std::byte{127}, std::byte{0}, std::byte{0}, std::byte{1}};
  std::vector<std::string> topics_;
  std::vector<std::string> properties_;
  std::vector<format::MessageView> messages_;
};

struct Run {
  Run(engine::MessageStore& to, const PutLoad& what, std::int64_t first)
      : store(to), load(what), next(first), end(first + what.messages), start(Clock::now()) {}

  [[nodiscard]] std::int64_t now() const { return std::chrono::nanoseconds(Clock::now() - start).count(); }
  // The next messages to put: first number and how many.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> take(std::int64_t most) {
    const std::int64_t from = next.fetch_add(most, std::memory_order_relaxed);
    return {from, std::clamp<std::int64_t>(end - from, 0, most)};
  }

  engine::MessageStore& store;
  const PutLoad& load;
  std::atomic<std::int64_t> next;
  std::int64_t end;
  Clock::time_point start;
  std::atomic<std::int64_t> refused{0};
};

std::int64_t refused_of(std::span<const engine::PutResult> results) {
  return std::ranges::count_if(results, [](const engine::PutResult& result) { return !result.ok(); });
}

void put_and_wait(Run& run, std::vector<Sample>& samples) {
  MessageMaker maker(run.load);
  std::vector<engine::PutResult> results(static_cast<std::size_t>(run.load.span));
  const std::int64_t file_size = run.store.report().plan.commit_log_file_size;
  while (true) {
    const auto [from, count] = run.take(run.load.span);
    if (count == 0) return;
    const auto messages = maker.make(from, count);
    const std::span answers = std::span(results).first(messages.size());
    const std::int64_t before = run.now();
    run.store.put(messages, answers);
    const std::int64_t after = run.now();
    run.refused += refused_of(answers);
    const bool rolled = answers.front().log_offset % file_size == 0;
    samples.push_back({before, after - before, rolled});
  }
}

// One submitter; the answers come when the store has them.
void put_with_window(Run& run, std::vector<Sample>& samples) {
  MessageMaker maker(run.load);
  std::atomic<std::int64_t> outstanding{0};
  std::mutex mutex;
  const std::int64_t file_size = run.store.report().plan.commit_log_file_size;
  while (true) {
    std::int64_t open = outstanding.load(std::memory_order_acquire);
    while (open >= run.load.outstanding) {
      outstanding.wait(open, std::memory_order_acquire);
      open = outstanding.load(std::memory_order_acquire);
    }
    const auto [from, count] = run.take(std::min<std::int64_t>(run.load.span, run.load.outstanding - open));
    if (count == 0) break;
    outstanding.fetch_add(count, std::memory_order_relaxed);
    const std::int64_t before = run.now();
    run.store.put_async(maker.make(from, count), [&, before](std::span<const engine::PutResult> answers) {
      const std::int64_t after = run.now();
      run.refused += refused_of(answers);
      const bool rolled = answers.front().log_offset % file_size == 0;
      {
        const std::lock_guard lock(mutex);
        samples.push_back({before, after - before, rolled});
      }
      outstanding.fetch_sub(std::ssize(answers), std::memory_order_release);
      outstanding.notify_one();
    });
  }
  for (std::int64_t open = outstanding.load(); open > 0; open = outstanding.load()) outstanding.wait(open);
}

// A queue's end is told once everything that was put has its queue entry.
void wait_dispatched(engine::MessageStore& store, const PutLoad& load) {
  for (std::int32_t queue = 0; queue < std::min(load.queues, load.topics); ++queue)
    (void)store.get(topic_name(queue), 0, std::numeric_limits<std::int64_t>::max());
}

}  // namespace

PutFigures run_puts(engine::MessageStore& store, const PutLoad& load, std::int64_t from) {
  Run run(store, load, from);
  const std::int64_t log_before = store.log().written();
  const double cpu_before = cpu_seconds();
  std::vector<std::vector<Sample>> samples(
      static_cast<std::size_t>(load.outstanding > 0 ? 1 : load.producers));
  const std::int64_t puts = load.messages / std::max(load.span, 1) / std::ssize(samples) + 1;
  for (auto& of_one : samples) of_one.reserve(static_cast<std::size_t>(puts));
  run.start = Clock::now();
  if (load.outstanding > 0) {
    put_with_window(run, samples.front());
  } else {
    std::vector<std::jthread> producers;
    for (std::size_t i = 1; i < samples.size(); ++i)
      producers.emplace_back([&run, &mine = samples[i]] { put_and_wait(run, mine); });
    put_and_wait(run, samples.front());
  }
  PutFigures figures;
  figures.seconds = seconds_since(run.start);
  wait_dispatched(store, load);
  figures.dispatched_seconds = seconds_since(run.start);
  figures.cpu_seconds = cpu_seconds() - cpu_before;
  figures.messages = load.messages;
  figures.refused = run.refused;
  figures.bytes = store.log().written() - log_before;
  std::vector<Sample> together;
  for (auto& of_one : samples) together.insert(together.end(), of_one.begin(), of_one.end());
  add_latencies(std::move(together), figures);
  return figures;
}

Result<GetFigures> run_gets(engine::MessageStore& store, const PutLoad& load, std::int32_t batch) {
  GetFigures figures;
  const double cpu_before = cpu_seconds();
  const auto start = Clock::now();
  engine::GetOptions options;
  options.max_messages = batch;
  for (std::int32_t queue = 0; queue < load.queues; ++queue) {
    const std::string topic = topic_name(queue % load.topics);
    std::int64_t offset = store.min_offset(topic, queue / load.topics).value_or(0);
    while (true) {
      RMQ_TRY(got, store.get(topic, queue / load.topics, offset, options));
      if (got.messages.empty()) break;
      figures.messages += std::ssize(got.messages);
      figures.bytes += std::ssize(got.bytes);
      offset = got.next_begin_offset;
    }
  }
  figures.seconds = seconds_since(start);
  figures.cpu_seconds = cpu_seconds() - cpu_before;
  return figures;
}

}  // namespace rmq::bench
