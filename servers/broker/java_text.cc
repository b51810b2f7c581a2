#include "servers/broker/java_text.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

namespace rmq::broker {

std::string java_double(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  const double size = std::fabs(number);
  if (number == 0 || (size >= 1e-3 && size < 1e7)) {
    std::string text = fmt::format("{}", number);
    if (text.find('.') == std::string::npos) text += ".0";
    return text;
  }
  // The shortest digits, one of them in front of the point.
  std::string text = fmt::format("{:e}", number);
  for (int digits = 1; digits < 17; ++digits) {
    const std::string shorter = fmt::format("{:.{}e}", number, digits);
    if (std::stod(shorter) == number) {
      text = shorter;
      break;
    }
  }
  const std::size_t e = text.find('e');
  std::string exponent = text.substr(e + 1);
  if (exponent.starts_with('+')) exponent.erase(0, 1);
  const bool negative = exponent.starts_with('-');
  if (negative) exponent.erase(0, 1);
  exponent.erase(0, std::min(exponent.find_first_not_of('0'), exponent.size() - 1));
  return text.substr(0, e) + 'E' + (negative ? "-" : "") + exponent;
}

std::string readable_bytes(std::int64_t bytes) {
  constexpr double kUnit = 1024;
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double number = static_cast<double>(bytes);
  std::size_t power = 0;
  for (; number >= kUnit && power < 6; ++power) number /= kUnit;
  return fmt::format("{:.1f} {}iB", number, std::string_view("KMGTPE")[power - 1]);
}

}  // namespace rmq::broker
