// The topics and groups in which a broker keeps what is not delivered yet, or not done with. RocketMQ:
// TopicValidator, TransactionalMessageUtil, TimerMessageStore.TIMER_TOPIC, PopAckConstants, MixAll;
// SCHEDULE_TOPIC_XXXX is tags_code.h's.
#pragma once

#include <string_view>

namespace rmq::forensics {

// Half messages of transactions; what decided them, queue by queue; those that nobody decided in time.
inline constexpr std::string_view kHalfTopic = "RMQ_SYS_TRANS_HALF_TOPIC";
inline constexpr std::string_view kOpHalfTopic = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
inline constexpr std::string_view kGivenUpTopic = "TRANS_CHECK_MAX_TIME_TOPIC";
inline constexpr std::string_view kTransactionGroup = "CID_RMQ_SYS_TRANS";

inline constexpr std::string_view kTimerTopic = "rmq_sys_wheel_timer";

// The cluster's name follows.
inline constexpr std::string_view kReviveTopicPrefix = "rmq_sys_REVIVE_LOG_";
inline constexpr std::string_view kReviveGroup = "CID_RMQ_SYS_REVIVE_GROUP";

inline constexpr std::string_view kRetryPrefix = "%RETRY%";
inline constexpr std::string_view kDlqPrefix = "%DLQ%";

// Where a message of a system topic belongs, and what else brokers note on their way (MessageConst).
inline constexpr std::string_view kPropertyRealTopic = "REAL_TOPIC";
inline constexpr std::string_view kPropertyRealQueueId = "REAL_QID";
inline constexpr std::string_view kPropertyRetryTopic = "RETRY_TOPIC";
inline constexpr std::string_view kPropertyOriginMessageId = "ORIGIN_MESSAGE_ID";
inline constexpr std::string_view kPropertyCheckTimes = "TRANSACTION_CHECK_TIMES";
inline constexpr std::string_view kPropertyTimerOut = "TIMER_OUT_MS";
inline constexpr std::string_view kPropertyTimerRollTimes = "TIMER_ROLL_TIMES";
inline constexpr std::string_view kPropertyTimerDeleteKey = "TIMER_DEL_UNIQKEY";

}  // namespace rmq::forensics
