// What a reader gets out of the log after the start: where a queue unit leads, and whether a client can
// decode it. RocketMQ: CommitLog.getMessage, MappedFile.selectMappedBuffer, MessageDecoder.decode.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "libstore/format/commit_log_record.h"
#include "libstore/preflight/file_pool.h"
#include "libstore/preflight/mapped_files.h"
#include "libstore/preflight/stock_queue.h"

namespace rmq::preflight {

struct LogPlace {
  std::size_t file = 0;
  std::int64_t position = 0;
  bool operator==(const LogPlace&) const = default;
};

class LogReader {
 public:
  LogReader(const RecoveryRules& rules, const MappedFiles<MappedFileState>& log, FilePool& pool);

  // Where the unit leads; nullopt: the broker finds nothing there, or fails trying.
  [[nodiscard]] std::optional<LogPlace> select(const QueueUnit& unit) const;
  // Whether a client decodes the `size` bytes there. TOTALSIZE and CRC play no part.
  [[nodiscard]] bool decodes(const LogPlace& place, std::int32_t size);
  // The same for a record that was parsed already and that the unit covers exactly.
  [[nodiscard]] bool decodes(const format::MessageView& record) const;

  struct Record {
    format::MessageView message;       // borrows from the reader, until the next call
    std::int64_t physical_offset = 0;  // where it lies
  };
  // The record at a place if it is whole, intact and at its own position.
  [[nodiscard]] std::optional<Record> intact_record(const LogPlace& place);

  // Which of the log's files, after the start, this path is.
  [[nodiscard]] std::optional<std::size_t> file_of(const std::string& path) const;

 private:
  const RecoveryRules& rules_;
  const MappedFiles<MappedFileState>& log_;
  FilePool& pool_;
  BlockWindow window_;
  std::vector<std::byte> record_;
  std::unordered_map<std::string_view, std::size_t> by_path_;
};

}  // namespace rmq::preflight
