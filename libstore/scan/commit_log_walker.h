// Walks one commit log file from its first byte to its last and says what stands where: every byte belongs to
// exactly one item. After damage it finds the next record again, by more than its magic: structure, body CRC and
// self-offset have to agree. All tools and recovery read commit log files through this class and nothing else.
// RocketMQ: CommitLog.checkMessageAndReturnSize walks alike, but stops at the first thing it does not know.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "libstore/format/commit_log_record.h"
#include "libstore/io/read_file_system.h"

namespace rmq::scan {

// No log grows to an exabyte: an offset beyond it is damage, and sums of offsets and sizes stay in their type.
inline constexpr std::int64_t kLargestFileStart = std::int64_t{1} << 60;

enum class LogItemKind {
  record,     // a message; structure checked, checksums not
  blank,      // the filler that ends a full file: BLANK record and whatever lies behind it
  unwritten,  // nothing but zeros up to the end of the file: space not used yet
  gap,        // bytes that are none of these
};

// What a gap looks like.
enum class GapLook {
  zeros,       // zeros with records behind them: pages that never reached the disk
  damaged,     // starts like a record (or with a record's remains), but is none
  stale,       // well-formed records older than what lies before them: left over from before a truncation
  garbage,     // none of the above
  unreadable,  // the operating system could not read it
};

struct LogItem {
  LogItemKind kind = LogItemKind::unwritten;
  std::int64_t position = 0;  // in the file; of a record inside a DLedger entry: the record's own
  std::int64_t length = 0;
  GapLook look = GapLook::garbage;  // gaps only
  // Gaps only: whole records in it that are older than what lies before them (see GapLook::stale).
  std::int32_t stale_records = 0;
  // Records only; both borrow from the walker and live until the next call of next().
  format::MessageView message;
  std::span<const std::byte> bytes;
};

class CommitLogWalker {
 public:
  struct Options {
    // Where the file's records say it starts: normally what its name says. Candidates found after damage must
    // have PHYSICALOFFSET == records_start + position.
    std::int64_t records_start = 0;
    // The configured file size; a BLANK must reach exactly to it. 0 = the file's own length.
    std::int64_t file_size = 0;
    // DLedger data files: each record is the body of an entry with a 48-byte header in front.
    bool dledger = false;
    std::int64_t from = 0;  // start here instead of at 0; must be where a record starts
    // Takes candidates found after damage whatever their own offset says: to find out where a file belongs.
    bool any_offset = false;
  };

  // `file` must outlive the walker. Reads in blocks, holds at most one record (kMaxRecordSize) plus one block.
  CommitLogWalker(const io::ReadFile& file, const Options& options);

  // The next item, in order of position; nullptr after the last byte of the file. Valid until the next call.
  [[nodiscard]] const LogItem* next();

 private:
  // What a damaged record's own header still tells.
  struct Remains {
    bool starts_like_record = false;
    std::int64_t claimed_end = 0;  // where its size field says it ends; 0 if that cannot be believed
  };
  struct Search {
    std::optional<std::int64_t> found;  // where sense begins again
    std::int64_t used_end = 0;          // behind the last byte that is not zero, as far as was searched
    std::int32_t stale_records = 0;
    bool unreadable = false;
  };

  void step(std::int64_t position);
  void gap_from(std::int64_t position);
  [[nodiscard]] Remains look_at(std::int64_t position);
  [[nodiscard]] Search resync(std::int64_t from);
  bool take_record(std::int64_t position, std::int32_t size);
  [[nodiscard]] const format::MessageView* confirmed_record_at(std::int64_t position);
  [[nodiscard]] bool plausible_size(std::int64_t position, std::int32_t size) const;
  [[nodiscard]] bool is_final_blank(std::int64_t position, std::int32_t size) const;
  void take_rest_of_file(std::int64_t position, LogItemKind kind);
  std::span<const std::byte> window(std::int64_t position, std::int64_t wanted) {
    const std::int64_t have = buffer_position_ + static_cast<std::int64_t>(buffer_size_) - position;
    if (position < buffer_position_ || have < wanted) refill(position, wanted);
    const auto offset = static_cast<std::size_t>(position - buffer_position_);
    return {bytes_ + offset, buffer_size_ - offset};
  }
  void refill(std::int64_t position, std::int64_t wanted);
  [[nodiscard]] bool take_view(std::int64_t position, std::int64_t wanted);
  void fill(std::size_t count);

  const io::ReadFile& file_;
  Options options_;
  std::int64_t header_size_ = 0;  // in front of each record: 48 in DLedger files
  std::int64_t end_ = 0;
  std::int64_t position_ = 0;
  std::int64_t last_store_timestamp_ = 0;
  std::int64_t search_budget_ = 0;
  std::vector<std::byte> buffer_;
  const std::byte* bytes_ = nullptr;  // of buffer_, or of a view
  bool viewed_ = false;
  bool may_view_ = true;
  std::int64_t buffer_position_ = 0;
  std::size_t buffer_size_ = 0;
  std::optional<std::int64_t> unreadable_;  // the buffer ends here because reading on failed
  LogItem item_;
  std::optional<std::int64_t> unwritten_from_;  // the next item, known since the search that ended the last one
};

// Where the records of a file say it starts: a majority of its first records votes, and its name decides a draw; nullopt when
// there is no record to ask. Differs from `name_start`, what the file's name says, for renamed, swapped and copied files.
[[nodiscard]] std::optional<std::int64_t> records_start(const io::ReadFile& file, std::int64_t name_start);

}  // namespace rmq::scan
