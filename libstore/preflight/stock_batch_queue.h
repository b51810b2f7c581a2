// One batch consume queue (5.x) as a starting broker sees and changes it; the twin of SimpleQueue.
// RocketMQ: BatchConsumeQueue.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/preflight/file_pool.h"
#include "libstore/preflight/mapped_files.h"
#include "libstore/preflight/stock_queue.h"

namespace rmq::preflight {

struct BatchFile : MappedFileState {
  std::int32_t written_from = 0;
  std::vector<format::BatchConsumeQueueEntry> written;
};

// Where a unit stands: a file of the queue and a unit in it.
struct BatchPlace {
  std::size_t file = 0;
  std::int64_t unit = 0;
  bool operator==(const BatchPlace&) const = default;
};

class BatchQueue {
 public:
  static constexpr std::int64_t kUnit = format::kBatchConsumeQueueEntrySize;
  using Entry = format::BatchConsumeQueueEntry;

  [[nodiscard]] LoadFault load(const scan::MappedFileSet& set, const RecoveryRules& rules) {
    return files_.load(set, rules);
  }
  void set_file_size(std::int64_t size) { files_.file_size = size; }

  std::int64_t recover(FilePool& pool);
  [[nodiscard]] StockFate truncate_dirty(std::int64_t log_end, FilePool& pool);
  // putBatchMessagePositionInfo
  [[nodiscard]] bool put(const Entry& entry, bool can_create_files, FilePool& pool);
  void correct_min_offset(std::int64_t log_start, FilePool& pool);
  void destroy();

  [[nodiscard]] std::int64_t max_physic_offset() const { return max_physic_offset_; }
  [[nodiscard]] std::int64_t min_offset() const { return min_offset_; }
  [[nodiscard]] std::int64_t max_offset() const { return max_offset_; }
  [[nodiscard]] const std::vector<std::string>& destroyed_files() const { return files_.destroyed; }
  [[nodiscard]] bool was_truncated() const { return truncated_; }

  // getBatchMsgIndexBuffer: the unit that a read of `queue_offset` begins with.
  [[nodiscard]] std::optional<BatchPlace> find(std::int64_t queue_offset, FilePool& pool) const;
  // The next queue offset above this one (which `place` answers) that another unit answers, bases ascending.
  [[nodiscard]] std::int64_t next_offset(std::int64_t queue_offset, const std::optional<BatchPlace>& place,
                                         FilePool& pool) const;
  [[nodiscard]] Entry entry_at(const BatchPlace& place, FilePool& pool) const;
  // Units that a reader may get from this file.
  [[nodiscard]] std::int64_t units_in(std::size_t file) const { return files_.files[file].wrote / kUnit; }

 private:
  [[nodiscard]] Entry entry_at(const BatchFile& file, std::int64_t unit, FilePool& pool) const;
  [[nodiscard]] std::int64_t units_per_file() const { return files_.file_size / kUnit; }
  void revise_min(FilePool& pool);
  void revise_max(FilePool& pool);

  template <class Visit>
  void for_each_unit(const BatchFile& file, std::int64_t units, FilePool& pool, Visit&& visit) const;

  MappedFiles<BatchFile> files_;
  std::int64_t max_physic_offset_ = -1;  // maxMsgPhyOffsetInCommitLog: of the last unit's record, its start
  std::int64_t min_offset_ = -1;
  std::int64_t max_offset_ = 0;
  bool truncated_ = false;
};

}  // namespace rmq::preflight
