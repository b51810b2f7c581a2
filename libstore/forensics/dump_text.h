// The text that rmq-dump prints for people: aligned, times localised, nothing that could steer a terminal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_queue_table.h"
#include "libstore/forensics/dump_record.h"

namespace rmq::forensics {

// Milliseconds since the epoch as ISO 8601 with the zone's offset ("2026-01-02T03:04:05.678+08:00", "...Z");
// keeps the zone's rules between calls. One for each thread.
class TimeText {
 public:
  explicit TimeText(bool utc) : utc_(utc) {}
  void append(std::string& out, std::int64_t ms);
  [[nodiscard]] std::string text(std::int64_t ms);

 private:
  std::int64_t offset_at(std::int64_t second);

  bool utc_;
  std::int64_t known_quarter_ = INT64_MIN;  // zones change their offset on quarters of an hour
  std::int64_t known_offset_ = 0;           // seconds east of UTC
};

// `text` with control characters, quotes' escapes and malformed UTF-8 shown as \xNN.
void append_visible(std::string& out, std::string_view text);
// 1536 -> "1.5 KiB".
[[nodiscard]] std::string size_text(std::int64_t bytes);
// The classic three columns: position, hex, characters. `base` is added to the positions shown.
void append_hexdump(std::string& out, std::span<const std::byte> bytes, std::int64_t base,
                    std::string_view indent);

class RecordText {
 public:
  RecordText(const DumpOptions& options, DumpQueueTable* queues)
      : options_(options), queues_(queues), time_(options.utc) {}

  [[nodiscard]] static std::string header();
  void line(std::string& out, const DumpRecord& record);
  void gap(std::string& out, const DumpGap& gap) const;

 private:
  void details(std::string& out, const DumpRecord& record);
  void body(std::string& out, const DumpRecord& record) const;

  const DumpOptions& options_;
  DumpQueueTable* queues_;
  TimeText time_;
};

}  // namespace rmq::forensics
