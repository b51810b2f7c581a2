// A small text kept on disk, with the one before it as FILE.bak. RocketMQ: MixAll.string2File, file2String.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"

namespace rmq::namesrv {

[[nodiscard]] Status keep_text(io::FileSystem& files, const std::string& path, std::string_view text);
// Nothing where there is no such file.
[[nodiscard]] Result<std::optional<std::string>> kept_text(const io::FileSystem& files,
                                                           const std::string& path);

}  // namespace rmq::namesrv
