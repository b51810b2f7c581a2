// Runs independent pieces of work on several threads: file by file, in order of index, each piece once.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace rmq {

// Calls work(worker, item) for every item in [0, count), worker in [0, jobs). Returns when all is done, or when
// `cancelled` said true and the pieces under way have ended. `work` must be safe to call from several threads; an
// exception ends the run and is thrown again here.
inline void parallel_for(std::size_t jobs, std::size_t count, const std::function<bool()>& cancelled,
                         const std::function<void(std::size_t, std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr fault;
  std::mutex fault_mutex;
  const auto run = [&](std::size_t worker) {
    try {
      for (std::size_t item = next++; item < count && !(cancelled && cancelled()); item = next++) work(worker, item);
    } catch (...) {
      const std::lock_guard lock(fault_mutex);
      fault = std::current_exception();
      next = count;
    }
  };
  jobs = std::clamp<std::size_t>(jobs, 1, std::max<std::size_t>(count, 1));
  {
    std::vector<std::jthread> threads;
    for (std::size_t worker = 1; worker < jobs; ++worker) threads.emplace_back(run, worker);
    run(0);
  }
  if (fault) std::rethrow_exception(fault);
}

}  // namespace rmq
