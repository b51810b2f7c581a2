// Text on its way into a page.
#pragma once

#include <string>
#include <string_view>

#include "libstore/forensics/dump_text.h"

namespace rmq::report {

// What stands in a store is nobody's markup: control characters and malformed UTF-8 visible, the rest
// escaped.
[[nodiscard]] inline std::string escaped(std::string_view text) {
  std::string visible;
  forensics::append_visible(visible, text);
  std::string out;
  for (const char c : visible) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

// "1 message", "12,345 messages".
[[nodiscard]] inline std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');  // of a text g++ 12 believes that it may overlap
  }
  return digits;
}
[[nodiscard]] inline std::string counted(std::int64_t number, std::string_view thing) {
  return grouped(number) + ' ' + std::string(thing) + (number == 1 ? "" : "s");
}

}  // namespace rmq::report
