#include "servers/broker/batch_body.h"

#include "libstore/bytes/byte_reader.h"

namespace rmq::broker {

std::optional<BatchElement> BatchReader::next() {
  if (failed_ || rest_.empty()) return std::nullopt;
  ByteReader reader(rest_);
  reader.i32();  // total size, magic and CRC: nobody reads them
  reader.i32();
  reader.i32();
  BatchElement element;
  element.flag = reader.i32();
  element.body = reader.bytes(reader.i32());
  element.properties = reader.text(reader.i16());
  if (!reader.ok()) {
    failed_ = true;
    return std::nullopt;
  }
  rest_ = rest_.subspan(reader.position());
  return element;
}

std::optional<std::int32_t> count_batch_elements(std::span<const std::byte> body) {
  BatchReader reader(body);
  std::int32_t count = 0;
  while (reader.next()) ++count;
  if (reader.failed()) return std::nullopt;
  return count;
}

}  // namespace rmq::broker
