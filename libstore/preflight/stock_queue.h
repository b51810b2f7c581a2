// One file-based consume queue as a starting broker sees and changes it. What recovery would write lies in
// memory beside the files; what it cuts off stays visible behind the cut, as it does on disk. RocketMQ:
// ConsumeQueue.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libstore/format/consume_queue_entry.h"
#include "libstore/preflight/file_pool.h"
#include "libstore/preflight/mapped_files.h"

namespace rmq::preflight {

struct QueueUnit {
  std::int64_t offset = 0;
  std::int32_t size = 0;

  [[nodiscard]] bool is_used() const { return offset >= 0 && size > 0; }
};

// Twelve bytes, not sixteen: recovery of a store without queues may append a unit for every message.
struct PackedUnit {
  explicit PackedUnit(const QueueUnit& unit)
      : high(static_cast<std::uint32_t>(static_cast<std::uint64_t>(unit.offset) >> 32)),
        low(static_cast<std::uint32_t>(static_cast<std::uint64_t>(unit.offset))),
        size(unit.size) {}
  [[nodiscard]] QueueUnit unpack() const {
    return {static_cast<std::int64_t>(std::uint64_t{high} << 32 | low), size};
  }
  std::uint32_t high;
  std::uint32_t low;
  std::int32_t size;
};

struct QueueFile : MappedFileState {
  std::int32_t pre_blanks = 0;    // a new file begins with this many (ConsumeQueue.fillPreBlank)
  std::int32_t written_from = 0;  // the unit that written[0] is
  std::vector<PackedUnit> written;
};

// What a broker does when it meets something its code did not expect.
enum class StockFate {
  goes_on,
  throws,  // an exception that ends the load
  hangs,   // a loop without an end
};

class SimpleQueue {
 public:
  static constexpr std::int64_t kUnit = format::kConsumeQueueEntrySize;

  [[nodiscard]] LoadFault load(const scan::MappedFileSet& set, const RecoveryRules& rules) {
    return files_.load(set, rules);
  }
  void set_file_size(std::int64_t size) { files_.file_size = size; }

  // Finds the end: the first unused unit from the third last file on. Returns the bytes read for that.
  std::int64_t recover(FilePool& pool);
  // truncateDirtyLogicFiles: cuts off what leads to `log_end` or beyond it.
  [[nodiscard]] StockFate truncate_dirty(std::int64_t log_end, FilePool& pool);
  // putMessagePositionInfo. False: the unit could not be appended (only where no file can be created).
  [[nodiscard]] bool put(const QueueUnit& unit, std::int64_t queue_offset, bool can_create_files,
                         FilePool& pool);
  [[nodiscard]] StockFate correct_min_offset(std::int64_t log_start, const RecoveryRules& rules,
                                             FilePool& pool);
  void destroy();

  [[nodiscard]] std::int64_t max_physic_offset() const { return max_physic_offset_; }
  [[nodiscard]] std::int64_t min_offset() const { return min_logic_offset_ / kUnit; }
  [[nodiscard]] std::int64_t max_offset() const { return files_.max_offset() / kUnit; }
  [[nodiscard]] const std::vector<std::string>& destroyed_files() const { return files_.destroyed; }
  [[nodiscard]] bool was_truncated() const { return truncated_; }

  // The next queue offset above this one where a file may hold something: over holes of any size in one step.
  [[nodiscard]] std::int64_t skip_hole(std::int64_t queue_offset) const;
  // Units that a reader gets from `queue_offset` on, up to the end of the file it is in; fills `out` as far
  // as that goes and returns how many. 0: getIndexBuffer gives nothing. In 5.x a unit counts at the offset
  // that the file's name says, which is another one in a file whose name is no multiple of the size: then 0
  // as well. RocketMQ: ConsumeQueue.getIndexBuffer, ConsumeQueueIterator.
  std::size_t read_from(std::int64_t queue_offset, std::span<QueueUnit> out, const RecoveryRules& rules,
                        FilePool& pool) const;

 private:
  void read_units(const QueueFile& file, std::int64_t first, std::span<QueueUnit> out, FilePool& pool) const;
  [[nodiscard]] QueueUnit read_unit(const QueueFile& file, std::int64_t number, FilePool& pool) const;
  [[nodiscard]] StockFate min_by_search(std::int64_t log_start, FilePool& pool);
  void min_by_scan(std::int64_t log_start, FilePool& pool);
  void write(QueueFile& file, const QueueUnit& unit, FilePool& pool);
  [[nodiscard]] std::int64_t units_per_file() const { return files_.file_size / kUnit; }

  // Calls visit(unit, number) from unit 0 of the file until it returns false or the file ends.
  template <class Visit>
  void for_each_unit(const QueueFile& file, FilePool& pool, Visit&& visit) const;

  MappedFiles<QueueFile> files_;
  std::int64_t max_physic_offset_ = -1;
  std::int64_t min_logic_offset_ = 0;
  bool truncated_ = false;
  // What recover() saw in the file that it ended in; lets truncate_dirty() leave a clean queue alone unread.
  std::optional<std::int64_t> highest_in_last_file_;
};

}  // namespace rmq::preflight
