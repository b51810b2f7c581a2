// Bytes as the golden lines write them: hex, "-" for none.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rmq::wire {

inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  if (hex == "-") return bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

}  // namespace rmq::wire
