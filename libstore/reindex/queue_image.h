// One consume queue as the log says it: laid out from its harvest, written aside, or held against what is
// there. RocketMQ: ConsumeQueue.putMessagePositionInfo and fillPreBlank,
// BatchConsumeQueue.putBatchMessagePositionInfo.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"
#include "libstore/recovery/queue_units.h"
#include "libstore/reindex/harvest.h"
#include "libstore/scan/store_survey.h"

namespace rmq::reindex {

// Bytes of a queue, from its beginning at queue offset 0 (batch queues: unit 0).
struct Stretch {
  std::int64_t position = 0;
  std::span<const std::byte> bytes;  // whole units, all of one file
  std::int64_t last_timestamp = 0;   // of the last unit's message; 0 for blanks
  bool blank = false;                // units that stand for no message: before the first one, or in a hole
};

struct QueueShape {
  std::int64_t units = 0;       // blanks left out
  std::int64_t first = 0;       // number of the first unit that is no blank
  std::int64_t end = 0;         // behind the last one
  std::int64_t min_offset = 0;  // queue offsets
  std::int64_t next_offset = 0;
  std::int64_t holes = 0;    // messages that do not follow the one before them
  std::int64_t dropped = 0;  // of those, without a unit: they go back, or leave out more than a file's worth
};

// Hands the queue's bytes to `take` in their order. Messages below log offset `floor` are left out.
[[nodiscard]] Result<QueueShape> lay_out_queue(const Harvest& harvest, const Harvest::QueueHarvest& queue,
                                               std::int64_t floor, std::int64_t file_size,
                                               const std::function<Status(const Stretch&)>& take);

// Writes queue files, whose names are durable with their directory's.
class QueueFileWriter {
 public:
  // `buffer` bytes are gathered for each write.
  // `synced`: contents are, when finish() is back.
  QueueFileWriter(io::FileSystem& files, std::string directory, std::int64_t file_size, std::size_t buffer,
                  bool synced);
  [[nodiscard]] Status take(const Stretch& stretch);
  [[nodiscard]] Status finish();
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  // Whole pages, or everything.
  [[nodiscard]] Status write_out(bool everything);
  [[nodiscard]] Status end_file();

  io::FileSystem& files_;
  std::string directory_;
  std::int64_t file_size_;
  std::size_t most_;
  bool synced_;
  std::unique_ptr<io::WriteFile> file_;
  std::string path_;
  std::int64_t file_start_ = -1;
  std::int64_t position_ = 0;  // of the buffer's first byte, in the queue
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<std::byte, Free> buffer_;  // at a page boundary
  std::size_t used_ = 0;
  std::int64_t timestamp_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace rmq::reindex
