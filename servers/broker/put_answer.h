// What a client is told about a put: code and remark of each status. RocketMQ:
// SendMessageProcessor.handlePutMessageResult.
#pragma once

#include <optional>
#include <string>

#include "libstore/engine/status.h"
#include "servers/broker/codes.h"

namespace rmq::broker {

class Broker;

// The message is in the log, whatever happened afterwards.
[[nodiscard]] constexpr bool is_stored(engine::PutStatus status) {
  return status == engine::PutStatus::put_ok || status == engine::PutStatus::flush_disk_timeout;
}
[[nodiscard]] ResponseCode code_of(engine::PutStatus status);
// Nothing where the message is stored.
[[nodiscard]] std::optional<std::string> remark_of(engine::PutStatus status, Broker& broker);

}  // namespace rmq::broker
