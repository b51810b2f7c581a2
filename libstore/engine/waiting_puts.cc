#include "libstore/engine/waiting_puts.h"

#include <algorithm>
#include <iterator>

namespace rmq::engine {

void WaitingPuts::add(std::int64_t end, std::vector<PutResult> results, PutDone done) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({end, std::move(results), std::move(done)});
  }
  more_.notify_one();
}

bool WaitingPuts::wait() {
  std::unique_lock lock(mutex_);
  more_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
  return !waiting_.empty();
}

bool WaitingPuts::empty() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty();
}

void WaitingPuts::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  more_.notify_all();
}

void WaitingPuts::answer(std::int64_t durable, bool sync_failed) {
  std::vector<Waiting> answered;
  {
    const std::lock_guard lock(mutex_);
    const auto later = std::ranges::partition(
        waiting_, [&](const Waiting& put) { return sync_failed || put.end <= durable; });
    std::move(waiting_.begin(), later.begin(), std::back_inserter(answered));
    waiting_.erase(waiting_.begin(), later.begin());
  }
  std::ranges::sort(answered, {}, &Waiting::end);
  for (Waiting& put : answered) {
    if (put.end > durable) {
      for (PutResult& result : put.results) {
        if (result.ok()) result.status = PutStatus::flush_disk_timeout;
      }
    }
    put.done(put.results);
  }
}

}  // namespace rmq::engine
