// What a stock RocketMQ broker would do with a store if it were started on it now: load, recover, dispatch
// and cut, simulated to the byte on an overlay in memory; nothing is written. RocketMQ's own code is the
// judge: where it has a quirk, the simulation has it too. One call runs in one thread; memory does not grow
// with the log, only with the number of queues and with the queue units that recovery would append. RocketMQ:
// DefaultMessageStore.load/recover/start, CommitLog.recoverNormally/recoverAbnormally.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::preflight {

enum class StockVersion {
  v4_9,  // 4.9.7
  v5_3,  // 5.3.3
};

struct QueueForecast {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t min_offset = 0;
  std::int64_t max_offset = 0;
  // Queue offsets in [min, max) where a read of one message returns that very unit's record and it decodes.
  std::int64_t readable = 0;
  bool operator==(const QueueForecast&) const = default;
};

struct Preflight {
  StockVersion version = StockVersion::v5_3;
  bool abnormal = false;  // recovered as after a crash: the abort file is there, or was assumed
  bool starts = true;
  // Why it does not start, or what of this store is not simulated; empty when there is nothing to say.
  std::string reason;
  bool simulated = true;  // false: a kind of store that is not simulated; nothing below is filled in
  std::int64_t min_phy_offset = -1;  // -1: no log
  std::int64_t max_phy_offset = 0;
  std::vector<QueueForecast> queues;  // by topic, then queue id; a store that does not start has none
  // Records intact now (whole, CRC right, at their own position, of the live generation, meant for a queue)
  // that no queue offset leads to afterwards.
  std::int64_t messages_lost = 0;
  // Intact now and readable afterwards, but at another queue offset than their own.
  std::int64_t misplaced = 0;
  // Physical offsets of lost and misplaced messages, the first of them in log order (at most
  // kMaxLostExamples).
  std::vector<std::int64_t> lost_examples;
  std::vector<std::string> files_destroyed;      // commit log and queue files, as the survey shows them
  std::vector<std::string> queues_truncated;     // "topic/queueId"
  std::vector<std::string> index_files_deleted;  // as the survey shows them
  // What a broker reads each state file from: "json", "bak", or "none" (it starts empty, or not at all).
  std::map<std::string, std::string> config_loaded;
  std::int64_t recovery_bytes = 0;  // of log and queues that stock reads before it serves
};

inline constexpr std::size_t kMaxLostExamples = 1000;

struct PreflightOptions {
  StockVersion version = StockVersion::v5_3;
  // What to believe about the abort file; nullopt: as the survey found it.
  std::optional<bool> assume_abort;
  // Asked about every few megabytes; true ends the run with ErrorCode::cancelled.
  std::function<bool()> cancelled;
  // Told how many bytes of the store were read since the last call.
  std::function<void(std::int64_t)> progress;
  // False leaves out what needs a walk over the whole log: messages_lost, misplaced and lost_examples stay 0.
  bool count_messages = true;
};

// Fails when a file cannot be read, or with `cancelled`. Damage is no failure, it is what the forecast is
// about.
[[nodiscard]] Result<Preflight> run_preflight(const io::ReadFileSystem& files,
                                              const scan::StoreSurvey& survey,
                                              const PreflightOptions& options);

}  // namespace rmq::preflight
