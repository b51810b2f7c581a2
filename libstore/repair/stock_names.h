// Topics and groups that a stock broker makes by itself at every start: no state file has to list them.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace rmq::repair {

inline constexpr std::string_view kRetryPrefix = "%RETRY%";
inline constexpr std::string_view kDlqPrefix = "%DLQ%";
inline constexpr std::string_view kLmqPrefix = "%LMQ%";
inline constexpr std::string_view kScheduleTopic = "SCHEDULE_TOPIC_XXXX";
inline constexpr std::string_view kScheduleGroup = "SCHEDULE_CONSUMER";

// TopicConfigManager.init makes them, with the broker's own numbers of queues. Those that are named after
// the cluster and the broker are not known here.
[[nodiscard]] inline bool is_made_at_start(std::string_view topic) {
  constexpr std::array<std::string_view, 5> kTopics{kScheduleTopic, "TBW102", "SELF_TEST_TOPIC",
                                                    "BenchmarkTest", "OFFSET_MOVED_EVENT"};
  return topic.starts_with("rmq_sys_") || topic.starts_with("RMQ_SYS_") ||
         std::ranges::find(kTopics, topic) != kTopics.end();
}

// MixAll.isPredefinedGroup and isSysConsumerGroup: SubscriptionGroupManager.init, or nobody's consumers.
[[nodiscard]] inline bool is_predefined_group(std::string_view group) {
  constexpr std::array<std::string_view, 13> kGroups{
      "DEFAULT_CONSUMER",   "DEFAULT_PRODUCER",   "TOOLS_CONSUMER",        kScheduleGroup,
      "FILTERSRV_CONSUMER", "__MONITOR_CONSUMER", "CLIENT_INNER_PRODUCER", "SELF_TEST_P_GROUP",
      "SELF_TEST_C_GROUP",  "CID_ONS-HTTP-PROXY", "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER",
      "CID_ONSAPI_PULL"};
  return group.starts_with("CID_RMQ_SYS_") || std::ranges::find(kGroups, group) != kGroups.end();
}

}  // namespace rmq::repair
