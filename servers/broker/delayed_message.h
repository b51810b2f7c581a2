// A message on its way into SCHEDULE_TOPIC_XXXX and out of it again: where it goes, and what its properties
// say about that. RocketMQ: HookUtils.transformDelayLevelMessage, ScheduleMessageService.messageTimeUp.
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libstore/format/commit_log_record.h"

namespace rmq::broker {

// Where a message is put, and with which properties.
struct Destination {
  std::string topic;
  std::int32_t queue_id = 0;
  std::string properties;
};

[[nodiscard]] constexpr std::int32_t delay_level_of_queue(std::int32_t queue_id) { return queue_id + 1; }
[[nodiscard]] constexpr std::int32_t queue_of_delay_level(std::int32_t level) { return level - 1; }

// The DELAY property; 0 where there is none. Nothing where it is no number: stock's parsing throws there.
[[nodiscard]] std::optional<std::int32_t> delay_level(std::string_view properties);

// What a message with a level above 0 becomes until its time has come: it waits in the level's queue, says
// where it belongs, and TIMER_* give way to the level. A level above `max_level` becomes that one.
[[nodiscard]] Destination delayed(Destination message, std::int32_t level, std::int32_t max_level);

// Where a delayed message goes when its time has come. Its properties stay as they are, DELAY and REAL_* with
// them, so that whoever puts it must not delay it again. Nothing where REAL_* make no sense: stock drops such
// a message.
[[nodiscard]] std::optional<Destination> due(const format::MessageView& message);

}  // namespace rmq::broker
