// Puts that wait for the disk: sync flush answers them when the log is durable up to their end. RocketMQ:
// CommitLog.GroupCommitService, without its two lists and its 10 ms.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include "libstore/engine/status.h"

namespace rmq::engine {

// Called once, with a result for each message of the put.
using PutDone = std::function<void(std::span<const PutResult>)>;

// Threads: any.
class WaitingPuts {
 public:
  void add(std::int64_t end, std::vector<PutResult> results, PutDone done);
  // Until one waits; false when none does and close() was called.
  [[nodiscard]] bool wait();
  [[nodiscard]] bool empty() const;
  void close();
  // Answers those whose end is durable; after a failed sync all, the others with FLUSH_DISK_TIMEOUT. Calls
  // back in the order of the log, outside of any lock.
  void answer(std::int64_t durable, bool sync_failed);

 private:
  struct Waiting {
    std::int64_t end;
    std::vector<PutResult> results;
    PutDone done;
  };

  mutable std::mutex mutex_;
  std::condition_variable more_;
  std::vector<Waiting> waiting_;  // not in order: two threads may place and come here the other way round
  bool closed_ = false;
};

}  // namespace rmq::engine
