// One message as it lies in the commit log, and the BLANK filler that ends a file.
// RocketMQ: MessageExtEncoder.encode (writer), CommitLog.checkMessageAndReturnSize and MessageDecoder.decode
// (readers). Page: docs/format/commit_log_record.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/bytes/decode_error.h"
#include "libstore/bytes/layout.h"
#include "libstore/format/sys_flag.h"

namespace rmq::format {

inline constexpr std::int32_t kMagicV1 = -626843481;     // 0xDAA320A7
inline constexpr std::int32_t kMagicV2 = -626843477;     // 0xDAA320AB, 5.x, two-byte topic length
inline constexpr std::int32_t kMagicBlank = -875286124;  // 0xCBD43194

// The fixed fields in front of BORNHOST, then the offsets that other code addresses directly.
inline constexpr std::size_t kRecordMagicOffset = 4;
inline constexpr std::size_t kRecordQueueOffsetOffset = 20;
inline constexpr std::size_t kRecordPhysicalOffsetOffset = 28;
inline constexpr std::size_t kRecordSysFlagOffset = 36;
inline constexpr std::size_t kRecordBornHostOffset = 48;
// A record with empty body, topic and properties: V1 and IPv4 hosts.
inline constexpr std::int32_t kMinRecordSize = 91;
// A record fits into a file only if this much is left behind it (END_FILE_MIN_BLANK_LENGTH).
inline constexpr std::int32_t kBlankSize = 8;
// What a scan is willing to hold in memory as one record. RocketMQ's default limit is 4 MiB + 64 KiB.
inline constexpr std::int32_t kMaxRecordSize = 64 << 20;

inline constexpr std::array<LayoutField, 20> kRecordLayout{{
    {"TOTALSIZE", "0", "4", "i32"},
    {"MAGIC", "4", "4", "i32"},
    {"BODYCRC", "8", "4", "i32"},
    {"QUEUEID", "12", "4", "i32"},
    {"FLAG", "16", "4", "i32"},
    {"QUEUEOFFSET", "20", "8", "i64"},
    {"PHYSICALOFFSET", "28", "8", "i64"},
    {"SYSFLAG", "36", "4", "i32"},
    {"BORNTIMESTAMP", "40", "8", "i64"},
    {"BORNHOST", "48", "B", "bytes"},
    {"STORETIMESTAMP", "48+B", "8", "i64"},
    {"STOREHOST", "56+B", "S", "bytes"},
    {"RECONSUMETIMES", "56+B+S", "4", "i32"},
    {"PREPAREDTRANSACTIONOFFSET", "60+B+S", "8", "i64"},
    {"BODYLEN", "68+B+S", "4", "i32"},
    {"BODY", "72+B+S", "n", "bytes"},
    {"TOPICLEN", "72+B+S+n", "L", "i8 (V1) or i16 (V2)"},
    {"TOPIC", "72+B+S+n+L", "t", "UTF-8"},
    {"PROPLEN", "72+B+S+n+L+t", "2", "i16"},
    {"PROPERTIES", "74+B+S+n+L+t", "p", "bytes"},
}};
inline constexpr std::array<LayoutField, 2> kBlankLayout{{
    {"TOTALSIZE", "0", "4", "i32"},
    {"MAGIC", "4", "4", "i32"},
}};

// An address as stored: 4 or 16 address bytes, then the port.
struct HostView {
  std::span<const std::byte> address;
  std::int32_t port = 0;
};
// "1.2.3.4:10911" or "[2001:db8:0:0:0:0:0:1]:10911", as java.net.InetAddress prints it.
[[nodiscard]] std::string to_string(const HostView& host);

// A decoded record. Spans and views borrow from the bytes given to parse and live as long as they do.
struct MessageView {
  std::int32_t total_size = 0;
  std::int8_t version = 1;  // 1 or 2
  std::int32_t body_crc = 0;
  std::int32_t queue_id = 0;
  std::int32_t flag = 0;
  std::int64_t queue_offset = 0;
  std::int64_t physical_offset = 0;  // the field; where the record lies is the reader's to know
  std::int32_t sys_flag = 0;
  std::int64_t born_timestamp = 0;
  HostView born_host;
  std::int64_t store_timestamp = 0;
  HostView store_host;
  std::int32_t reconsume_times = 0;
  std::int64_t prepared_transaction_offset = 0;
  std::span<const std::byte> body;
  std::string_view topic;
  std::string_view properties;  // raw text, see message_properties.h

  // `record` may be longer than the record; structure only, no checksum. Fails on anything whose parts do not
  // add up to TOTALSIZE; BLANK is bad_magic here.
  [[nodiscard]] static Decoded<MessageView> parse(std::span<const std::byte> record);
  // The same without a copy, for loops; `into` means nothing when an error comes back.
  [[nodiscard]] static std::optional<DecodeError> decode(std::span<const std::byte> record, MessageView& into);

  [[nodiscard]] bool body_crc_matches() const;  // an empty body always matches
  // The __CRC32# property (5.x, enabledAppendPropCRC) over `record`, the bytes this view was parsed from.
  enum class PropertyCrc { absent, matches, differs };
  [[nodiscard]] PropertyCrc check_property_crc(std::span<const std::byte> record) const;
};

// Upper-case hex of store host and physical offset (MessageDecoder.createMessageId): 32 or 56 characters.
[[nodiscard]] std::string offset_message_id(const MessageView& message);

// The bytes that the message takes as a record: of version, sys_flag, body, topic and properties. Nothing where
// topic or properties exceed what their length fields hold, or an address does not fit its sysFlag bit.
[[nodiscard]] std::optional<std::int32_t> encoded_size(const MessageView& message);
// Writes all fields as they are, the CRC included; `out` has exactly encoded_size bytes.
void encode_into(const MessageView& message, std::span<std::byte> out);

// The fields to encode. `body_crc` is computed, sizes and magic follow from the rest.
struct MessageRecord {
  std::int8_t version = 1;
  std::int32_t queue_id = 0;
  std::int32_t flag = 0;
  std::int64_t queue_offset = 0;
  std::int64_t physical_offset = 0;
  std::int32_t sys_flag = 0;  // the IPv6 bits are taken as they are: they decide the size of the hosts
  std::int64_t born_timestamp = 0;
  std::vector<std::byte> born_address = std::vector<std::byte>(4);
  std::int32_t born_port = 0;
  std::int64_t store_timestamp = 0;
  std::vector<std::byte> store_address = std::vector<std::byte>(4);
  std::int32_t store_port = 0;
  std::int32_t reconsume_times = 0;
  std::int64_t prepared_transaction_offset = 0;
  std::vector<std::byte> body;
  std::string topic;
  std::string properties;
  bool append_property_crc = false;  // adds __CRC32# (5.x enabledAppendPropCRC)
};
// Fails with bad_length when topic or properties exceed what their length fields hold, or an address does not
// fit its sysFlag bit.
[[nodiscard]] Decoded<std::vector<std::byte>> encode(const MessageRecord& record);
// The same fields as an owned record, ready to be changed and encoded again.
[[nodiscard]] MessageRecord to_record(const MessageView& message);

// The filler behind the last record of a file. Only the first 8 bytes are defined; `size` covers the rest.
struct BlankView {
  std::int32_t size = 0;
  [[nodiscard]] static Decoded<BlankView> parse(std::span<const std::byte> bytes);
};
[[nodiscard]] std::array<std::byte, kBlankSize> encode_blank(std::int32_t size);

}  // namespace rmq::format
