// The JSON lines of rmq-dump (docs/tools/rmq-dump.md): one call, one line, appended to the writer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_queue_table.h"
#include "libstore/forensics/dump_record.h"
#include "libstore/json/json_writer.h"

namespace rmq::forensics {

// {"kind":"<kind>","schema":1 ... the caller goes on, and closes the object.
void begin_line(json::JsonLine& out, std::string_view kind);
void end_line(json::JsonLine& out);

// Prints records; keeps scratch memory between them. One for each thread.
class RecordJson {
 public:
  RecordJson(const DumpOptions& options, DumpQueueTable* queues) : options_(options), queues_(queues) {}

  // A whole line of kind "record".
  void line(json::JsonLine& out, const DumpRecord& record);
  // The fields alone, into an object that is open.
  void fields(json::JsonLine& out, const DumpRecord& record);

 private:
  void properties(json::JsonLine& out, const format::MessageView& message);
  void body(json::JsonLine& out, const DumpRecord& record);
  void joined(json::JsonLine& out, const JoinedUnits& joined);

  const DumpOptions& options_;
  DumpQueueTable* queues_;  // null: no join
  std::vector<std::pair<std::string_view, std::string_view>> sorted_;
  std::string scratch_;
};

void gap_line(json::JsonLine& out, const DumpGap& gap);

// Properties that RocketMQ itself sets or reads (MessageConst); the rest are the user's.
[[nodiscard]] bool is_system_property(std::string_view name);

// Appends to `out`.
void append_base64(std::string& out, std::span<const std::byte> bytes);
void append_hex(std::string& out, std::span<const std::byte> bytes);

// What goes out as a record's body: the stored bytes, or the plain ones with --decompress. nullopt when they
// cannot be decompressed. `plain` holds the bytes where they are not the record's own.
[[nodiscard]] std::optional<std::span<const std::byte>> body_to_print(const DumpOptions& options,
                                                                      const format::MessageView& message,
                                                                      std::vector<std::byte>& plain);

}  // namespace rmq::forensics
