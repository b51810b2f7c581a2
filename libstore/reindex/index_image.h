// Index files as the log says them, from a harvest's keys. An entry is written once and never changed, so
// only a file's slots are held in memory, and files are made independently of each other. RocketMQ:
// IndexService.buildIndex, IndexFile.putKey.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/format/index_file.h"
#include "libstore/io/anonymous_memory.h"
#include "libstore/io/file_system.h"
#include "libstore/reindex/harvest.h"

namespace rmq::reindex {

struct IndexShape {
  std::int32_t slots = format::kDefaultIndexSlots;
  std::int32_t entries = format::kDefaultIndexEntries;

  [[nodiscard]] std::int64_t file_size() const { return format::index_entry_position(slots, entries); }
  [[nodiscard]] std::int64_t keys_in_file() const { return entries - 1; }
};

// The keys [from, end) of the harvest are one file's.
struct IndexFilePlan {
  std::int64_t from = 0;
  std::int64_t end = 0;
};
// Also a file without entries, where a message came when the one before was full, or none has a key.
[[nodiscard]] Result<std::vector<IndexFilePlan>> plan_index_files(const Harvest& harvest,
                                                                  const IndexShape& shape);

struct IndexKey {
  std::int32_t hash = 0;
  std::int64_t log_offset = 0;
  std::int64_t store_timestamp = 0;
};
// Key `number` of the harvest.
[[nodiscard]] Result<IndexKey> key_at(const Harvest& harvest, std::int64_t number);

// The slots of one file at a time.
class IndexFileMaker {
 public:
  [[nodiscard]] static Result<IndexFileMaker> make(const IndexShape& shape, std::size_t buffer);

  // Writes all of `file`, which is new and of IndexShape::file_size(). Returns its header.
  [[nodiscard]] Result<format::IndexHeader> write(const Harvest& harvest, const IndexFilePlan& plan,
                                                  io::WriteFile& file);

  // Entry by entry: the file begins, and behind what the one before it ended with.
  void begin(const format::IndexHeader& header);
  [[nodiscard]] format::IndexEntry put(const IndexKey& key);
  [[nodiscard]] const format::IndexHeader& header() const { return header_; }

 private:
  class Entries;

  IndexFileMaker(const IndexShape& shape, io::AnonymousMemory head, io::AnonymousMemory buffer);
  [[nodiscard]] std::byte* slot(std::int32_t hash) {
    return head_.bytes().data() + format::index_slot_position(hash % shape_.slots);
  }
  [[nodiscard]] Status write_head(io::WriteFile& file);

  IndexShape shape_;
  io::AnonymousMemory head_;  // header and slots, as in the file
  bool fresh_ = true;
  format::IndexHeader header_;
  io::AnonymousMemory buffer_;  // entries on their way
};

}  // namespace rmq::reindex
