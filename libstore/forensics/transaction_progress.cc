#include "libstore/forensics/transaction_progress.h"

#include <algorithm>

#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/dump_record.h"
#include "libstore/forensics/system_topics.h"
#include "libstore/format/transaction_op.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kMostHalves = std::int64_t{64} << 20;

class QueueRead {
 public:
  QueueRead(RecordReader& records, DumpQueueTable& queues, const ConsumerProgress& progress,
            const std::function<bool()>& cancelled)
      : records_(records), queues_(queues), progress_(progress), cancelled_(cancelled) {}

  TransactionProgress run(std::size_t half) {
    found_.queue_id = queues_.queue(half).queue_id;
    const QueueBounds bounds = queues_.bounds(half);
    found_.min_offset = bounds.min_offset;
    found_.max_offset = bounds.max_offset;
    const auto passed = progress_.offset_of(kTransactionGroup, kHalfTopic, found_.queue_id);
    found_.checked_to = std::clamp(passed.value_or(0), bounds.min_offset, bounds.max_offset);
    const std::int64_t end = std::min(bounds.max_offset, found_.checked_to + kMostHalves);
    found_.is_cut = end < bounds.max_offset;
    decided_.assign(static_cast<std::size_t>(end - found_.checked_to), false);
    if (const auto op = queues_.find(kOpHalfTopic, found_.queue_id)) read_ops(*op);
    count(half);
    return found_;
  }

 private:
  void read_ops(std::size_t op) {
    const QueueBounds bounds = queues_.bounds(op);
    const auto passed = progress_.offset_of(kTransactionGroup, kOpHalfTopic, found_.queue_id);
    const std::int64_t from = std::clamp(passed.value_or(0), bounds.min_offset, bounds.max_offset);
    for (std::int64_t offset = from; offset < bounds.max_offset; ++offset) {
      if (cancelled_ && cancelled_()) return;
      const auto unit = queues_.unit(op, offset);
      const auto record = unit ? records_.read(unit->commit_log_offset) : std::nullopt;
      if (!record || record->message.topic != kOpHalfTopic) continue;
      format::for_each_half_offset(as_text(record->message.body),
                                   [&](std::int64_t half) { decide(half, offset); });
    }
  }

  void decide(std::int64_t half, std::int64_t op_offset) {
    if (half >= found_.max_offset) {
      if (found_.orphans++ == 0) {
        found_.first_orphan = half;
        found_.orphan_op_offset = op_offset;
      }
      return;
    }
    if (half < found_.checked_to) return;
    const auto place = static_cast<std::size_t>(half - found_.checked_to);
    if (place >= decided_.size() || decided_[place]) return;
    decided_[place] = true;
    ++found_.decided;
  }

  void count(std::size_t half) {
    found_.pending = static_cast<std::int64_t>(decided_.size()) - found_.decided;
    const auto first = std::ranges::find(decided_, false);
    if (first == decided_.end()) return;
    found_.first_pending = found_.checked_to + (first - decided_.begin());
    const auto unit = queues_.unit(half, found_.first_pending);
    const auto record = unit ? records_.read(unit->commit_log_offset) : std::nullopt;
    if (record) found_.first_pending_time = record->message.store_timestamp;
  }

  RecordReader& records_;
  DumpQueueTable& queues_;
  const ConsumerProgress& progress_;
  const std::function<bool()>& cancelled_;
  TransactionProgress found_;
  std::vector<bool> decided_;  // from checked_to on
};

}  // namespace

std::vector<TransactionProgress> read_transaction_progress(const io::ReadFileSystem& files,
                                                           const scan::StoreSurvey& survey,
                                                           DumpQueueTable& queues,
                                                           const ConsumerProgress& progress,
                                                           const std::function<bool()>& cancelled) {
  RecordReader records(files, survey);
  std::vector<TransactionProgress> found;
  for (std::size_t i = 0; i < queues.size(); ++i) {
    if (queues.queue(i).topic == kHalfTopic)
      found.push_back(QueueRead(records, queues, progress, cancelled).run(i));
  }
  return found;
}

}  // namespace rmq::forensics
