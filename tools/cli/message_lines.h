// Messages as rmq-dump prints them (NDJSON with --body base64), read back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/format/commit_log_record.h"

namespace rmq::cli {

// One line. Holds what `view` borrows.
struct MessageLine {
  std::string topic;
  std::vector<std::byte> body;
  std::vector<std::byte> properties;
  std::vector<std::byte> born_address;
  std::vector<std::byte> store_address;
  std::int64_t store_timestamp = 0;
  std::int64_t queue_offset = 0;
  format::MessageView view;  // without what the store gives
};

// Fills `into`; false for a line that is no record (rmq-dump also prints gaps). Fails with wrong_use and
// names the field that is missing or makes no sense.
[[nodiscard]] Result<bool> read_message_line(std::string_view text, MessageLine& into);

}  // namespace rmq::cli
