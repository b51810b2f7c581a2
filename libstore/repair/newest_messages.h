// When the newest message of a queue was stored, read from the log itself: its queue may be damaged.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::repair {

using QueueKey = std::pair<std::string, std::int32_t>;  // topic, queue id

// Store timestamps, ms; queues of which nothing is found are left out. Walks the log's files from the last to
// the first, until every queue has been met. Files that cannot be read are passed over.
[[nodiscard]] std::map<QueueKey, std::int64_t> newest_messages(const io::ReadFileSystem& files,
                                                               const scan::StoreSurvey& survey,
                                                               const std::set<QueueKey>& wanted);

}  // namespace rmq::repair
