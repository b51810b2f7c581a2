// One record on its way to the output, and reading single records by where they lie.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/forensics/dump_queue_table.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/dledger_entry.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/commit_log_walker.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

// Borrows from whatever holds the record's bytes.
struct DumpRecord {
  format::MessageView message;
  std::span<const std::byte> bytes;
  std::int64_t phy_offset = 0;  // file name plus position
  std::string_view file;        // name
  std::optional<std::int64_t> duplicate_of;
  std::optional<format::DledgerEntry> dledger;  // the head of the entry around it
};

struct DumpGap {
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::string_view file;
  std::string_view looks_like;  // a scan::GapLook, or kLooksMissing
  std::int32_t stale_records = 0;
};
// Between two files lie bytes that no file holds.
inline constexpr std::string_view kLooksMissing = "missing";
[[nodiscard]] std::string_view to_string(scan::GapLook look);

// What the consume queues say about a record (--join).
struct OtherQueue {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
};
struct JoinedUnits {
  bool known = true;  // false: the queues are of a kind that is not read yet
  bool in_queue = false;
  bool readable = false;
  std::optional<std::int64_t> tags_code;
  std::vector<OtherQueue> others;
  std::optional<std::int32_t> batch_num;
  std::int64_t unit_queue_offset = 0;
  std::optional<std::int64_t> compaction_log_offset;  // of its copy in the compaction store
};
// Asks the queue of the record's topic at the record's queue offset, and the queues it was dispatched to
// besides.
[[nodiscard]] JoinedUnits join_queues(DumpQueueTable& queues, const DumpRecord& record);

// Reads single records by physical offset. Not for sharing between threads.
class RecordReader {
 public:
  // Both must outlive the reader.
  RecordReader(const io::ReadFileSystem& files, const scan::StoreSurvey& survey)
      : files_(files), survey_(survey) {}

  // The record that starts at this physical offset by file name and position; nullopt when none does. Files
  // may overlap: `file_index` tells them apart. The record borrows from the reader until the next call.
  [[nodiscard]] std::optional<DumpRecord> read(std::int64_t phy_offset,
                                               std::optional<std::size_t> file_index = std::nullopt);
  // Whether the very same record lies at the place its own field names: then `record` is a copy.
  [[nodiscard]] std::optional<std::int64_t> original_of(const DumpRecord& record, std::size_t file_index);

 private:
  std::optional<DumpRecord> read_in(std::size_t file_index, std::int64_t phy_offset);

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  std::unique_ptr<io::ReadFile> open_file_;
  std::size_t open_index_ = 0;
  std::vector<std::byte> bytes_;
};

// One past the last record of the log, by walking its last file that holds one; the log's start when none
// does.
[[nodiscard]] std::int64_t log_end(const io::ReadFileSystem& files, const scan::StoreSurvey& survey);

}  // namespace rmq::forensics
