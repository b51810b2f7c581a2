// Puts runs of found records together to logs: which follow each other, which are copies, and which cannot be
// in one log because they claim the same places, or because time goes back between them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libstore/carve/find.h"

namespace rmq::carve {

// What is known of a run beside that its records are whole.
enum class Confidence {
  high,    // several records, or one that joins others in the log without a gap
  medium,  // one record alone
  low,     // it claims a place that other bytes claim as well
};

// A run, or a part of one: what of it belongs to one log.
struct Piece : Run {
  bool contested = false;  // other records claim the same places of the log
  Confidence confidence = Confidence::high;
};

// Why records are not in the first log.
enum class Apart {
  none,         // they are
  other_store,  // another broker address, and nothing joins the two
  older,        // the same places of the log are claimed by newer records, or time would go back
  far,          // so much of the log is missing between them that one store cannot hold both
  inside,       // within what is left of a damaged message: it may have been its body
};

// Pieces that one store can have, one behind the other in the log.
struct Log {
  std::vector<Piece> pieces;
  Apart apart = Apart::none;
  bool one_store = true;             // false: what is left over, in no order: places may be claimed twice
  std::vector<std::uint32_t> hosts;  // of FoundRecords::hosts
  std::int64_t records = 0;
  std::int64_t bytes = 0;
  std::int64_t first_time = 0;  // store times: the oldest, the newest
  std::int64_t last_time = 0;
  std::int64_t missing_bytes = 0;  // between the first record and the last

  [[nodiscard]] std::int64_t begin() const { return pieces.front().log_offset; }
  [[nodiscard]] std::int64_t end() const { return pieces.back().log_end(); }
};

struct Judgement {
  std::vector<Log>
      logs;  // the first is the one to go on with; every found record but copies is in one of them
  std::int64_t duplicates = 0;  // records that are copies, byte by byte, of one in a log
  std::int64_t duplicate_bytes = 0;
  std::int64_t contested = 0;  // records that claim places which others claim too
};

struct JudgeOptions {
  // A log is divided where more of it is missing; what comes last is the first log.
  std::int64_t longest_gap = std::int64_t{16} << 30;
  std::size_t most_logs = 16;  // of one store; what is left then is one heap
  std::function<bool()> cancelled;
};

// Reads the sources again where runs overlap in the log.
[[nodiscard]] Result<Judgement> judge(const io::ReadFileSystem& files, const std::vector<Source>& sources,
                                      const FoundRecords& found, const JudgeOptions& options);

}  // namespace rmq::carve
