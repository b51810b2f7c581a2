#include "libstore/engine/status.h"

namespace rmq::engine {

std::string_view to_string(PutStatus status) {
  switch (status) {
    case PutStatus::put_ok: return "PUT_OK";
    case PutStatus::flush_disk_timeout: return "FLUSH_DISK_TIMEOUT";
    case PutStatus::service_not_available: return "SERVICE_NOT_AVAILABLE";
    case PutStatus::create_mapped_file_failed: return "CREATE_MAPPED_FILE_FAILED";
    case PutStatus::message_illegal: return "MESSAGE_ILLEGAL";
    case PutStatus::properties_size_exceeded: return "PROPERTIES_SIZE_EXCEEDED";
    case PutStatus::lmq_consume_queue_num_exceeded: return "LMQ_CONSUME_QUEUE_NUM_EXCEEDED";
    case PutStatus::unknown_error: return "UNKNOWN_ERROR";
  }
  return "UNKNOWN_ERROR";
}

std::string_view to_string(GetStatus status) {
  switch (status) {
    case GetStatus::found: return "FOUND";
    case GetStatus::no_matched_message: return "NO_MATCHED_MESSAGE";
    case GetStatus::message_was_removing: return "MESSAGE_WAS_REMOVING";
    case GetStatus::offset_found_null: return "OFFSET_FOUND_NULL";
    case GetStatus::offset_overflow_badly: return "OFFSET_OVERFLOW_BADLY";
    case GetStatus::offset_overflow_one: return "OFFSET_OVERFLOW_ONE";
    case GetStatus::offset_too_small: return "OFFSET_TOO_SMALL";
    case GetStatus::no_matched_logic_queue: return "NO_MATCHED_LOGIC_QUEUE";
    case GetStatus::no_message_in_queue: return "NO_MESSAGE_IN_QUEUE";
  }
  return "NO_MESSAGE_IN_QUEUE";
}

}  // namespace rmq::engine
