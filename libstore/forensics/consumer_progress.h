// How far consumer groups and delay levels are, as the state files say: the pair's better one, as a broker
// takes it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/format/config_files.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

struct ConsumerProgress {
  // Present where the state could be read: an empty table is not the same as none.
  std::optional<std::vector<format::ConsumerOffset>> offsets;  // sorted by topic, queue id, group
  std::optional<std::vector<format::DelayOffset>> delays;
  std::optional<std::vector<std::string>> groups;  // sorted
  std::optional<std::vector<std::string>> topics;  // sorted
  std::vector<std::string> faults;                 // what could not be read

  // The next queue offset that the group reads.
  [[nodiscard]] std::optional<std::int64_t> offset_of(std::string_view group, std::string_view topic,
                                                      std::int32_t queue_id) const;
};

// A file that says nothing sensible is left out: verify_state and dump_config tell why.
[[nodiscard]] ConsumerProgress read_consumer_progress(const io::ReadFileSystem& files,
                                                      const scan::StoreSurvey& survey);

}  // namespace rmq::forensics
