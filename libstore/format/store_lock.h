// The file `lock`: a running broker holds an exclusive lock on its first byte.
// RocketMQ: DefaultMessageStore.start. Page: docs/format/store_lock.md.
#pragma once

#include <cstdint>
#include <string_view>

namespace rmq::format {

inline constexpr std::string_view kStoreLockFileName = "lock";
inline constexpr std::string_view kStoreLockText = "lock";  // the whole file
// FileChannel.tryLock(0, 1, false), which is a POSIX record lock for writing.
inline constexpr std::int64_t kStoreLockStart = 0;
inline constexpr std::int64_t kStoreLockLength = 1;

}  // namespace rmq::format
