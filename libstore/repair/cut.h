// Where a log is cut, for `rmq-repair cut`.
#pragma once

#include <cstdint>
#include <optional>

#include "libstore/base/error.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::repair {

struct Cut {
  std::int64_t log_offset = 0;  // a record begins there, or the log ends there already
  std::int64_t dropped = 0;     // records from there on
};

// One of the two is given: a log offset (the record that it lies in goes too), or a time (ms since the epoch:
// the first record that was stored later goes, and all behind it). Fails with wrong_use where the log has
// neither.
[[nodiscard]] Result<Cut> resolve_cut(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                      std::optional<std::int64_t> at, std::optional<std::int64_t> time_ms);

}  // namespace rmq::repair
