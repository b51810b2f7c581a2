// The file compaction/position-checkpoint (5.x): up to which queue offset each queue was compacted.
// RocketMQ: CompactionPositionMgr. Page: docs/format/compaction_positions.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "libstore/json/json_value.h"

namespace rmq::format {

// By "TOPIC_QUEUEID". A file without the member has none.
[[nodiscard]] json::Parsed<std::map<std::string, std::int64_t, std::less<>>> read_compaction_positions(
    std::string_view text);

}  // namespace rmq::format
