#include "libstore/bytes/crc32.h"

#include <isa-l/crc.h>
#include <libdeflate.h>

#include "libstore/bytes/big_endian.h"

namespace rmq {

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t seed) {
  // libdeflate is quicker to start, ISA-L to run: they meet at about this size (bench/README.md).
  constexpr std::size_t kShort = 128;
  if (bytes.size() < kShort) return libdeflate_crc32(seed, bytes.data(), bytes.size());
  return crc32_gzip_refl(seed, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

}  // namespace rmq
