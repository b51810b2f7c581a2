// What becomes of queues and index when the log begins later than before: queues begin later too, and files
// that lead nowhere any more are removed. RocketMQ: CleanConsumeQueueService, ConsumeQueue.correctMinOffset,
// IndexService.deleteExpiredFile.
#pragma once

#include <cstdint>
#include <string>

#include "libstore/base/error.h"
#include "libstore/base/status.h"
#include "libstore/derive/queue_writer.h"
#include "libstore/io/file_system.h"

namespace rmq::derive {

// Every queue begins with its first message at `log_begin` or behind; one that has none left keeps its end.
// Removes nothing.
[[nodiscard]] Status raise_queues(QueueWriter& queues, std::int64_t log_begin);

struct Removed {
  int files = 0;
  bool more = false;  // there are more than `most`
};
// Files of queues that lie wholly below the queue's beginning, oldest first, so that what a kill leaves has
// no gap; at most about `most`. A queue's last file stays: it says where the queue ends.
[[nodiscard]] Result<Removed> remove_expired_queue_files(io::FileSystem& files, const QueueWriter& queues,
                                                         int most);

// Index files that end before `log_begin`, oldest first; the newest stays. A directory that is not there is
// an index without files.
[[nodiscard]] Result<Removed> remove_expired_index_files(io::FileSystem& files, const std::string& directory,
                                                         std::int64_t log_begin);

// The files of a queue that was forgotten, then its directory, and the topic's if it was the last. What is no
// queue file stays, and the directory with it.
[[nodiscard]] Status remove_queue_files(io::FileSystem& files, const std::string& queue_directory);

}  // namespace rmq::derive
