#include "libstore/forensics/batch_runs.h"

#include <algorithm>

namespace rmq::forensics {
namespace {

constexpr std::int64_t kUnit = format::kBatchConsumeQueueEntrySize;
constexpr std::int64_t kBlockUnits = 1424;     // 64 KiB
constexpr std::size_t kMostRunsOfAFile = 256;  // a file with more holds no queue

// The runs of one file, whose unit `first_unit` lies at `position`; `room` bytes behind that hold units.
std::vector<BatchRuns::Run> runs_of(const io::ReadFile& file, std::int64_t first_unit, std::int64_t position,
                                    std::int64_t room) {
  std::vector<BatchRuns::Run> runs;
  bool open = false;
  std::vector<std::byte> block;
  for (std::int64_t at = 0; at < room / kUnit;) {
    const std::int64_t data = (file.next_data(position + at * kUnit) - position) / kUnit;
    if (data > at) {
      open = false;
      at = data;
      continue;
    }
    block.resize(static_cast<std::size_t>(std::min(kBlockUnits, room / kUnit - at) * kUnit));
    const auto got = file.read_at(position + at * kUnit, block);
    const std::int64_t units = got ? static_cast<std::int64_t>(*got) / kUnit : 0;
    if (units == 0) return runs;
    for (std::int64_t i = 0; i < units; ++i) {
      const auto unit = format::BatchConsumeQueueEntry::load(block.data() + i * kUnit);
      const std::int64_t number = first_unit + at + i;
      if (!unit.is_used()) {
        open = false;
      } else if (open && unit.base_offset > runs.back().last_base) {
        runs.back().end = number + 1;
        runs.back().last_base = unit.base_offset;
      } else {
        if (runs.size() == kMostRunsOfAFile) return runs;
        runs.push_back({number, number + 1, unit.base_offset, unit.base_offset});
        open = true;
      }
    }
    at += units;
  }
  return runs;
}

}  // namespace

BatchRuns::BatchRuns(const io::ReadFileSystem& files, const scan::Queue& queue) {
  const auto& mapped = queue.files.files;
  for (std::size_t i = 0; i < mapped.size(); ++i) {
    const auto file = files.open(mapped[i].path);
    if (!file) continue;
    // Where a file is longer than it should be the next one counts.
    const std::int64_t start = mapped[i].start;
    const std::int64_t room =
        i + 1 < mapped.size() ? std::min(mapped[i].size, mapped[i + 1].start - start) : mapped[i].size;
    const std::int64_t first_unit =
        (start + kUnit - 1) / kUnit;  // a name may be no multiple of a unit's size
    const std::int64_t position = first_unit * kUnit - start;
    const auto runs = runs_of(**file, first_unit, position, room - position);
    runs_.insert(runs_.end(), runs.begin(), runs.end());
  }
}

}  // namespace rmq::forensics
