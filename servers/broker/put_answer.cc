#include "servers/broker/put_answer.h"

#include <fmt/format.h>

#include "libstore/io/file_system.h"
#include "servers/broker/broker.h"

namespace rmq::broker {
namespace {

// How much of the disk is used, 0 to 1; -1 where nobody can tell. UtilAll.getDiskPartitionSpaceUsedPercent.
double used_share(const io::FileSystem& files, const std::string& directory) {
  const auto space = files.space(directory);
  if (!space || space->used + space->free <= 0) return -1;
  return static_cast<double>(space->used) / static_cast<double>(space->used + space->free);
}

std::string disk_shares(Broker& broker) {
  double log = 1;
  for (const std::string& directory : broker.store().log().directories())
    log = std::min(log, used_share(broker.files(), directory));
  const std::string root = broker.config().text<"storePathRootDir">();
  return fmt::format("CL: {:5.2f} CQ: {:5.2f} INDEX: {:5.2f}", log,
                     used_share(broker.files(), io::join_path(root, "consumequeue")),
                     used_share(broker.files(), io::join_path(root, "index")));
}

}  // namespace

ResponseCode code_of(engine::PutStatus status) {
  switch (status) {
    case engine::PutStatus::put_ok: return ResponseCode::success;
    case engine::PutStatus::flush_disk_timeout: return ResponseCode::flush_disk_timeout;
    case engine::PutStatus::service_not_available: return ResponseCode::service_not_available;
    case engine::PutStatus::message_illegal:
    case engine::PutStatus::properties_size_exceeded: return ResponseCode::message_illegal;
    case engine::PutStatus::create_mapped_file_failed:
    case engine::PutStatus::lmq_consume_queue_num_exceeded:
    case engine::PutStatus::unknown_error: return ResponseCode::system_error;
  }
  return ResponseCode::system_error;
}

std::optional<std::string> remark_of(engine::PutStatus status, Broker& broker) {
  switch (status) {
    case engine::PutStatus::put_ok:
    case engine::PutStatus::flush_disk_timeout: return std::nullopt;
    case engine::PutStatus::create_mapped_file_failed:
      return "create mapped file failed, server is busy or broken.";
    case engine::PutStatus::message_illegal:
    case engine::PutStatus::properties_size_exceeded:
      return fmt::format(
          "the message is illegal, maybe msg body or properties length not matched. msg body length limit "
          "{}B, "
          "msg properties length limit 32KB.",
          broker.config().number<"maxMessageSize">());
    case engine::PutStatus::service_not_available:
      return fmt::format(
          "service not available now. It may be caused by one of the following reasons: the broker's disk is "
          "full [{}], messages are put to the slave, message store has been shut down, etc.",
          disk_shares(broker));
    case engine::PutStatus::lmq_consume_queue_num_exceeded:
      return "[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]broker config enableLmq and enableMultiDispatch, lmq "
             "consumeQueue "
             "num exceed maxLmqConsumeQueueNum config num, default limit 2w.";
    case engine::PutStatus::unknown_error: break;
  }
  return "UNKNOWN_ERROR";
}

}  // namespace rmq::broker
