// Consume queues as verify sees them: where a queue offset's unit lies, and which units a record of the log
// has confirmed. One bit a unit is all that is kept of a queue; units are read through small windows.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libstore/forensics/batch_runs.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

// A unit is addressed by its number in the queue's files: byte position / unit size. In a simple queue that
// is the queue offset; in a batch queue it is the batch's number.
using UnitNumber = std::int64_t;
// No queue reaches further: byte positions of units up to here fit an i64.
inline constexpr UnitNumber kLastUnit = std::numeric_limits<std::int64_t>::max() / 64;
[[nodiscard]] constexpr bool is_possible_unit(std::int64_t number) {
  return number >= 0 && number <= kLastUnit;
}

[[nodiscard]] constexpr std::int64_t unit_size_of(const scan::Queue& queue) {
  return queue.kind == scan::QueueKind::batch ? format::kBatchConsumeQueueEntrySize
                                              : format::kConsumeQueueEntrySize;
}

// Which units of one queue file are confirmed, by their place in the file.
struct ConfirmedUnits {
  std::span<const std::uint64_t> words;

  [[nodiscard]] bool test(std::int64_t place) const {
    const auto bit = static_cast<std::uint64_t>(place);
    return bit / 64 < words.size() && ((words[bit / 64] >> (bit % 64)) & 1U) != 0;
  }
  // The first confirmed place in [from, end); `end` when there is none.
  [[nodiscard]] std::int64_t next(std::int64_t from, std::int64_t end) const;
};

class QueueState {
 public:
  explicit QueueState(const scan::Queue& queue);

  [[nodiscard]] const scan::Queue& queue() const { return *queue_; }
  [[nodiscard]] std::int64_t unit_size() const { return unit_size_; }
  [[nodiscard]] UnitNumber first_unit() const { return first_unit_; }  // of the first file
  // The file that holds the unit; nullptr where none does. A file cut short holds only its whole units.
  [[nodiscard]] const scan::MappedFile* file_of(UnitNumber unit) const;
  // Bytes of one of the queue's files that hold units: up to where the next file begins, however long it is.
  [[nodiscard]] std::int64_t room_in(const scan::MappedFile& file) const;

  // Thread-safe.
  void confirm(UnitNumber first, std::int64_t count);
  // A record of queue offset 0 lies at `log_offset`: a generation of the queue begins there.
  void note_generation(std::int64_t log_offset);

  // Thread-safe, and for batch queues only: the first call reads the queue's files.
  [[nodiscard]] const BatchRuns& batch_runs(const io::ReadFileSystem& files) const;

  // Only when nobody writes any more.
  [[nodiscard]] bool is_confirmed(UnitNumber unit) const;
  [[nodiscard]] ConfirmedUnits confirmed_in(const scan::MappedFile& file) const;  // one of the queue's files
  [[nodiscard]] std::int64_t confirmed_units() const { return confirmed_units_; }
  [[nodiscard]] UnitNumber first_confirmed() const { return first_confirmed_; }
  [[nodiscard]] UnitNumber last_confirmed() const { return last_confirmed_; }  // -1 when none is
  [[nodiscard]] std::int64_t generation_start() const { return generation_start_; }

 private:
  const scan::Queue* queue_;
  std::int64_t unit_size_;
  UnitNumber first_unit_ = 0;
  std::mutex mutex_;
  // One bit a unit, file by file, grown as far as units are confirmed: a file with a wild name costs no more
  // than others.
  std::vector<std::vector<std::uint64_t>> bits_;
  std::int64_t confirmed_units_ = 0;
  UnitNumber first_confirmed_ = std::numeric_limits<std::int64_t>::max();
  UnitNumber last_confirmed_ = -1;
  std::int64_t generation_start_ = -1;
  mutable std::once_flag batch_runs_once_;
  mutable std::optional<BatchRuns> batch_runs_;
};

class QueueTable {
 public:
  explicit QueueTable(const scan::StoreSurvey& survey);

  // nullptr when the store has no such queue. The batch queue where a topic has both kinds.
  [[nodiscard]] QueueState* find(std::string_view topic, std::int32_t queue_id) const;
  [[nodiscard]] std::span<const std::unique_ptr<QueueState>> queues() const { return states_; }
  // Is there a directory for any queue of this topic?
  [[nodiscard]] bool has_topic(std::string_view topic) const;

 private:
  struct Key {
    std::string_view topic;
    std::int32_t queue_id;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return std::hash<std::string_view>{}(key.topic) * 31 + static_cast<std::size_t>(key.queue_id);
    }
  };
  std::vector<std::unique_ptr<QueueState>> states_;  // in the survey's order
  std::unordered_map<Key, QueueState*, KeyHash> by_key_;
};

// Reads units of one queue through a window that slides with the reader. One thread at a time.
class UnitReader {
 public:
  UnitReader(const io::ReadFileSystem& files, const QueueState& state, std::size_t window_bytes);

  // The unit's bytes, or nullptr where no file holds it (or it cannot be read). Valid until the next call.
  [[nodiscard]] const std::byte* unit(UnitNumber number) {
    if (number >= window_first_ && number < window_end_) {
      return window_.data() + (number - window_first_) * unit_size_;
    }
    return load(number);
  }
  [[nodiscard]] std::optional<format::ConsumeQueueEntry> entry(UnitNumber number);
  void close() { file_.reset(); }
  [[nodiscard]] bool is_open() const { return file_ != nullptr; }

  // Batch queues: the unit whose batch begins at `base_offset`. The same whatever was asked before; the one
  // behind the last one found costs least.
  [[nodiscard]] std::optional<UnitNumber> find_batch(std::int64_t base_offset);

 private:
  const std::byte* load(UnitNumber number);

  const io::ReadFileSystem& files_;
  const QueueState& state_;
  std::int64_t unit_size_;
  std::size_t window_bytes_;
  std::vector<std::byte> window_;
  UnitNumber window_first_ = 0;
  UnitNumber window_end_ = 0;
  const scan::MappedFile* mapped_ = nullptr;
  std::unique_ptr<io::ReadFile> file_;
  UnitNumber next_batch_ = 0;
};

}  // namespace rmq::forensics
