// The units of one consume queue as they lie on disk, whatever state its files are in. One thread a reader.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::recovery {

[[nodiscard]] constexpr std::int64_t unit_size_of(scan::QueueKind kind) {
  return kind == scan::QueueKind::batch ? format::kBatchConsumeQueueEntrySize
                                        : format::kConsumeQueueEntrySize;
}

// The files of a queue that lie one behind the other at full size, from the first on: what can be appended
// to. Those behind are in the way.
[[nodiscard]] std::size_t files_in_order(const scan::Queue& queue);

// What both kinds of units say; batch units begin with the fields of simple ones.
struct Unit {
  format::ConsumeQueueEntry entry;
  std::int64_t queue_offset = 0;  // of its first message
  std::int32_t messages = 1;
  bool used = false;
};

class QueueUnits {
 public:
  QueueUnits(const io::ReadFileSystem& files, const scan::Queue& queue);

  [[nodiscard]] const scan::Queue& queue() const { return queue_; }
  [[nodiscard]] std::int64_t unit_size() const { return unit_size_; }
  // Numbers of units that the files in order have room for: [first, end).
  [[nodiscard]] std::int64_t first() const { return first_; }
  [[nodiscard]] std::int64_t end() const { return end_; }
  [[nodiscard]] const scan::MappedFile* file_of(std::int64_t number) const;

  // Unit `number`; nothing where no file has it or it cannot be read.
  [[nodiscard]] std::optional<Unit> unit(std::int64_t number);
  // The unit with this queue offset. Batch queues: the one that begins there, found by halving.
  [[nodiscard]] std::optional<std::int64_t> find(std::int64_t queue_offset);
  // Behind the last unit that is used, in any file. Reads whole files, but for their holes.
  [[nodiscard]] std::int64_t used_end();
  // The same, looking only at unit `known` and what lies behind it; `known` where nothing there is used.
  [[nodiscard]] std::int64_t used_end_from(std::int64_t known);
  // The same for a queue whose units are a prefix, or nearly so: by halving.
  [[nodiscard]] std::int64_t prefix_end();

  // Does the ext unit at this address (ConsumeQueueExt) say that tags code for that store time?
  [[nodiscard]] bool ext_says(std::int64_t address, std::int64_t tags_code, std::int64_t store_timestamp);

 private:
  static constexpr std::int64_t kWindow = 16 << 10;

  [[nodiscard]] bool load(std::int64_t number);

  const io::ReadFileSystem& files_;
  const scan::Queue& queue_;
  std::int64_t unit_size_;
  std::size_t in_order_;
  std::int64_t first_ = 0;
  std::int64_t end_ = 0;
  std::vector<std::byte> window_;
  std::int64_t window_first_ = 0;
  std::int64_t window_end_ = 0;
  std::int64_t next_batch_ = 0;  // behind the batch found last
};

}  // namespace rmq::recovery
