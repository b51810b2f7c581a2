// What a send says about its message beside the body: the header of SEND_MESSAGE with full names, and of
// SEND_MESSAGE_V2 and SEND_BATCH_MESSAGE with one letter a field. RocketMQ: SendMessageRequestHeader,
// SendMessageRequestHeaderV2. Borrows from the request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libstore/base/error.h"
#include "servers/wire/command.h"

namespace rmq::broker {

struct SendHeader {
  std::string_view producer_group;
  std::string_view topic;
  std::string_view default_topic;
  std::int32_t default_topic_queues = 0;
  std::int32_t queue_id = 0;
  std::int32_t sys_flag = 0;
  std::int64_t born_timestamp = 0;
  std::int32_t flag = 0;
  std::string_view properties;
  std::int32_t reconsume_times = 0;
  bool unit_mode = false;
  std::optional<std::int32_t> max_reconsume_times;
  bool batch = false;
};

// Fails, as stock does, where a field is missing that must be there, or is no number.
[[nodiscard]] Result<SendHeader> parse_send_header(const wire::Request& request);

}  // namespace rmq::broker
