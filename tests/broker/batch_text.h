// The body of a batch, as a client makes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rmq::broker {

inline std::string batch_element(std::string_view body, std::string_view properties, std::int32_t flag = 0) {
  std::string text;
  const auto put = [&text](std::int64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
      text.push_back(static_cast<char>(value >> shift & 0xFF));
  };
  put(static_cast<std::int64_t>(22 + body.size() + properties.size()), 4);
  put(0, 4);
  put(0, 4);
  put(flag, 4);
  put(static_cast<std::int64_t>(body.size()), 4);
  text.append(body);
  put(static_cast<std::int64_t>(properties.size()), 2);
  text.append(properties);
  return text;
}

}  // namespace rmq::broker
