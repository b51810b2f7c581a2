// What a broker does again and again, on one thread: persisting, registering, looking for clients that are
// gone. RocketMQ: the ScheduledExecutorServices of BrokerController. Tests have no thread and call run_due().
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "libstore/engine/clock.h"

namespace rmq::broker {

// Any thread may call everything, tasks too. A task runs alone, so it must not block for long; what it must
// wait for it starts and is called back about.
class Scheduler {
 public:
  using Milliseconds = std::chrono::milliseconds;
  using Task = std::function<void()>;
  // `clock` never goes back (steady_clock()), and outlives this.
  explicit Scheduler(const engine::Clock& clock) : clock_(clock) {}
  ~Scheduler() { stop(); }

  // First after `delay`, then every `period`, counted from when the task ended (scheduleWithFixedDelay).
  void every(Milliseconds period, Task task) { every(period, period, std::move(task)); }
  void every(Milliseconds delay, Milliseconds period, Task task);
  // The same with a period that is asked for each time, because a key of the configuration may change.
  void every(Milliseconds delay, std::function<Milliseconds()> period, Task task);
  void once(Milliseconds delay, Task task);

  void start();  // the thread
  // No task runs when this returns, and none will. Not from a task.
  void stop();
  // Runs what is due now; true if there was anything.
  bool run_due();

 private:
  struct Entry {
    std::int64_t due_ms = 0;
    std::function<Milliseconds()> period;  // none: once
    Task task;
  };
  void add(Entry entry);
  void run();

  const engine::Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Entry> entries_;  // a heap, the one that is due first in front
  bool stopping_ = false;
  std::thread thread_;
};

// Milliseconds that never go back, from any start.
[[nodiscard]] const engine::Clock& steady_clock();

}  // namespace rmq::broker
