// Two stores that should hold the same: a master and its slave, or one store before and after. Commit logs
// are byte for byte the same at equal log offsets (HAService sends bytes), however long the files are; where
// they are not, the records around the bytes tell which messages differ. Queues are compared as far as they
// lead into the part of the log that both have.
//
// Large equal stores are compared at the speed of their disks: ranges of both sides in parallel, and only
// those that differ are looked into. Memory does not grow with the stores.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

// One of the two stores. Both borrowed.
struct CompareSide {
  const io::ReadFileSystem& files;
  const scan::StoreSurvey& survey;
};

enum class DifferenceKind {
  record,      // both hold a record here, and its bytes are not the same
  only_first,  // a record of one side where the other has none, or another one
  only_second,
  damaged_first,  // a record of one side where the other has bytes that are no record, or no file
  damaged_second,
  range,  // a part of the log that differs: what the ones above lie in
  begin,  // one log begins later, as after expiry
  end,    // one log ends earlier, as a slave that is behind
  queue,  // units of a queue that differ although they lead into the log that both have
};
[[nodiscard]] std::string_view to_string(DifferenceKind kind);

struct Difference {
  DifferenceKind kind = DifferenceKind::record;
  std::int64_t from = 0;  // log offsets: of the record, the range, or what one side has more
  std::int64_t to = 0;
  std::int64_t first_byte = -1;  // the first byte that differs; -1: not told
  std::int64_t messages = 0;  // range, end: that differ or that one side has more; queue: units that differ
  // Of the record, as the side says that holds it (the first where both do); queue: the first unit that
  // differs.
  std::string topic;
  std::int32_t queue_id = -1;
  std::int64_t queue_offset = -1;
  std::string uniq_key;
  std::string message_id;
  std::string message;  // one sentence in plain words
};

struct CompareOptions {
  std::size_t jobs = 1;
  std::function<bool()> cancelled;                // asked often, from any thread
  std::atomic<std::int64_t>* progress = nullptr;  // bytes compared
  std::int64_t most_records = 10'000;             // that are told one by one; the rest is counted
  bool rocks_queues = true;  // false beside a running broker: RocksDB holds back what came last
};

struct CompareSummary {
  struct Log {
    std::int64_t begin = 0;
    std::int64_t end = 0;  // behind the last byte of it
  };
  Log first;
  Log second;
  bool equal = false;
  std::int64_t first_divergence = -1;  // the first byte that differs in what both have; -1: none
  std::int64_t bytes_compared = 0;     // of the log, of one side
  std::int64_t bytes_expected = 0;
  std::int64_t ranges = 0;
  std::int64_t records = 0;  // different on both sides
  std::int64_t only_first = 0;
  std::int64_t only_second = 0;
  std::int64_t damaged_first = 0;
  std::int64_t damaged_second = 0;
  std::int64_t units_compared = 0;
  std::int64_t units = 0;           // that differ
  std::int64_t queues = 0;          // that differ
  std::vector<std::string> config;  // names of state files that differ: told, and no difference of the stores
  bool read_errors = false;
  std::vector<std::string> faults;
  bool cancelled = false;
};

// Differences go to `sink` from the calling thread: begin and end, then the log in its order, each range
// after what lies in it, then queues.
[[nodiscard]] CompareSummary run_compare(const CompareSide& first, const CompareSide& second,
                                         const CompareOptions& options,
                                         const std::function<void(const Difference&)>& sink);

// How many bytes of the log run_compare will compare, when nothing of it is read yet: for a progress bar.
[[nodiscard]] std::int64_t compare_bytes_expected(const scan::StoreSurvey& first,
                                                  const scan::StoreSurvey& second);

}  // namespace rmq::forensics
