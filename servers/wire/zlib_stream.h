// A zlib stream as java.util.zip writes and reads it. Stateless.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "libstore/base/error.h"

namespace rmq::wire {

// Deflater.BEST_COMPRESSION: the same bytes as Java's.
[[nodiscard]] std::string deflate_best(std::string_view plain);
// All that comes out before the stream or the bytes end (Java's InflaterInputStream is read as far as one
// likes). Errors (wrong_use): no zlib stream, damaged, or more than `limit` bytes come out.
[[nodiscard]] Result<std::string> inflate(std::span<const std::byte> packed, std::size_t limit);

}  // namespace rmq::wire
