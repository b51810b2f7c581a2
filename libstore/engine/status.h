// What the store answers, in RocketMQ's words (PutMessageStatus, GetMessageStatus): a broker turns them into
// response codes, and clients know them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
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

// What a queue says of a message, or of an inner batch.
struct QueueUnit {
  std::int64_t queue_offset = 0;  // of the batch's first message
  std::int64_t log_offset = 0;
  std::int32_t size = 0;
  std::int32_t messages = 1;
  std::int64_t tags_code = 0;
};

// What a get says beside the messages.
struct GetHeader {
  GetStatus status = GetStatus::no_matched_logic_queue;
  std::int64_t next_begin_offset = 0;
  std::int64_t min_offset = 0;
  std::int64_t max_offset = 0;
  // Bytes of the log behind the last message that was looked at: how far the reader is behind. 0 where none
  // was.
  std::int64_t fallen_behind = 0;
};

// A piece of the log, one or more records as they lie there: in memory, or in a file.
struct LogPiece {
  std::span<const std::byte> bytes = {};  // where file < 0
  int file = -1;                      // descriptor
  std::int64_t offset = 0;            // in the file
  std::int64_t size = 0;              // in the file
  std::shared_ptr<const void> owner = {};  // keeps bytes or descriptor valid, whatever clean-up removes meanwhile
};

// Messages where they lie, for whoever sends them on.
struct GetView : GetHeader {
  std::int64_t messages = 0;  // those within inner batches count
  std::int64_t bytes = 0;
  std::vector<LogPiece> pieces;  // one behind the other
};

struct GetResult : GetHeader {
  struct Message {
    std::int64_t queue_offset = 0;
    std::size_t position = 0;  // in `bytes`
    std::size_t size = 0;
  };
  std::vector<Message> messages;
  std::vector<std::byte> bytes;  // records as the log has them, one behind the other
};

}  // namespace rmq::engine
