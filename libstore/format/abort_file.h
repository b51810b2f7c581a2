// The file `abort`: there while a broker runs, so that finding it at the start means the last run ended
// badly. RocketMQ: DefaultMessageStore.createTempFile. Page: docs/format/abort_file.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace rmq::format {

inline constexpr std::string_view kAbortFileName = "abort";
// The generic writer's copy of the text before, always empty. It stays after a clean stop and means nothing.
inline constexpr std::string_view kAbortBackupFileName = "abort.bak";

// The process id in the file. Nothing where the text is not one: the file may be empty after a crash, and its
// presence alone says all.
[[nodiscard]] std::optional<std::int64_t> parse_abort_file(std::string_view text);

}  // namespace rmq::format
