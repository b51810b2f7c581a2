// What a stored message means to the structures derived from the log: which queue unit and which index
// entries it gets. RocketMQ: CommitLog.checkMessageAndReturnSize makes a DispatchRequest of a record,
// MultiDispatchUtils and ConsumeQueue.multiDispatchLmqQueue say which other queues have a unit of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "libstore/bytes/decode_error.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/sys_flag.h"
#include "libstore/format/tags_code.h"

namespace rmq::derive {

// The broker's settings that decide what is derived (keys of broker.conf).
struct DispatchRules {
  bool multi_dispatch = false;  // enableMultiDispatch
  bool lmq = false;             // enableLmq: a queue %LMQ%... has the id 0 whatever the message's is
  format::DelayLevels delay_levels;
};

// Borrows from the record and lives as long as its bytes.
struct DispatchRequest {
  std::string_view topic;
  std::int32_t queue_id = 0;
  std::int32_t size = 0;
  std::int64_t queue_offset = 0;
  std::int64_t log_offset = 0;  // where the record lies
  std::int64_t tags_code = 0;
  std::int64_t store_timestamp = 0;
  std::int32_t sys_flag = 0;
  std::int16_t batch_size = 1;   // messages in the record, for batch queues
  bool lmq = false;              // DispatchRules::lmq
  std::int64_t base_offset = 0;  // queue offset of the first of them
  std::optional<std::string_view> uniq_key;
  std::string_view keys;           // separated by spaces
  std::string_view multi_queues;   // names of further queues, separated by commas; empty where there are none
  std::string_view multi_offsets;  // a queue offset for each

  [[nodiscard]] bool enters_consume_queue() const { return format::enters_consume_queue(sys_flag); }
  [[nodiscard]] bool enters_index() const { return format::enters_index(sys_flag); }
};

// Allocates nothing. Fails with bad_field where stock's parsing of a property throws (DELAY, INNER_NUM,
// INNER_BASE): for stock such a record ends the log.
[[nodiscard]] Decoded<DispatchRequest> dispatch_request(const format::MessageView& message,
                                                        std::int64_t log_offset, const DispatchRules& rules);
// The same with its properties read already.
[[nodiscard]] Decoded<DispatchRequest> dispatch_request(const format::MessageView& message,
                                                        const format::StoreProperties& properties,
                                                        std::int64_t log_offset, const DispatchRules& rules);

// One of the further queues of a message; see for_each_multi_queue.
struct MultiQueue {
  std::string_view name;  // the topic
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
};

// Takes the parts of `multi_queues` and `multi_offsets` one by one.
class MultiQueueReader {
 public:
  explicit MultiQueueReader(const DispatchRequest& request);
  // None are left, or never were: the two lists differ in length. Left out are names with a slash (as stock
  // does), and those whose offset is no number (where stock's dispatch stops for good).
  [[nodiscard]] std::optional<MultiQueue> next();

 private:
  std::string_view names_;
  std::string_view offsets_;
  std::int32_t queue_id_;
  bool lmq_;
};

}  // namespace rmq::derive
