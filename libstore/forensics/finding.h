// One thing that is wrong with a store (or worth knowing about it): damage is data, not an error.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace rmq::forensics {

// About messages, not about bytes. Everything above `benign` makes a store unclean.
enum class Severity {
  benign,    // nothing to do
  degraded,  // nothing unreadable now, but search, speed or the next start suffers
  hidden,    // the message is there, but no queue, or no right tags code, leads to it
  loss,      // a message cannot be read
};
[[nodiscard]] std::string_view to_string(Severity severity);

struct Finding {
  std::string_view code;  // from the finding table, e.g. "CL-DAMAGED"
  Severity severity = Severity::benign;
  std::string file;           // as StoreFile::shown; a directory where the finding is about one
  std::string expected_file;  // what the file's records prove it to be, where that differs; else empty
  std::int64_t offset = 0;    // bytes in the file
  std::int64_t length = 0;
  std::string topic;  // empty: not about a queue
  std::int32_t queue_id = -1;
  std::int64_t queue_offset = -1;
  std::string message;  // one sentence in plain words, with the numbers
  std::int64_t consequences = 0;  // queue units, index entries, records that suffer only because of this
};

// What to do about findings of this code (finding_table.h).
using FindingSink = std::function<void(const Finding&)>;

}  // namespace rmq::forensics
