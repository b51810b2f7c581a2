// The __CRC32# property that 5.x appends behind all others (enabledAppendPropCRC): ten decimal digits, the
// least significant first, of the CRC over everything in front of the property. RocketMQ:
// MessageDecoder.createCrc32, CommitLog.checkMessageAndReturnSize. Page: docs/format/property_crc.md.
#pragma once

#include <cstddef>
#include <span>

namespace rmq::format {

// `__CRC32#` 0x01 ten digits 0x02
inline constexpr std::size_t kPropertyCrcSize = 8 + 1 + 10 + 1;

// Whether the digits at the end of `record`, which has the property, are those of its other bytes.
[[nodiscard]] bool property_crc_matches(std::span<const std::byte> record);
// Makes them so.
void renew_property_crc(std::span<std::byte> record);

}  // namespace rmq::format
