#include "libstore/format/commit_log_record.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "libstore/bytes/byte_reader.h"
#include "libstore/bytes/byte_writer.h"
#include "libstore/bytes/crc32.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/property_crc.h"

namespace rmq::format {
namespace {

constexpr std::int32_t host_size(std::int32_t sys_flag, std::int32_t v6_bit) {
  return (sys_flag & v6_bit) != 0 ? 20 : 8;
}

}  // namespace

Decoded<MessageView> MessageView::parse(std::span<const std::byte> record) {
  Decoded<MessageView> result{MessageView{}};
  if (const auto fault = decode(record, *result)) result = *fault;
  return result;
}

// The fixed fields are taken in blocks, each checked once: this is the innermost loop of every scan.
std::optional<DecodeError> MessageView::decode(std::span<const std::byte> record, MessageView& m) {
  if (record.size() < kBlankSize) return DecodeError{DecodeFault::truncated, 0};
  m.total_size = load_be<std::int32_t>(record.data());
  const auto magic = load_be<std::int32_t>(record.data() + kRecordMagicOffset);
  if (magic != kMagicV1 && magic != kMagicV2) return DecodeError{DecodeFault::bad_magic, kRecordMagicOffset};
  if (m.total_size < kMinRecordSize) return DecodeError{DecodeFault::bad_length, 0};
  if (static_cast<std::size_t>(m.total_size) > record.size()) return DecodeError{DecodeFault::truncated, 0};
  // From here on the record's own size is the limit, so that no part can reach into its neighbour.
  ByteReader reader(record.first(static_cast<std::size_t>(m.total_size)));
  const std::byte* const head = reader.bytes(kRecordBornHostOffset).data();
  m.version = magic == kMagicV1 ? 1 : 2;
  m.body_crc = load_be<std::int32_t>(head + 8);
  m.queue_id = load_be<std::int32_t>(head + 12);
  m.flag = load_be<std::int32_t>(head + 16);
  m.queue_offset = load_be<std::int64_t>(head + kRecordQueueOffsetOffset);
  m.physical_offset = load_be<std::int64_t>(head + kRecordPhysicalOffsetOffset);
  m.sys_flag = load_be<std::int32_t>(head + kRecordSysFlagOffset);
  m.born_timestamp = load_be<std::int64_t>(head + 40);
  const std::int32_t born = host_size(m.sys_flag, kSysFlagBornHostV6);
  const std::int32_t store = host_size(m.sys_flag, kSysFlagStoreHostV6);
  const std::span<const std::byte> rest = reader.bytes(born + 8 + store + 16);
  if (!reader.ok()) return reader.error();
  auto take = [at = rest.data()](std::int32_t count) mutable { return std::exchange(at, at + count); };
  m.born_host.address = {take(born - 4), static_cast<std::size_t>(born - 4)};
  m.born_host.port = load_be<std::int32_t>(take(4));
  m.store_timestamp = load_be<std::int64_t>(take(8));
  m.store_host.address = {take(store - 4), static_cast<std::size_t>(store - 4)};
  m.store_host.port = load_be<std::int32_t>(take(4));
  m.reconsume_times = load_be<std::int32_t>(take(4));
  m.prepared_transaction_offset = load_be<std::int64_t>(take(8));
  m.body = reader.bytes(load_be<std::int32_t>(take(4)));
  m.topic = reader.text(m.version == 1 ? reader.i8() : reader.i16());
  m.properties = reader.text(reader.i16());
  if (reader.ok() && reader.remaining() != 0) reader.fail(DecodeFault::bad_length);
  if (reader.ok()) return std::nullopt;
  return reader.error();
}

bool MessageView::body_crc_matches() const { return body.empty() || java_crc32(body) == body_crc; }

MessageView::PropertyCrc MessageView::check_property_crc(std::span<const std::byte> record) const {
  if (properties.size() < kPropertyCrcSize) return PropertyCrc::absent;
  const std::string_view tail = properties.substr(properties.size() - kPropertyCrcSize);
  if (!tail.starts_with(kPropertyCrc32) || tail[kPropertyCrc32.size()] != kNameValueSeparator) {
    return PropertyCrc::absent;
  }
  const bool same = property_crc_matches(record.first(static_cast<std::size_t>(total_size)));
  return same ? PropertyCrc::matches : PropertyCrc::differs;
}

std::string to_string(const HostView& host) {
  const auto byte = [&](std::size_t i) { return std::to_integer<unsigned>(host.address[i]); };
  const auto dotted = [&](std::size_t from) {
    std::string text;
    for (std::size_t i = from; i < from + 4; ++i) text += (i == from ? "" : ".") + std::to_string(byte(i));
    return text;
  };
  const std::string port = ":" + std::to_string(host.port);
  if (host.address.size() == 4) return dotted(0) + port;
  if (host.address.size() != 16) return "?" + port;
  // Java turns an IPv4-mapped address into an Inet4Address.
  const bool mapped = std::all_of(host.address.begin(), host.address.begin() + 10,
                                  [](std::byte b) { return b == std::byte{0}; }) &&
                      byte(10) == 0xFF && byte(11) == 0xFF;
  if (mapped) return dotted(12) + port;
  std::string text = "[";
  for (std::size_t i = 0; i < 16; i += 2) {
    std::array<char, 4> hex;
    const auto end = std::to_chars(hex.data(), hex.data() + hex.size(), byte(i) << 8 | byte(i + 1), 16).ptr;
    if (i != 0) text += ':';
    text.append(hex.data(), end);
  }
  return text + "]" + port;
}

std::string offset_message_id(const MessageView& message) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  ByteWriter id;
  id.bytes(message.store_host.address);
  id.i32(message.store_host.port);
  id.i64(message.physical_offset);
  std::string text;
  for (const std::byte b : id.written()) {
    text += kDigits[std::to_integer<std::size_t>(b >> 4)];
    text += kDigits[std::to_integer<std::size_t>(b & std::byte{15})];
  }
  return text;
}

std::optional<std::int32_t> encoded_size(const MessageView& m) {
  const bool v2 = m.version == 2;
  const std::int32_t born = host_size(m.sys_flag, kSysFlagBornHostV6);
  const std::int32_t store = host_size(m.sys_flag, kSysFlagStoreHostV6);
  if (m.topic.size() > (v2 ? 32767U : 127U) || m.properties.size() > 32767U ||
      m.body.size() > static_cast<std::size_t>(kMaxRecordSize) || std::ssize(m.born_host.address) + 4 != born ||
      std::ssize(m.store_host.address) + 4 != store) {
    return std::nullopt;
  }
  constexpr std::int32_t kIpv4Hosts = 16;
  const auto texts = static_cast<std::int32_t>(m.body.size() + m.topic.size() + m.properties.size());
  return kMinRecordSize - kIpv4Hosts + born + store + (v2 ? 1 : 0) + texts;
}

void encode_into(const MessageView& m, std::span<std::byte> out) {
  std::byte* at = out.data();
  const auto put = [&at](auto value) {
    store_be(at, value);
    at += sizeof(value);
  };
  const auto copy = [&at](const void* from, std::size_t size) {
    if (size > 0) std::memcpy(at, from, size);
    at += size;
  };
  const auto host = [&](const HostView& h) {
    copy(h.address.data(), h.address.size());
    put(h.port);
  };
  put(static_cast<std::int32_t>(out.size()));
  put(m.version == 2 ? kMagicV2 : kMagicV1);
  put(m.body_crc);
  put(m.queue_id);
  put(m.flag);
  put(m.queue_offset);
  put(m.physical_offset);
  put(m.sys_flag);
  put(m.born_timestamp);
  host(m.born_host);
  put(m.store_timestamp);
  host(m.store_host);
  put(m.reconsume_times);
  put(m.prepared_transaction_offset);
  put(static_cast<std::int32_t>(m.body.size()));
  copy(m.body.data(), m.body.size());
  if (m.version == 2) {
    put(static_cast<std::int16_t>(m.topic.size()));
  } else {
    put(static_cast<std::int8_t>(m.topic.size()));
  }
  copy(m.topic.data(), m.topic.size());
  put(static_cast<std::int16_t>(m.properties.size()));
  copy(m.properties.data(), m.properties.size());
}

Decoded<std::vector<std::byte>> encode(const MessageRecord& record) {
  std::string properties = record.properties;
  if (record.append_property_crc) {
    if (!properties.empty() && properties.back() != kPropertySeparator) properties += kPropertySeparator;
    properties += kPropertyCrc32;
    properties += kNameValueSeparator;
    properties += std::string(10, '0');
    properties += kPropertySeparator;
  }
  const MessageView view{.version = record.version,
                         .body_crc = record.body.empty() ? 0 : java_crc32(record.body),
                         .queue_id = record.queue_id,
                         .flag = record.flag,
                         .queue_offset = record.queue_offset,
                         .physical_offset = record.physical_offset,
                         .sys_flag = record.sys_flag,
                         .born_timestamp = record.born_timestamp,
                         .born_host = {record.born_address, record.born_port},
                         .store_timestamp = record.store_timestamp,
                         .store_host = {record.store_address, record.store_port},
                         .reconsume_times = record.reconsume_times,
                         .prepared_transaction_offset = record.prepared_transaction_offset,
                         .body = record.body,
                         .topic = record.topic,
                         .properties = properties};
  const auto size = encoded_size(view);
  if (!size) return DecodeError{DecodeFault::bad_length, 0};
  std::vector<std::byte> out(static_cast<std::size_t>(*size));
  encode_into(view, out);
  if (record.append_property_crc) renew_property_crc(out);
  return out;
}

MessageRecord to_record(const MessageView& m) {
  MessageRecord r;
  r.version = m.version;
  r.queue_id = m.queue_id;
  r.flag = m.flag;
  r.queue_offset = m.queue_offset;
  r.physical_offset = m.physical_offset;
  r.sys_flag = m.sys_flag;
  r.born_timestamp = m.born_timestamp;
  r.born_address.assign(m.born_host.address.begin(), m.born_host.address.end());
  r.born_port = m.born_host.port;
  r.store_timestamp = m.store_timestamp;
  r.store_address.assign(m.store_host.address.begin(), m.store_host.address.end());
  r.store_port = m.store_host.port;
  r.reconsume_times = m.reconsume_times;
  r.prepared_transaction_offset = m.prepared_transaction_offset;
  r.body.assign(m.body.begin(), m.body.end());
  r.topic = m.topic;
  r.properties = m.properties;
  return r;
}

Decoded<BlankView> BlankView::parse(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  BlankView blank{reader.i32()};
  if (reader.i32() != kMagicBlank) reader.fail(DecodeFault::bad_magic);
  if (reader.ok() && blank.size < kBlankSize) reader.fail(DecodeFault::bad_length);
  return reader.finish(blank);
}

std::array<std::byte, kBlankSize> encode_blank(std::int32_t size) {
  std::array<std::byte, kBlankSize> out;
  store_be(out.data(), size);
  store_be(out.data() + 4, kMagicBlank);
  return out;
}

}  // namespace rmq::format
