// Java's arithmetic on hostile numbers: it wraps, where C++ has no defined result.
#pragma once

#include <cstdint>

namespace rmq::preflight {

[[nodiscard]] constexpr std::int64_t wrap_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
[[nodiscard]] constexpr std::int64_t wrap_mul(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
// The (int) cast.
[[nodiscard]] constexpr std::int32_t to_int(std::int64_t value) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::uint64_t>(value)));
}

}  // namespace rmq::preflight
