#include "libstore/format/consume_queue_ext_unit.h"

#include <limits>

#include "libstore/bytes/byte_reader.h"
#include "libstore/bytes/byte_writer.h"

namespace rmq::format {

Decoded<ConsumeQueueExtUnit> ConsumeQueueExtUnit::parse(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  ConsumeQueueExtUnit unit;
  unit.size = reader.i16();
  if (reader.ok() && unit.size == kConsumeQueueExtEndOfFile) return DecodeError{DecodeFault::bad_magic, 0};
  if (reader.ok() && unit.size < kConsumeQueueExtMinUnitSize) return DecodeError{DecodeFault::bad_length, 0};
  unit.tags_code = reader.i64();
  unit.store_timestamp = reader.i64();
  const std::int16_t bit_map_size = reader.i16();
  if (reader.ok() && bit_map_size != unit.size - kConsumeQueueExtMinUnitSize) {
    return DecodeError{DecodeFault::bad_length, 18};
  }
  unit.bit_map = reader.bytes(bit_map_size);
  return reader.finish(unit);
}

Decoded<std::vector<std::byte>> encode(const ConsumeQueueExtUnit& unit) {
  if (unit.bit_map.size() > std::numeric_limits<std::int16_t>::max() - kConsumeQueueExtMinUnitSize) {
    return DecodeError{DecodeFault::bad_length, 18};
  }
  ByteWriter out;
  out.i16(static_cast<std::int16_t>(kConsumeQueueExtMinUnitSize + unit.bit_map.size()));
  out.i64(unit.tags_code);
  out.i64(unit.store_timestamp);
  out.i16(static_cast<std::int16_t>(unit.bit_map.size()));
  out.bytes(unit.bit_map);
  return std::move(out).take();
}

}  // namespace rmq::format
