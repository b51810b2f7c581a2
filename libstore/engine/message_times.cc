// Store times of messages, and queues searched by them. RocketMQ: DefaultMessageStore.getEarliestMessageTime,
// getMessageStoreTimeStamp, ConsumeQueueStore.getOffsetInQueueByTime, ConsumeQueue.binarySearchInQueueByTime.
#include <algorithm>
#include <array>

#include "libstore/bytes/big_endian.h"
#include "libstore/engine/message_store.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/sys_flag.h"

namespace rmq::engine {

// CommitLog.pickupStoreTimestamp.
Result<std::optional<std::int64_t>> MessageStore::store_time_at(std::int64_t log_offset) const {
  std::array<std::byte, format::kMinRecordSize> head{};
  RMQ_TRY(got, log_->read(log_offset, head));
  std::optional<std::int64_t> time;
  if (got < head.size()) return time;
  const auto magic = load_be<std::int32_t>(head.data() + format::kRecordMagicOffset);
  if (magic != format::kMagicV1 && magic != format::kMagicV2) return time;
  const auto sys_flag = load_be<std::int32_t>(head.data() + format::kRecordSysFlagOffset);
  const std::size_t born_host = (sys_flag & format::kSysFlagBornHostV6) != 0 ? 20 : 8;
  time = load_be<std::int64_t>(head.data() + format::kRecordBornHostOffset + born_host);
  return time;
}

Result<std::optional<std::int64_t>> MessageStore::earliest_store_time() const {
  return store_time_at(log_->begin());
}

// A unit's store time: a batch queue says it itself, for others the log is asked.
Result<std::optional<MessageStore::TimedUnit>> MessageStore::timed_unit(std::string_view topic,
                                                                        std::int32_t queue_id, bool batch,
                                                                        std::int64_t unit) const {
  std::array<std::byte, format::kBatchConsumeQueueEntrySize> bytes{};
  const auto size =
      static_cast<std::size_t>(batch ? format::kBatchConsumeQueueEntrySize : format::kConsumeQueueEntrySize);
  RMQ_TRY(got, queues_->read(topic, queue_id, unit, std::span(bytes).first(size)));
  std::optional<TimedUnit> found;
  if (got == 0) return found;
  if (batch) {
    const auto entry = format::BatchConsumeQueueEntry::load(bytes.data());
    found = TimedUnit{entry.base_offset, entry.store_timestamp};
    return found;
  }
  const auto entry = format::ConsumeQueueEntry::load(bytes.data());
  RMQ_TRY(time, store_time_at(entry.commit_log_offset));
  if (time) found = TimedUnit{unit, *time};
  return found;
}

Result<std::optional<std::int64_t>> MessageStore::store_time(std::string_view topic, std::int32_t queue_id,
                                                             std::int64_t queue_offset) {
  (void)catch_up();
  std::optional<std::int64_t> time;
  const auto range = queues_->range(topic, queue_id);
  if (!range || queue_offset < range->min_offset || queue_offset >= range->next_offset) return time;
  std::int64_t unit = queue_offset;
  if (range->batch) {
    RMQ_TRY(found, queues_->find_batch(topic, queue_id, queue_offset));
    if (!found) return time;
    unit = *found;
  }
  RMQ_TRY(timed, timed_unit(topic, queue_id, range->batch, unit));
  if (timed) time = timed->store_timestamp;
  return time;
}

Result<std::int64_t> MessageStore::offset_by_time(std::string_view topic, std::int32_t queue_id,
                                                  std::int64_t store_timestamp, TimeBoundary boundary) {
  (void)catch_up();
  const auto range = queues_->range(topic, queue_id);
  if (!range) return std::int64_t{0};
  // Of the units in [low, high): those at `low` and below come before the boundary.
  std::int64_t low = range->first;
  std::int64_t high = range->end;
  std::int64_t before = range->min_offset;   // offset of the last one that does
  std::int64_t behind = range->next_offset;  // of the first that does not
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    RMQ_TRY(unit, timed_unit(topic, queue_id, range->batch, middle));
    // A message that expired meanwhile is older than all that are left.
    const bool comes_before =
        !unit || (boundary == TimeBoundary::lower ? unit->store_timestamp < store_timestamp
                                                  : unit->store_timestamp <= store_timestamp);
    if (comes_before) {
      if (unit) before = unit->queue_offset;
      low = middle + 1;
    } else {
      behind = unit->queue_offset;
      high = middle;
    }
  }
  return boundary == TimeBoundary::lower ? behind : before;
}

}  // namespace rmq::engine
