// Message bodies as a consumer sees them: zlib, LZ4 frame or ZSTD taken off as the SYSFLAG says.
// RocketMQ: Compressor, CompressionType; MessageDecoder.decode. Stateless: any thread may call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "libstore/bytes/decode_error.h"

namespace rmq::codec {

inline constexpr std::size_t kDefaultBodyLimit = std::size_t{64} << 20;

// The plain body. Call it only where kSysFlagCompressed is set in `sys_flag`: the type bits alone say
// nothing. bad_field: no such compression type. bad_length: more than `limit` bytes come out. truncated: the
// stream ends early. bad_crc: its checksum differs. bad_magic: not a stream of that kind, or damaged inside.
// Memory is bounded by `limit`, not by what the stream's header claims. Bytes behind the stream are ignored,
// as Java's decoders do.
[[nodiscard]] Decoded<std::vector<std::byte>> decompress(std::int32_t sys_flag,
                                                         std::span<const std::byte> body,
                                                         std::size_t limit = kDefaultBodyLimit);

}  // namespace rmq::codec
