// Loads for a store that is measured: messages as fast as they are taken, and reads of what was put.
#pragma once

#include <cstdint>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/engine/message_store.h"

namespace rmq::bench {

struct PutLoad {
  std::int64_t messages = 0;
  std::int32_t body_bytes = 1024;
  int producers = 1;
  std::int32_t span = 1;  // messages of one put
  std::int32_t outstanding =
      0;                    // 0: each put is waited for; else one producer with at most so many unanswered
  std::int32_t queues = 4;  // written in turn
  std::int32_t topics = 1;  // the queues are spread over
  bool keys = false;        // each message has one key
};

// Percentiles of nanoseconds.
struct Latencies {
  std::int64_t p50 = 0;
  std::int64_t p99 = 0;
  std::int64_t p999 = 0;
  std::int64_t highest = 0;
  std::int64_t samples = 0;
};

struct PutFigures {
  std::int64_t messages = 0;
  std::int64_t refused = 0;
  std::int64_t bytes = 0;         // of the log
  double seconds = 0;             // until the last answer
  double dispatched_seconds = 0;  // until queues and index had all of it
  double cpu_seconds = 0;         // of the whole process, until then
  Latencies all;                  // of a put, from the call to its answer
  Latencies around_rolls;         // within 10 ms of a new log file
  Latencies elsewhere;
  std::int64_t rolls = 0;
};

struct GetFigures {
  std::int64_t messages = 0;
  std::int64_t bytes = 0;
  double seconds = 0;
  double cpu_seconds = 0;
};

// `from` numbers the first message, so that one load can follow another.
[[nodiscard]] PutFigures run_puts(engine::MessageStore& store, const PutLoad& load, std::int64_t from);

// Reads every queue that the load wrote from its beginning, `batch` messages at a time.
[[nodiscard]] Result<GetFigures> run_gets(engine::MessageStore& store, const PutLoad& load,
                                          std::int32_t batch);

}  // namespace rmq::bench
