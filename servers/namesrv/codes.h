// The numbers of the requests and answers of a name server. RocketMQ: RequestCode, ResponseCode.
#pragma once

#include <cstdint>

namespace rmq::namesrv {

namespace request_code {
inline constexpr std::int32_t kPutKvConfig = 100;
inline constexpr std::int32_t kGetKvConfig = 101;
inline constexpr std::int32_t kDeleteKvConfig = 102;
inline constexpr std::int32_t kRegisterBroker = 103;
inline constexpr std::int32_t kUnregisterBroker = 104;
inline constexpr std::int32_t kGetRouteInfoByTopic = 105;
inline constexpr std::int32_t kGetBrokerClusterInfo = 106;
inline constexpr std::int32_t kWipeWritePermOfBroker = 205;
inline constexpr std::int32_t kGetAllTopicListFromNameserver = 206;
inline constexpr std::int32_t kDeleteTopicInNamesrv = 216;
inline constexpr std::int32_t kRegisterTopicInNamesrv = 217;
inline constexpr std::int32_t kGetKvListByNamespace = 219;
inline constexpr std::int32_t kGetTopicsByCluster = 224;
inline constexpr std::int32_t kGetSystemTopicListFromNs = 304;
inline constexpr std::int32_t kGetUnitTopicList = 311;
inline constexpr std::int32_t kGetHasUnitSubTopicList = 312;
inline constexpr std::int32_t kGetHasUnitSubUnunitTopicList = 313;
inline constexpr std::int32_t kUpdateNamesrvConfig = 318;
inline constexpr std::int32_t kGetNamesrvConfig = 319;
inline constexpr std::int32_t kQueryDataVersion = 322;
inline constexpr std::int32_t kAddWritePermOfBroker = 327;
inline constexpr std::int32_t kGetBrokerMemberGroup = 901;
inline constexpr std::int32_t kBrokerHeartbeat = 904;
inline constexpr std::int32_t kNotifyMinBrokerIdChange = 905;  // ours, to brokers
}  // namespace request_code

namespace response_code {
inline constexpr std::int32_t kSuccess = 0;
inline constexpr std::int32_t kSystemError = 1;
inline constexpr std::int32_t kRequestCodeNotSupported = 3;
inline constexpr std::int32_t kNoPermission = 16;
inline constexpr std::int32_t kTopicNotExist = 17;
inline constexpr std::int32_t kQueryNotFound = 22;
}  // namespace response_code

}  // namespace rmq::namesrv
