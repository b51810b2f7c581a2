// The commit log as a whole, after the log pass: what lies at any log offset, and how far the log reaches.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libstore/forensics/log_pass.h"

namespace rmq::forensics {

// Damage and lost space of the log, with the evidence that collects on it.
struct LogWound {
  enum class Kind {
    damage,        // a gap or a record with a bad checksum
    unwritten,     // zeros where more of the file's records, or its BLANK, should be
    cut_off,       // behind the end of a file that is shorter than the log's files are
    missing_file,  // no file for this range
    lost_tail,     // behind the end of the log, proved by queues
  };
  Kind kind = Kind::damage;
  std::size_t file = 0;  // index into LogMap::files(); meaningless for missing_file
  std::int64_t from = 0;  // log offsets
  std::int64_t to = 0;
  LogDamage damage;            // Kind::damage only
  std::int64_t messages = 0;   // queue units that lead into it
  std::int64_t index_entries = 0;
  std::int64_t evidence_end = 0;  // behind the last record that a unit places here
  std::string example;         // "Orders/1 queue offset 17"
};

class LogMap {
 public:
  enum class Place { before, record_space, wound, missing, behind };
  struct Location {
    Place place = Place::behind;
    const LogFileReport* file = nullptr;  // record_space
    std::int64_t position = 0;            // in that file
    LogWound* wound = nullptr;            // wound, missing
  };

  LogMap(std::vector<LogFileReport>& reports, std::int64_t file_size);

  [[nodiscard]] Location locate(std::int64_t log_offset);
  [[nodiscard]] std::vector<LogFileReport*>& files() { return files_; }  // no duplicates, by start
  [[nodiscard]] std::vector<LogWound>& wounds() { return wounds_; }
  [[nodiscard]] std::int64_t begin() const { return begin_; }
  [[nodiscard]] std::int64_t end() const { return end_; }  // behind the last record (or the file, after a BLANK)
  [[nodiscard]] std::int64_t file_size() const { return file_size_; }
  [[nodiscard]] const LogFileReport* last_with_records() const { return last_; }
  [[nodiscard]] bool has_records() const { return last_ != nullptr; }

 private:
  std::vector<LogFileReport*> files_;
  std::vector<LogWound> wounds_;  // sorted by `from`, not overlapping
  const LogFileReport* last_ = nullptr;
  std::int64_t begin_ = 0;
  std::int64_t end_ = 0;
  std::int64_t file_size_ = 0;
};

}  // namespace rmq::forensics
