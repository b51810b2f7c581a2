#include "libstore/forensics/group_offsets.h"

#include <algorithm>
#include <iterator>

#include "libstore/forensics/consumer_progress.h"
#include "libstore/format/tags_code.h"

namespace rmq::forensics {

std::vector<GroupOffset> read_group_offsets(const DumpInput& input, std::vector<std::string>& faults) {
  ConsumerProgress progress = read_consumer_progress(input.files, input.survey);
  std::ranges::move(progress.faults, std::back_inserter(faults));
  std::vector<GroupOffset> all;
  if (progress.offsets) {
    for (const format::ConsumerOffset& one : *progress.offsets)
      all.push_back({one.group, one.topic, one.queue_id, one.offset});
  }
  if (progress.delays) {
    for (const format::DelayOffset& one : *progress.delays)
      all.push_back(
          {std::string(kDelayLevels), std::string(format::kScheduleTopic), one.level - 1, one.offset});
  }
  return all;
}

}  // namespace rmq::forensics
