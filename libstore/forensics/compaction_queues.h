// The queues of the compaction store: which messages of a compacted topic are left, and where their copies lie.
// RocketMQ: SparseConsumeQueue. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libstore/forensics/part_files.h"
#include "libstore/format/batch_consume_queue_entry.h"

namespace rmq::forensics {

class CompactionQueues {
 public:
  // Both must outlive it.
  CompactionQueues(const io::ReadFileSystem& files, const scan::StoreSurvey& survey);

  // Does the compaction store keep this queue? Consumers then read there and nowhere else.
  [[nodiscard]] bool has(std::string_view topic, std::int32_t queue_id) const;
  // The unit of a queue offset; nothing where the message was compacted away, or where units cannot be read.
  [[nodiscard]] std::optional<format::BatchConsumeQueueEntry> unit(std::string_view topic, std::int32_t queue_id,
                                                                   std::int64_t queue_offset) const;

  // Topic and queue id of every queue with a directory in the compaction store, sorted.
  [[nodiscard]] static std::vector<std::pair<std::string, std::int32_t>> list(const scan::StoreSurvey& survey);

 private:
  struct Less {
    using is_transparent = void;
    using View = std::pair<std::string_view, std::int32_t>;
    bool operator()(const View& a, const View& b) const { return a < b; }
  };
  const io::ReadFileSystem& files_;
  std::map<std::pair<std::string, std::int32_t>, PartFiles, Less> queues_;
};

}  // namespace rmq::forensics
