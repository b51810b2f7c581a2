// File names of mapped files: the 20-digit start offset (RocketMQ: UtilAll.offset2FileName), and the 17-digit
// local time of index files. Page: docs/format/mapped_file_name.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rmq::format {

inline constexpr std::size_t kMappedFileNameLength = 20;
inline constexpr std::size_t kIndexFileNameLength = 17;

[[nodiscard]] std::string mapped_file_name(std::int64_t start_offset);
// Only the exact form: twenty digits that fit an i64.
[[nodiscard]] std::optional<std::int64_t> parse_mapped_file_name(std::string_view name);
// Seventeen digits, yyyyMMddHHmmssSSS; the value is the digits as a number (it orders as the time does).
[[nodiscard]] std::optional<std::int64_t> parse_index_file_name(std::string_view name);

}  // namespace rmq::format
