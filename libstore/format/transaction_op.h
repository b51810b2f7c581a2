// The body of a message in RMQ_SYS_TRANS_OP_HALF_TOPIC: which half messages are decided. The queue offsets of
// RMQ_SYS_TRANS_HALF_TOPIC as decimal text; its queue is the one with the op message's own queue id.
// RocketMQ: TransactionalMessageBridge, TransactionalMessageServiceImpl.fillOpRemoveMap. Page:
// docs/format/transaction_op.md.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rmq::format {

inline constexpr std::string_view kOpTag = "d";  // messages with other tags say nothing

// Calls visit(queue offset) for every part that is one; returns how many parts are none.
template <class Visit>
std::size_t for_each_half_offset(std::string_view body, Visit&& visit) {
  std::size_t refused = 0;
  while (!body.empty()) {
    const std::size_t comma = body.find(',');
    const std::string_view part = body.substr(0, comma);
    std::int64_t offset = -1;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), offset);
    if (error == std::errc() && end == part.data() + part.size() && offset >= 0) {
      visit(offset);
    } else {
      ++refused;
    }
    body = comma == std::string_view::npos ? std::string_view() : body.substr(comma + 1);
  }
  return refused;
}

// As 5.x writes it, each offset with a comma behind it; 4.x writes a single one, without.
[[nodiscard]] inline std::string encode_half_offsets(const std::vector<std::int64_t>& offsets) {
  std::string body;
  for (const std::int64_t offset : offsets) body += std::to_string(offset) + ',';
  return body;
}

}  // namespace rmq::format
