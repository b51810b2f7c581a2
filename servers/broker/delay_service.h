// Delivers delayed messages when their time has come: from the queues of SCHEDULE_TOPIC_XXXX, one for each
// level of messageDelayLevel, to where they belong. RocketMQ: ScheduleMessageService.
//
// How far a level is delivered stands in config/delayOffset.json, as Java writes it. It never says more than
// the log has on disk, so that after a crash messages may come twice, and none is lost.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/engine/arrivals.h"
#include "libstore/engine/clock.h"
#include "libstore/engine/message_store.h"
#include "libstore/format/config_files.h"
#include "libstore/format/tags_code.h"
#include "servers/broker/state_file.h"

namespace rmq::broker {

// Threads: load() before anything else; step() by one thread at a time (its own after start()); the rest from
// any thread.
class DelayService {
 public:
  struct Options {
    format::DelayLevels levels;
    // delayOffsetUpdateVersionStep: moves between two data versions.
    std::int64_t version_step = 200;
    // Of messages that were delivered: where to, and their bytes in the log. Empty: nobody counts.
    std::function<void(std::int32_t level, std::string_view topic, std::int64_t bytes)> delivered;
    // What an operator should know; empty: nobody asks.
    std::function<void(const std::string& what)> warn;
  };
  // All outlive it. `directory` is config/.
  DelayService(engine::MessageStore& store, io::FileSystem& files, const std::string& directory,
               const engine::Clock& clock, Options options);
  ~DelayService() { stop(); }

  // Takes the offsets from the file; those outside of their queues are taken to the nearest end.
  [[nodiscard]] Status load();
  // Its thread.
  void start();
  // No message is delivered when this returns.
  void stop();
  // Delivers what is due now, some of it. When to come back: 0 is at once, nothing when only an arrival
  // brings work.
  [[nodiscard]] std::optional<std::int64_t> step();
  // For the store's ArrivalListener.
  void arrived(std::span<const engine::Arrival> arrivals);

  // Writes the file where offsets changed since.
  [[nodiscard]] Status persist();
  [[nodiscard]] json::Value snapshot() const;  // delayOffset.json's value
  // "scheduleMessageOffset_3" -> "17,20" for each level that has an offset. buildRunningStats.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> runtime_info() const;

 private:
  struct Level {
    std::int64_t delay_ms = 0;
    std::int64_t offset = 0;   // the next to be delivered
    bool known = false;        // stands in the file
    std::int64_t look_at = 0;  // when to look at the queue; kNever: when something arrives
    std::uint64_t arrivals = 0;
    std::set<std::int64_t> ahead;  // delivered, while one before them was not: step()'s alone
    std::int64_t warned = -1;      // the offset that a warning was about last: step()'s alone
  };
  // What one look at a level's queue found.
  struct Found {
    std::int64_t offset = 0;  // the next to be delivered
    std::int64_t look_at = 0;
  };
  [[nodiscard]] bool is_due(std::int64_t look_at, std::int64_t delay_ms) const;
  [[nodiscard]] Found look(std::int32_t level);
  // Puts those that are not ahead; the queue offset of the first that could not be put, nothing where all are
  // through: delivered, or such as never can be.
  [[nodiscard]] std::optional<std::int64_t> deliver(std::int32_t level, const engine::GetResult& got);
  void note(std::int32_t level, std::uint64_t arrivals_before, const Found& found);
  void warn(std::int32_t level, std::int64_t offset, const std::string& what);
  void run();

  engine::MessageStore& store_;
  const engine::Clock& clock_;
  const Options options_;
  StateFile file_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Level> levels_;  // level 1 first
  json::Value others_;         // the file's members that are not ours
  format::DataVersion version_;
  std::uint64_t moves_ = 0;
  bool dirty_ = false;
  bool stopping_ = false;
  std::int64_t wakes_at_ = 0;  // when the thread looks next
  std::mutex save_mutex_;
  std::thread thread_;
};

}  // namespace rmq::broker
