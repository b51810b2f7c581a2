#include "libstore/format/config_v2_key.h"

#include "libstore/bytes/byte_reader.h"
#include "libstore/bytes/byte_writer.h"
#include "libstore/bytes/key_parts.h"

namespace rmq::format {
namespace {

constexpr std::int8_t kTablePrefix = 1;
constexpr std::int8_t kDataVersionPrefix = 1;
constexpr std::int8_t kDataPrefix = 2;
constexpr std::string_view kDataVersionName = "data_version";

// Java writes the length as a short; it never gets a name that long.
std::string_view read_name(ByteReader& reader) { return reader.text(reader.i16()); }

void write_name(ByteWriter& writer, std::string_view name) {
  writer.i16(static_cast<std::int16_t>(name.size()));
  writer.text(name);
}

}  // namespace

Decoded<ConfigV2Key> ConfigV2Key::parse(std::span<const std::byte> key) {
  ByteReader reader(key);
  ConfigV2Key found;
  if (reader.i8() != kTablePrefix) reader.fail(DecodeFault::bad_magic);
  const std::int16_t table = reader.i16();
  if (table < static_cast<std::int16_t>(Table::consumer_offset) ||
      table > static_cast<std::int16_t>(Table::subscription_group))
    reader.fail(DecodeFault::bad_field);
  if (!reader.ok()) return reader.error();
  found.table = static_cast<Table>(table);
  const std::int8_t kind = reader.i8();
  if (kind == kDataVersionPrefix) {
    found.is_data_version = true;
    if (reader.text(static_cast<std::int64_t>(kDataVersionName.size())) != kDataVersionName)
      reader.fail(DecodeFault::bad_field);
    return finish_whole(reader, found);
  }
  if (kind != kDataPrefix) reader.fail(DecodeFault::bad_field);
  if (!found.is_offset()) {
    found.name = read_name(reader);
    return finish_whole(reader, found);
  }
  found.group = read_name(reader);
  read_key_separator(reader);
  found.name = read_name(reader);
  read_key_separator(reader);
  found.queue_id = reader.i32();
  return finish_whole(reader, found);
}

std::vector<std::byte> ConfigV2Key::encode() const {
  ByteWriter writer;
  writer.i8(kTablePrefix);
  writer.i16(static_cast<std::int16_t>(table));
  writer.i8(is_data_version ? kDataVersionPrefix : kDataPrefix);
  if (is_data_version) {
    writer.text(kDataVersionName);
    return std::move(writer).take();
  }
  if (is_offset()) {
    write_name(writer, group);
    writer.i8(kKeySeparator);
  }
  write_name(writer, name);
  if (is_offset()) {
    writer.i8(kKeySeparator);
    writer.i32(queue_id);
  }
  return std::move(writer).take();
}

Decoded<DataVersion> parse_config_v2_data_version(std::span<const std::byte> value) {
  ByteReader reader(value);
  DataVersion found;
  found.state_version = reader.i64();
  found.timestamp = reader.i64();
  found.counter = reader.i64();
  return finish_whole(reader, found);
}

}  // namespace rmq::format
