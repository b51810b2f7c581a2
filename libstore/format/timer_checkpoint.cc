#include "libstore/format/timer_checkpoint.h"

#include <algorithm>

#include "libstore/bytes/big_endian.h"

namespace rmq::format {

TimerCheckpoint TimerCheckpoint::read(std::span<const std::byte> bytes) {
  std::array<std::byte, kTimerCheckpointUsed> fields{};
  std::ranges::copy(bytes.first(std::min(bytes.size(), fields.size())), fields.begin());
  const auto at = [&](std::size_t offset) { return load_be<std::int64_t>(fields.data() + offset); };
  return {at(0), at(8), at(16), at(24), at(32), at(40), at(48)};
}

std::array<std::byte, kTimerCheckpointFileSize> TimerCheckpoint::encode() const {
  std::array<std::byte, kTimerCheckpointFileSize> out{};
  std::byte* to = out.data();
  for (const std::int64_t field : {last_read_time, last_log_flush_position, last_queue_offset,
                                   master_queue_offset, state_version, timestamp, counter}) {
    store_be(to, field);
    to += sizeof field;
  }
  return out;
}

}  // namespace rmq::format
