// Numbers as Java prints them.
#pragma once

#include <cstdint>
#include <string>

namespace rmq::broker {

// String.valueOf(double): 0.0, 12.5, 1.0E7.
[[nodiscard]] std::string java_double(double number);
// MixAll.humanReadableByteCount with powers of 1024: "512 B", "1.5 GiB".
[[nodiscard]] std::string readable_bytes(std::int64_t bytes);

}  // namespace rmq::broker
