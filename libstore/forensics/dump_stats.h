// Counting instead of listing (--stats). One table a thread, merged at the end.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_record.h"
#include "libstore/json/json_writer.h"

namespace rmq::forensics {

struct StatsRow {
  std::int64_t messages = 0;
  std::int64_t bytes = 0;       // records, as they lie
  std::int64_t body_bytes = 0;  // as stored
  std::int64_t bad_crc = 0;
  std::int64_t first_ms = INT64_MAX;  // store times
  std::int64_t last_ms = INT64_MIN;
  std::int64_t min_queue_offset = INT64_MAX;
  std::int64_t max_queue_offset = INT64_MIN;
  void add(const StatsRow& other);
};

class StatsTable {
 public:
  explicit StatsTable(StatsGroup group) : group_(group) {}
  void add(const format::MessageView& message);
  void merge(const StatsTable& other);
  // Rows by name, a total at the end; JSON lines of kind "stats".
  void print(const DumpOptions& options, json::JsonLine& json, std::string& text) const;

 private:
  StatsRow& row(const std::string& name);

  StatsGroup group_;
  std::string scratch_;
  std::unordered_map<std::string, StatsRow> rows_;
};

}  // namespace rmq::forensics
