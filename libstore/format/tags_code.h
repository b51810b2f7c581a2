// The tags code a consume queue keeps of a message, and the delay levels of SCHEDULE_TOPIC_XXXX.
// RocketMQ: MessageExtBrokerInner.tagsString2tagsCode, CommitLog.checkMessageAndReturnSize,
// MessageStoreConfig.messageDelayLevel. Page: docs/format/tags_code.md.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "libstore/bytes/decode_error.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/message_properties.h"

namespace rmq::format {

inline constexpr std::string_view kScheduleTopic = "SCHEDULE_TOPIC_XXXX";
inline constexpr std::string_view kDefaultDelayLevels =
    "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";

// Milliseconds of each level; level 1 is the first. "1s 5m 2h 1d", parts separated by single spaces.
class DelayLevels {
 public:
  [[nodiscard]] static Decoded<DelayLevels> parse(std::string_view text);
  DelayLevels();  // kDefaultDelayLevels

  // When a delayed message stored at `store_timestamp` is due; store time + 1 s for a level nobody defined.
  [[nodiscard]] std::int64_t deliver_timestamp(std::int32_t level, std::int64_t store_timestamp) const;
  [[nodiscard]] std::int32_t max_level() const { return static_cast<std::int32_t>(milliseconds_.size()); }

 private:
  explicit DelayLevels(std::vector<std::int64_t> milliseconds) : milliseconds_(std::move(milliseconds)) {}
  std::vector<std::int64_t> milliseconds_;
};

// Java's Integer.parseInt, which also takes a sign.
[[nodiscard]] bool parse_java_int(std::string_view text, std::int32_t& value);

// The tags code stock writes for this message. Fails with bad_field where stock's parsing of the DELAY property
// throws (a text that is no number).
[[nodiscard]] Decoded<std::int64_t> tags_code(const MessageView& message, const StoreProperties& properties,
                                              const DelayLevels& levels);

}  // namespace rmq::format
