// What a pull asks for. RocketMQ: PullMessageRequestHeader, PullSysFlag.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libstore/base/error.h"
#include "servers/wire/command.h"

namespace rmq::broker {

inline constexpr std::int32_t kPullCommitOffset = 1;
inline constexpr std::int32_t kPullSuspend = 2;
inline constexpr std::int32_t kPullSubscription = 4;
inline constexpr std::int32_t kPullClassFilter = 8;
inline constexpr std::int32_t kPullLite = 16;

// Text is std::string_view for a request at hand, std::string for one that is held.
template <class Text>
struct PullHeaderOf {
  std::int32_t code = 0;  // PULL_MESSAGE or LITE_PULL_MESSAGE
  Text group;
  Text topic;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
  std::int32_t max_messages = 0;
  std::int32_t sys_flag = 0;
  std::int64_t commit_offset = 0;
  std::int64_t suspend_ms = 0;
  Text subscription;
  std::int64_t sub_version = 0;
  Text expression_type;

  [[nodiscard]] bool has(std::int32_t flag) const { return (sys_flag & flag) != 0; }

  template <class To>
  [[nodiscard]] PullHeaderOf<To> as() const {
    return {code,     To(group),     To(topic),  queue_id,         queue_offset, max_messages,
            sys_flag, commit_offset, suspend_ms, To(subscription), sub_version,  To(expression_type)};
  }
};
using PullHeader = PullHeaderOf<std::string_view>;
using OwnedPullHeader = PullHeaderOf<std::string>;

// Fails, as stock does, where a field is missing that must be there, or is no number.
[[nodiscard]] Result<PullHeader> parse_pull_header(const wire::Request& request);

}  // namespace rmq::broker
