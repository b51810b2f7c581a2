#include "libstore/format/rocks_queue.h"

#include "libstore/bytes/byte_reader.h"
#include "libstore/bytes/byte_writer.h"
#include "libstore/bytes/key_parts.h"

namespace rmq::format {
namespace {

constexpr std::string_view kMax = "max";
constexpr std::string_view kMin = "min";

void write_topic(ByteWriter& writer, std::string_view topic) {
  writer.i32(static_cast<std::int32_t>(topic.size()));
  writer.i8(kKeySeparator);
  writer.text(topic);
  writer.i8(kKeySeparator);
}

std::string_view read_topic(ByteReader& reader) {
  const std::int32_t length = reader.i32();
  read_key_separator(reader);
  const std::string_view name = reader.text(length);
  read_key_separator(reader);
  return name;
}

}  // namespace

Decoded<RocksQueueKey> RocksQueueKey::parse(std::span<const std::byte> key) {
  ByteReader reader(key);
  RocksQueueKey found;
  found.topic = read_topic(reader);
  found.queue_id = reader.i32();
  read_key_separator(reader);
  found.queue_offset = reader.i64();
  return finish_whole(reader, found);
}

std::vector<std::byte> RocksQueueKey::encode() const {
  ByteWriter writer;
  write_topic(writer, topic);
  writer.i32(queue_id);
  writer.i8(kKeySeparator);
  writer.i64(queue_offset);
  return std::move(writer).take();
}

Decoded<RocksQueueValue> RocksQueueValue::parse(std::span<const std::byte> value) {
  ByteReader reader(value);
  RocksQueueValue found;
  found.commit_log_offset = reader.i64();
  found.size = reader.i32();
  found.tags_code = reader.i64();
  found.store_timestamp = reader.i64();
  return finish_whole(reader, found);
}

std::vector<std::byte> RocksQueueValue::encode() const {
  ByteWriter writer;
  writer.i64(commit_log_offset);
  writer.i32(size);
  writer.i64(tags_code);
  writer.i64(store_timestamp);
  return std::move(writer).take();
}

Decoded<RocksOffsetKey> RocksOffsetKey::parse(std::span<const std::byte> key) {
  ByteReader reader(key);
  RocksOffsetKey found;
  found.topic = read_topic(reader);
  const std::string_view end = reader.text(3);
  if (end != kMax && end != kMin) reader.fail(DecodeFault::bad_field);
  found.is_max = end == kMax;
  read_key_separator(reader);
  found.queue_id = reader.i32();
  return finish_whole(reader, found);
}

std::vector<std::byte> RocksOffsetKey::encode() const {
  ByteWriter writer;
  write_topic(writer, topic);
  writer.text(is_max ? kMax : kMin);
  writer.i8(kKeySeparator);
  writer.i32(queue_id);
  return std::move(writer).take();
}

Decoded<RocksOffsetValue> RocksOffsetValue::parse(std::span<const std::byte> value) {
  ByteReader reader(value);
  RocksOffsetValue found;
  found.commit_log_offset = reader.i64();
  found.queue_offset = reader.i64();
  return finish_whole(reader, found);
}

std::vector<std::byte> RocksOffsetValue::encode() const {
  ByteWriter writer;
  writer.i64(commit_log_offset);
  writer.i64(queue_offset);
  return std::move(writer).take();
}

}  // namespace rmq::format
