#include "libstore/format/property_crc.h"

#include <algorithm>
#include <array>

#include "libstore/bytes/crc32.h"
#include "libstore/format/message_properties.h"

namespace rmq::format {
namespace {

using Digits = std::array<std::byte, 10>;

Digits digits_of(std::span<const std::byte> record) {
  std::int32_t crc = java_crc32(record.first(record.size() - kPropertyCrcSize));
  Digits digits;
  for (std::byte& digit : digits) {
    digit = static_cast<std::byte>('0' + crc % 10);
    crc /= 10;
  }
  return digits;
}

}  // namespace

bool property_crc_matches(std::span<const std::byte> record) {
  const auto tail = record.last(std::tuple_size_v<Digits> + 1);
  return tail.back() == static_cast<std::byte>(kPropertySeparator) &&
         std::ranges::equal(tail.first(tail.size() - 1), digits_of(record));
}

void renew_property_crc(std::span<std::byte> record) {
  std::ranges::copy(digits_of(record), record.end() - std::tuple_size_v<Digits> - 1);
}

}  // namespace rmq::format
