// CRC-32 (IEEE 802.3, the polynomial of java.util.zip.CRC32), at memory speed through ISA-L.
#pragma once

#include <cstdint>
#include <span>

namespace rmq {

[[nodiscard]] std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t seed = 0);

// RocketMQ keeps CRCs in a Java int with the sign bit cleared (UtilAll.crc32).
[[nodiscard]] inline std::int32_t java_crc32(std::span<const std::byte> bytes) {
  return static_cast<std::int32_t>(crc32(bytes) & 0x7FFFFFFFU);
}

}  // namespace rmq
