// How much of what lies in the commit log, by file, span of time and topic.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libstore/forensics/dump.h"

namespace rmq::forensics {

struct Volume {
  std::int64_t messages = 0;
  std::int64_t bytes = 0;  // records, as they lie
  void add(const Volume& other) {
    messages += other.messages;
    bytes += other.bytes;
  }
};

struct FileVolume {
  // By span ("2026-01-02", "2026-01-02T15") and topic. Both come from the data: beyond a limit a file, topics
  // are counted together as kMoreTopics.
  std::map<std::pair<std::string, std::string>, Volume> rows;
  Volume all;
  std::int64_t gap_bytes = 0;         // that are no record
  std::int64_t used = 0;              // one past the last byte that is a record or a gap
  std::int64_t first_ms = INT64_MAX;  // store times
  std::int64_t last_ms = INT64_MIN;
};
inline constexpr std::string_view kMoreTopics = "(more)";

struct LogVolume {
  std::vector<FileVolume> files;  // in the survey's order
  std::int64_t bytes_checked = 0;
  std::vector<std::string> faults;  // what could not be read
};

enum class TimeSpan { hour, day };

// Reads the whole log with `jobs` threads; tells the observer how far it is, and stops early when cancelled.
[[nodiscard]] LogVolume measure_log(const DumpInput& input, std::size_t jobs, bool utc, TimeSpan span);

}  // namespace rmq::forensics
