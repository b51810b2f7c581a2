// How far consumer groups have read, as a broker that starts now would load it: consumerOffset.json and
// delayOffset.json, each from its .bak if need be, or RocksDB. RocketMQ: ConsumerOffsetManager, ScheduleMessageService.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/forensics/dump.h"

namespace rmq::forensics {

// Whoever delivers delayed messages reads their queues as a group does.
inline constexpr std::string_view kDelayLevels = "(delay levels)";

struct GroupOffset {
  std::string group;  // or kDelayLevels
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t offset = 0;  // of the next message
};

// What could not be read is added to `faults`; a file that says nothing sensible counts as empty.
[[nodiscard]] std::vector<GroupOffset> read_group_offsets(const DumpInput& input,
                                                          std::vector<std::string>& faults);

}  // namespace rmq::forensics
