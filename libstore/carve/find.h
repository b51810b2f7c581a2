// Finds messages in any bytes: damaged or renamed files, raw images, what is left of deleted files. Only
// reads. A record is found when it is whole and in one piece: structure, checksums, text and numbers are what
// a broker writes. Where one was found the search goes on behind it, so records that lie serialised in the
// body of a whole message are never found; how the work is cut into chunks and shared among threads changes
// nothing of the result.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/io/read_file_system.h"

namespace rmq::carve {

// A file to search. A block device is one of its own size.
struct Source {
  std::string path;
  std::string shown;  // relative to what was asked for
  std::int64_t size = 0;
};

// `path` itself, or every file below the directory that it is, by name. What is neither is left out, and so
// is what cannot be listed: `faults` tells, one sentence each.
struct SourceList {
  std::vector<Source> sources;
  std::vector<std::string> faults;
};
[[nodiscard]] Result<SourceList> list_sources(const io::ReadFileSystem& files, const std::string& path);

// What makes bytes a record that is taken: `record` is all of it.
[[nodiscard]] bool is_found(const format::MessageView& message, std::span<const std::byte> record);

// Records of one broker address that lie one behind the other, where they were found and in the log.
struct Run {
  std::size_t source = 0;
  std::int64_t position = 0;  // in the source
  std::int64_t log_offset = 0;
  std::int64_t length = 0;
  std::int64_t records = 0;
  std::int64_t longest = 0;     // bytes of its largest record
  std::int64_t first_time = 0;  // store times: of the first record, the last, the newest
  std::int64_t last_time = 0;
  std::int64_t newest_time = 0;
  std::uint32_t host = 0;         // of FoundRecords::hosts
  std::int64_t blank_behind = 0;  // a BLANK of so many bytes stands directly behind

  [[nodiscard]] std::int64_t end() const { return position + length; }
  [[nodiscard]] std::int64_t log_end() const { return log_offset + length; }
};

struct Unreadable {
  std::size_t source = 0;
  std::int64_t from = 0;
  std::int64_t to = 0;
};

struct FoundRecords {
  std::vector<Run> runs;               // by source and position
  std::vector<std::string> hosts;      // "10.0.0.1:10911"
  std::vector<Unreadable> unreadable;  // the disk gave an error
  std::int64_t records = 0;
  std::int64_t record_bytes = 0;
  std::int64_t bytes = 0;  // searched; holes of sparse files count
  // Places that begin like a record of megabytes and are none, beyond what is looked into: more than damage
  // leaves behind. A record may have been missed there.
  std::int64_t passed_over = 0;
};

struct FindOptions {
  std::size_t jobs = 1;
  std::int64_t chunk = 16 << 20;  // bytes that one thread searches at a time
  std::function<void(std::int64_t)> advance;  // bytes searched since the last call; by any thread
  std::function<bool()> cancelled;
};

// Fails where a source cannot be opened, or cancelled; what cannot be read is told, page by page.
[[nodiscard]] Result<FoundRecords> find_records(const io::ReadFileSystem& files,
                                                const std::vector<Source>& sources,
                                                const FindOptions& options);

}  // namespace rmq::carve
