// What a found log is made of: its queues, and the size that its files had.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libstore/carve/judge.h"

namespace rmq::carve {

// The messages of one queue among found records.
struct QueueSummary {
  std::int64_t records = 0;
  std::int64_t bytes = 0;
  std::int64_t first_offset = 0;  // queue offsets, the lowest and the highest
  std::int64_t last_offset = 0;
  std::int64_t first_time = 0;  // store times, the oldest and the newest
  std::int64_t last_time = 0;
  bool batch = false;  // of inner batches: a batch queue
};
struct Summary {
  std::map<std::pair<std::string, std::int32_t>, QueueSummary> queues;  // by topic and queue id
  bool multi_dispatch = false;  // messages that are in further queues too
  bool lmq = false;             // some of them LMQ queues
};

// Reads all records of the log again.
[[nodiscard]] Result<Summary> summarize(const io::ReadFileSystem& files, const std::vector<Source>& sources,
                                        const Log& log, std::size_t jobs,
                                        const std::function<bool()>& cancelled);

// mappedFileSizeCommitLog, and what it is known from.
struct FileSize {
  std::int64_t bytes = 0;
  std::string why;
};
inline constexpr std::int64_t kDefaultFileSize = 1 << 30;

// Can the log's records lie at their own offsets in files of this size, and can what is missing between them
// be bridged?
[[nodiscard]] bool fits(const Log& log, std::int64_t file_size);

// `given`: asked for. Nothing where no size fits: the records cannot stay at their own offsets.
[[nodiscard]] std::optional<FileSize> choose_file_size(const std::vector<Source>& sources, const Log& log,
                                                       std::optional<std::int64_t> given);

}  // namespace rmq::carve
