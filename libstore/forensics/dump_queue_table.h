// The consume queues of a store as a stock broker would see them after its start, read in small windows:
// bounds of every queue, and the unit at a queue offset. RocketMQ: ConsumeQueue, ConsumeQueueExt,
// BatchConsumeQueue (recover, correctMinOffset, iterateFrom). Thread-safe; memory is bounded however many
// queues there are.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libstore/forensics/compaction_queues.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

struct ExtContent {
  std::int16_t size = 0;
  std::int64_t store_timestamp = 0;
  std::vector<std::byte> bit_map;
};

struct QueueUnit {
  std::int64_t queue_offset = 0;
  std::int64_t commit_log_offset = 0;
  std::int32_t size = 0;
  std::int64_t tags_code = 0;         // taken from the ext unit where the queue holds an address
  std::int64_t stored_tags_code = 0;  // as the unit has it
  std::optional<ExtContent> ext;
  // Batch queues only.
  std::int64_t store_timestamp = 0;
  std::int32_t batch_size = 1;
  std::int32_t compacted_offset = -1;
  bool pre_blank = false;
};

// Queue offsets a consumer can ask for: min <= offset < max.
struct QueueBounds {
  std::int64_t min_offset = 0;
  std::int64_t max_offset = 0;
  std::int64_t end_position = 0;   // bytes, one past the last unit below max; as file names count
  std::int64_t used_position = 0;  // one past the last used unit: what lies between leads past the log's end
};

class DumpQueueTable {
 public:
  // Both must outlive the table.
  DumpQueueTable(const io::ReadFileSystem& files, const scan::StoreSurvey& survey);
  ~DumpQueueTable();

  [[nodiscard]] std::size_t size() const { return queues_.size(); }
  [[nodiscard]] const scan::Queue& queue(std::size_t index) const;
  [[nodiscard]] std::optional<std::size_t> find(std::string_view topic, std::int32_t queue_id) const;

  [[nodiscard]] QueueBounds bounds(std::size_t index);
  // The unit that holds `queue_offset` (for a batch queue: whose batch does); nullopt outside of the bounds.
  [[nodiscard]] std::optional<QueueUnit> unit(std::size_t index, std::int64_t queue_offset);
  // The unit at a place: `position` in bytes as file names count. nullopt where no file is or it cannot be
  // read.
  [[nodiscard]] std::optional<QueueUnit> unit_at(std::size_t index, std::int64_t position);

  [[nodiscard]] const CompactionQueues& compaction() const { return compaction_; }
  // Where the commit log starts by its file names.
  [[nodiscard]] std::int64_t log_start() const { return log_start_; }
  // One past its last record; found when first asked for.
  [[nodiscard]] std::int64_t log_end();
  // What could not be read so far.
  [[nodiscard]] std::vector<std::string> faults() const;

 private:
  struct State;
  std::span<const std::byte> window(State& state, std::int64_t position, std::int64_t wanted);
  std::optional<QueueUnit> load(State& state, std::int64_t position);
  QueueBounds find_bounds(State& state);
  std::optional<QueueUnit> last_unit(State& state, std::int64_t end);
  void cut_past_log(State& state, QueueBounds& bounds);
  void find_minimum(State& state, QueueBounds& bounds);
  std::optional<std::int64_t> find_batch(State& state, const QueueBounds& bounds, std::int64_t queue_offset);
  void resolve_ext(State& state, QueueUnit& unit);
  void limit_windows();
  void note_fault(const Error& error);

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  const CompactionQueues compaction_;
  std::int64_t log_start_ = 0;
  std::once_flag log_end_once_;
  std::int64_t log_end_ = 0;
  // 5.x puts the minimum of a queue whose messages have all expired behind its last unit, 4.x leaves it where it is
  // (ConsumeQueue.correctMinOffset).
  bool all_expired_moves_ = true;
  std::vector<std::unique_ptr<State>> queues_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::atomic<std::int64_t> window_bytes_ = 0;
  mutable std::mutex faults_mutex_;
  std::vector<std::string> faults_;
};

}  // namespace rmq::forensics
