// Walks the commit log's files in their order and cuts what is found into batches, so that decoding and
// printing can go on elsewhere while memory stays flat.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_output.h"
#include "libstore/forensics/dump_record.h"
#include "libstore/json/json_writer.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::forensics {

// A run of records and gaps, and the lines made of them. Batches are used again and keep their memory.
struct LogBatch {
  struct Item {
    std::size_t file = 0;  // in the survey
    std::int64_t phy_offset = 0;
    bool is_record = true;
    std::size_t at = 0;  // records: where its bytes lie in `bytes`
    std::size_t size = 0;
    std::optional<std::int64_t> duplicate_of;
    std::optional<format::DledgerEntry> dledger;
    DumpGap gap;
  };
  std::int64_t sequence = 0;
  std::vector<std::byte> bytes;
  std::vector<Item> items;

  json::JsonLine json;  // one of the two holds the output
  std::string text;
  std::vector<OutputLine> lines;

  void clear();
  [[nodiscard]] std::string_view output() const {
    return text.empty() ? json.text() : std::string_view(text);
  }
};

class LogReader {
 public:
  LogReader(const DumpInput& input, const RecordFilter& filter, DumpSummary& summary);
  ~LogReader();

  // Fills the batch with what comes next; false when there is nothing more. Touches the summary (one thread).
  bool fill(LogBatch& batch);

 private:
  bool open_next(LogBatch& batch);
  void take(LogBatch& batch, const scan::LogItem& item);
  void take_record(LogBatch& batch, const scan::LogItem& item, std::int64_t phy_offset);
  void take_gap(LogBatch& batch, std::size_t file, std::int64_t from, std::int64_t to,
                std::string_view looks_like, std::int32_t stale_records);
  void take_pending(LogBatch& batch);
  void finish_file();

  const DumpInput& input_;
  const RecordFilter& filter_;
  DumpSummary& summary_;
  RecordReader records_;
  std::size_t next_file_ = 0;
  std::size_t file_index_ = 0;
  std::int64_t covered_to_ = 0;  // end of the files walked so far
  std::unique_ptr<io::ReadFile> file_;
  std::optional<scan::CommitLogWalker> walker_;
  std::int64_t walked_ = 0;  // bytes of the open file
  // Unwritten ends of files: nothing to say about unless records follow in a later file.
  struct Unwritten {
    std::size_t file = 0;
    std::int64_t from = 0;
    std::int64_t to = 0;
  };
  std::vector<Unwritten> pending_;
};

}  // namespace rmq::forensics
