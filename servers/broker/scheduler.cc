#include "servers/broker/scheduler.h"

#include <algorithm>
#include <utility>

namespace rmq::broker {
namespace {

class SteadyClock final : public engine::Clock {
 public:
  [[nodiscard]] std::int64_t now_ms() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace

const engine::Clock& steady_clock() {
  static const SteadyClock kClock;
  return kClock;
}

void Scheduler::every(Milliseconds delay, Milliseconds period, Task task) {
  every(delay, [period] { return period; }, std::move(task));
}

void Scheduler::every(Milliseconds delay, std::function<Milliseconds()> period, Task task) {
  add({clock_.now_ms() + delay.count(), std::move(period), std::move(task)});
}

void Scheduler::once(Milliseconds delay, Task task) {
  add({clock_.now_ms() + delay.count(), nullptr, std::move(task)});
}

void Scheduler::add(Entry entry) {
  const std::lock_guard lock(mutex_);
  entries_.push_back(std::move(entry));
  std::ranges::push_heap(entries_, std::greater{}, &Entry::due_ms);
  changed_.notify_one();
}

bool Scheduler::run_due() {
  const std::int64_t now = clock_.now_ms();
  bool ran = false;
  for (;;) {
    Entry entry;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || entries_.empty() || entries_.front().due_ms > now) return ran;
      std::ranges::pop_heap(entries_, std::greater{}, &Entry::due_ms);
      entry = std::move(entries_.back());
      entries_.pop_back();
    }
    entry.task();
    ran = true;
    if (!entry.period) continue;
    entry.due_ms = std::max(clock_.now_ms() + entry.period().count(), now + 1);
    add(std::move(entry));
  }
}

void Scheduler::start() {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { run(); });
}

void Scheduler::run() {
  for (;;) {
    run_due();
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    const std::int64_t wait = entries_.empty() ? 1000 : entries_.front().due_ms - clock_.now_ms();
    if (wait > 0) changed_.wait_for(lock, Milliseconds(std::min<std::int64_t>(wait, 1000)));
  }
}

void Scheduler::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace rmq::broker
