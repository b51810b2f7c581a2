// How people name a message on a command line: where it lies, or its offset message id.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace rmq::forensics {

// A physical offset, "4096" or "0x1000".
[[nodiscard]] std::optional<std::int64_t> typed_offset(std::string_view text);
// The physical offset in an offset message id: 32 or 56 hex digits, the last sixteen of them. An id of the
// same shape may also be a UNIQ_KEY.
[[nodiscard]] std::optional<std::int64_t> offset_of_message_id(std::string_view id);

}  // namespace rmq::forensics
