// Where a consume queue on disk begins and ends, found with a few small reads: what a queue is opened with
// for appending. RocketMQ: ConsumeQueue.recover and BatchConsumeQueue.recover read the last three files unit
// by unit instead; correctMinOffset finds the beginning.
#pragma once

#include <cstdint>
#include <limits>

#include "libstore/base/error.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::derive {

// Units are numbered from the queue's beginning: unit n lies at byte n * unit size, whether or not that file
// still exists.
struct QueueTail {
  bool batch = false;
  std::int64_t first = -1;       // the oldest unit that leads into the log; -1: the queue has no unit at all
  std::int64_t end = 0;          // number of the next unit
  std::int64_t min_offset = 0;   // queue offset of unit `first`
  std::int64_t next_offset = 0;  // queue offset that comes next
  // The log offset behind the last unit's message (batch: where that message begins), -1 where there is none:
  // what ends below it is in the queue already.
  std::int64_t max_physic = -1;
  std::int64_t files_begin = 0;  // bytes of the queue for which there are files; equal where there are none
  std::int64_t files_end = 0;
};

struct TailBounds {
  // Units of messages below do not count (the log's beginning): as stock, a queue all of whose messages are
  // gone keeps its end.
  std::int64_t log_begin = 0;
  // Units of messages from here on do not count either, and are overwritten when their messages come again.
  // To be set to what the checkpoint is known to cover: pages of units behind that may never have reached the
  // disk, in any order.
  std::int64_t log_end = std::numeric_limits<std::int64_t>::max();
};

// Looks for the last unit by halving, in the last file that has one, then checks the units around it. Where
// units beyond log_end are torn, those below are still found. Fails with wrong_use where the files of the
// queue do not lie one behind the other at full size. Safe to call for many queues at once.
[[nodiscard]] Result<QueueTail> find_queue_tail(const io::ReadFileSystem& files, const scan::Queue& queue,
                                                const TailBounds& bounds);

}  // namespace rmq::derive
