#include "libstore/bytes/crc32.h"

#include <isa-l/crc.h>

#include "libstore/bytes/big_endian.h"

namespace rmq {

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t seed) {
  return crc32_gzip_refl(seed, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

}  // namespace rmq
