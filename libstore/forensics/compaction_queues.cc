#include "libstore/forensics/compaction_queues.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace rmq::forensics {
namespace {

using format::BatchConsumeQueueEntry;

std::optional<BatchConsumeQueueEntry> read_unit(const io::ReadFile& file, std::int64_t number) {
  std::array<std::byte, format::kBatchConsumeQueueEntrySize> bytes{};
  const auto got = file.read_at(number * format::kBatchConsumeQueueEntrySize, bytes);
  if (!got || *got != bytes.size()) return std::nullopt;
  return BatchConsumeQueueEntry::load(bytes.data());
}

}  // namespace

std::vector<std::pair<std::string, std::int32_t>> CompactionQueues::list(const scan::StoreSurvey& survey) {
  // compaction/compactionLog/TOPIC/QUEUE/FILE, and the same of compactionCq
  std::set<std::pair<std::string, std::int32_t>> queues;
  for (const scan::OtherFile& other : survey.others) {
    if (other.part != scan::OtherPart::compaction) continue;
    std::string_view rest = other.shown;
    const auto take = [&] {
      const std::size_t slash = rest.find('/');
      const std::string_view part = rest.substr(0, slash);
      rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
      return part;
    };
    (void)take();
    const std::string_view kind = take();
    const std::string_view topic = take();
    const std::string_view queue = take();
    if ((kind != "compactionLog" && kind != "compactionCq") || rest.empty() || rest.find('/') != std::string_view::npos) continue;
    std::int32_t queue_id = 0;
    const auto [end, fault] = std::from_chars(queue.data(), queue.data() + queue.size(), queue_id);
    if (fault == std::errc{} && end == queue.data() + queue.size() && queue_id >= 0 && std::to_string(queue_id) == queue) {
      queues.emplace(topic, queue_id);
    }
  }
  return {queues.begin(), queues.end()};
}

CompactionQueues::CompactionQueues(const io::ReadFileSystem& files, const scan::StoreSurvey& survey) : files_(files) {
  for (const auto& [topic, queue_id] : list(survey)) {
    queues_[{topic, queue_id}] = collect_part_files(survey, fmt::format("compaction/compactionCq/{}/{}", topic, queue_id));
  }
}

bool CompactionQueues::has(std::string_view topic, std::int32_t queue_id) const {
  return queues_.find(Less::View(topic, queue_id)) != queues_.end();
}

std::optional<BatchConsumeQueueEntry> CompactionQueues::unit(std::string_view topic, std::int32_t queue_id,
                                                             std::int64_t queue_offset) const {
  const auto found = queues_.find(Less::View(topic, queue_id));
  if (found == queues_.end()) return std::nullopt;
  // The newest file that begins at or below the queue offset; in it, units in use come first and ascend.
  const auto& mapped = found->second.files;
  for (auto file = mapped.rbegin(); file != mapped.rend(); ++file) {
    const auto opened = files_.open(file->path);
    if (!opened) continue;
    const auto first = read_unit(**opened, 0);
    if (!first || !first->is_used() || first->base_offset > queue_offset) continue;
    std::int64_t low = 0;
    std::int64_t high = file->size / format::kBatchConsumeQueueEntrySize;
    while (high - low > 1) {
      const std::int64_t middle = low + (high - low) / 2;
      const auto unit = read_unit(**opened, middle);
      (unit && unit->is_used() && unit->base_offset <= queue_offset ? low : high) = middle;
    }
    const auto unit = read_unit(**opened, low);
    return unit && unit->base_offset == queue_offset ? unit : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace rmq::forensics
