// The bits of a message's SYSFLAG field (RocketMQ: MessageSysFlag).
#pragma once

#include <cstdint>
#include <string_view>

namespace rmq::format {

inline constexpr std::int32_t kSysFlagCompressed = 0x1;
inline constexpr std::int32_t kSysFlagMultiTags = 0x2;
inline constexpr std::int32_t kSysFlagTransactionMask = 0xC;
inline constexpr std::int32_t kSysFlagTransactionPrepared = 0x4;
inline constexpr std::int32_t kSysFlagTransactionCommit = 0x8;
inline constexpr std::int32_t kSysFlagTransactionRollback = 0xC;
inline constexpr std::int32_t kSysFlagBornHostV6 = 0x10;
inline constexpr std::int32_t kSysFlagStoreHostV6 = 0x20;
inline constexpr std::int32_t kSysFlagNeedUnwrap = 0x40;
inline constexpr std::int32_t kSysFlagInnerBatch = 0x80;
inline constexpr std::int32_t kSysFlagCompressionTypeMask = 0x700;
inline constexpr std::int32_t kSysFlagCompressionLz4 = 0x100;
inline constexpr std::int32_t kSysFlagCompressionZstd = 0x200;
inline constexpr std::int32_t kSysFlagCompressionZlib = 0x300;  // type 0 means zlib as well

[[nodiscard]] constexpr std::int32_t transaction_type(std::int32_t sys_flag) {
  return sys_flag & kSysFlagTransactionMask;
}

// Half messages and rollbacks never enter a consume queue and store queue offset 0
// (RocketMQ: CommitLogDispatcherBuildConsumeQueue).
[[nodiscard]] constexpr bool enters_consume_queue(std::int32_t sys_flag) {
  const std::int32_t type = transaction_type(sys_flag);
  return type == 0 || type == kSysFlagTransactionCommit;
}

// Only rollbacks are left out of the index (RocketMQ: IndexService.buildIndex).
[[nodiscard]] constexpr bool enters_index(std::int32_t sys_flag) {
  return transaction_type(sys_flag) != kSysFlagTransactionRollback;
}

}  // namespace rmq::format
