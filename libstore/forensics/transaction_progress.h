// What the transaction topics hold: half messages that nobody has decided yet, and decisions about none.
// RocketMQ: TransactionalMessageServiceImpl.check.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "libstore/forensics/consumer_progress.h"
#include "libstore/forensics/dump_queue_table.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

// One queue of the half topic and its op queue.
struct TransactionProgress {
  std::int32_t queue_id = 0;
  std::int64_t min_offset = 0;  // of the half queue
  std::int64_t max_offset = 0;
  std::int64_t checked_to = 0;  // below it all is done with
  std::int64_t decided = 0;     // from there on
  std::int64_t pending = 0;
  std::int64_t first_pending = -1;                 // its queue offset
  std::optional<std::int64_t> first_pending_time;  // when it was stored
  // Op messages that name half messages behind the half queue's end: the first such offset, and its op
  // message.
  std::int64_t orphans = 0;
  std::int64_t first_orphan = -1;
  std::int64_t orphan_op_offset = -1;
  bool is_cut = false;  // more half messages than are looked at
};

// Reads the op queues from where the check goes on. Memory: a bit for each half message that the check has
// not passed, 8 MiB at most.
[[nodiscard]] std::vector<TransactionProgress> read_transaction_progress(
    const io::ReadFileSystem& files, const scan::StoreSurvey& survey, DumpQueueTable& queues,
    const ConsumerProgress& progress, const std::function<bool()>& cancelled);

}  // namespace rmq::forensics
