// What the keys and values of RocketMQ's RocksDBs have in common. RocketMQ: AbstractRocksDBStorage.
#pragma once

#include <cstdint>

#include "libstore/bytes/byte_reader.h"
#include "libstore/bytes/decode_error.h"

namespace rmq {

// Between the parts of a key (CTRL_1).
inline constexpr std::int8_t kKeySeparator = 1;

inline void read_key_separator(ByteReader& reader) {
  if (reader.i8() != kKeySeparator) reader.fail(DecodeFault::bad_field);
}

// Bytes behind the last field are refused.
template <class T>
[[nodiscard]] Decoded<T> finish_whole(ByteReader& reader, const T& value) {
  if (reader.ok() && reader.remaining() > 0) reader.fail(DecodeFault::bad_length);
  return reader.finish(value);
}

}  // namespace rmq
