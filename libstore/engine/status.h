// What the store answers, in RocketMQ's words (PutMessageStatus, GetMessageStatus): a broker turns them into
// response codes, and clients know them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rmq::engine {

enum class PutStatus {
  put_ok,
  flush_disk_timeout,     // sync flush: the disk did not take it. It may or may not be there after a restart
  service_not_available,  // shutting down, or read-only after a failed sync
  create_mapped_file_failed,  // no room for another file; goes on by itself when there is
  message_illegal,            // too large, or fields that do not fit each other
  properties_size_exceeded,
  lmq_consume_queue_num_exceeded,  // it would make more than maxLmqConsumeQueueNum queues
  unknown_error,
};
[[nodiscard]] std::string_view to_string(PutStatus status);  // "PUT_OK"

struct PutResult {
  PutStatus status = PutStatus::unknown_error;
  std::int64_t log_offset = -1;
  std::int32_t size = 0;          // bytes in the log
  std::int64_t queue_offset = 0;  // 0 for half and rolled-back messages, which enter no queue
  std::int64_t store_timestamp = 0;
  [[nodiscard]] bool ok() const { return status == PutStatus::put_ok; }
};

enum class GetStatus {
  found,
  no_matched_message,    // messages there are, but the filter wants none of these
  message_was_removing,  // the queue knows them, the log has them no more
  offset_found_null,
  offset_overflow_badly,  // behind the end
  offset_overflow_one,    // at the end: nothing there yet
  offset_too_small,
  no_matched_logic_queue,  // no such queue
  no_message_in_queue,
};
[[nodiscard]] std::string_view to_string(GetStatus status);  // "FOUND"

struct GetResult {
  GetStatus status = GetStatus::no_matched_logic_queue;
  std::int64_t next_begin_offset = 0;
  std::int64_t min_offset = 0;
  std::int64_t max_offset = 0;
  struct Message {
    std::int64_t queue_offset = 0;
    std::size_t position = 0;  // in `bytes`
    std::size_t size = 0;
  };
  std::vector<Message> messages;
  std::vector<std::byte> bytes;  // records as the log has them, one behind the other
};

}  // namespace rmq::engine
