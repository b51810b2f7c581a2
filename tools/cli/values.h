// Values as people type them: times, sizes, offsets, ranges. Every failure is a sentence that names the flag.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/forensics/dump_filter.h"

namespace rmq::cli {

// Milliseconds since the epoch from ISO 8601 ("2026-01-02", "2026-01-02T03:04:05.678+08:00", "...Z"; without
// a zone local time, or UTC with `utc`), from epoch milliseconds, or relative to `now_ms`: "-2h" (s, m, h, d,
// w).
[[nodiscard]] Result<std::int64_t> parse_time(std::string_view flag, const std::string& text, bool utc,
                                              std::int64_t now_ms);
// Decimal or 0x; not negative.
[[nodiscard]] Result<std::int64_t> parse_offset(std::string_view flag, const std::string& text);
// A count from `least` to `most`.
[[nodiscard]] Result<std::int64_t> parse_count(std::string_view flag, const std::string& text,
                                               std::int64_t least, std::int64_t most);
// "4096", "64K", "100M", "1.5G"; also with iB or B behind.
[[nodiscard]] Result<std::int64_t> parse_size(std::string_view flag, const std::string& text);
// "0,3-5".
[[nodiscard]] Result<std::vector<forensics::NumberRange>> parse_ranges(std::string_view flag,
                                                                       const std::string& text);
// "90", "90s", "2m", "1h": milliseconds; more than none, and at most a year.
[[nodiscard]] Result<std::int64_t> parse_duration(std::string_view flag, const std::string& text);
// Parts between commas, none of them empty.
[[nodiscard]] std::vector<std::string> split_commas(std::string_view text);

// The closest of `known` to what was typed; empty when nothing is close.
[[nodiscard]] std::string nearest(std::string_view typed, const std::vector<std::string>& known);

}  // namespace rmq::cli
