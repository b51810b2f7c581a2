// The two names of a message: where it lies (offset message id), and the one that its producer gave it
// (UNIQ_KEY). RocketMQ: MessageDecoder.createMessageId, MessageClientIDSetter.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "libstore/engine/clock.h"
#include "libstore/format/commit_log_record.h"

namespace rmq::broker {

// Upper-case hex of the broker's address and the message's place in the log: appended.
void append_offset_message_id(const format::HostView& store_host, std::int64_t log_offset, std::string& into);

// Makes UNIQ_KEYs for messages that come without one: address, process, and a number for this maker, then
// milliseconds since the month began and a counter. Thread-safe.
class UniqueIds {
 public:
  UniqueIds(const format::HostView& store_host, const engine::Clock& clock);
  void append(std::string& into);

 private:
  const engine::Clock& clock_;
  std::string fixed_;
  std::atomic<std::int64_t> month_begins_ms_{0};
  std::atomic<std::int64_t> month_ends_ms_{0};
  std::atomic<std::uint16_t> counter_{0};
};

}  // namespace rmq::broker
