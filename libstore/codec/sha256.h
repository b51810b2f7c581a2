// SHA-256, for comparing bodies without printing them.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace rmq::codec {

// Lower-case hex, 64 characters.
[[nodiscard]] std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace rmq::codec
