#include "libstore/forensics/redact.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/dledger_entry.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/property_crc.h"
#include "libstore/format/sys_flag.h"

namespace rmq::forensics {
namespace {

using format::MessageView;

static_assert(Redactor::kMostHeld >= static_cast<std::size_t>(format::kMaxRecordSize));

// The fixed fields from BORNHOST's end to BODYLEN's, without the hosts.
constexpr std::size_t kFixedSize = 72;
// Of one message inside an inner batch's body: TOTALSIZE, MAGIC, BODYCRC, FLAG, BODYLEN
// (MessageDecoder.encodeMessage).
constexpr std::size_t kInnerHead = 20;

// Messages above a broker's default maxMessageSize are rare; a damaged one is judged within this much.
constexpr std::size_t kLargestUsual = std::size_t{5} << 20;

// RocketMQ's own properties that carry what an application put there.
constexpr std::array<std::string_view, 4> kPersonal{"BUYER_ID", "CORRELATION_ID", "TRACE_CONTEXT",
                                                    "__SHARDINGKEY"};

bool is_kept(std::string_view property) {
  return is_system_property(property) && std::ranges::find(kPersonal, property) == kPersonal.end();
}

// Topics whose bodies a broker writes for itself: offsets of half messages, check points of pop.
bool is_brokers_own(std::string_view topic) {
  return topic == "RMQ_SYS_TRANS_OP_HALF_TOPIC" || topic.starts_with("rmq_sys_REVIVE_LOG_");
}

void fill(std::span<std::byte> bytes) { std::ranges::fill(bytes, kBlanked); }

void fill_but_zeros(std::span<std::byte> bytes) {
  for (std::byte& byte : bytes) byte = byte == std::byte{0} ? byte : kBlanked;
}

std::span<std::byte> part_of(std::span<std::byte> record, std::string_view part) {
  const auto at = static_cast<std::size_t>(as_bytes(part).data() - record.data());
  return record.subspan(at, part.size());
}

void blank_properties(std::span<std::byte> text) {
  const std::string_view view = as_text(text);
  for (std::size_t at = 0; at < view.size();) {
    const std::size_t end = std::min(view.find(format::kPropertySeparator, at), view.size());
    const std::string_view pair = view.substr(at, end - at);
    const std::size_t name = pair.find(format::kNameValueSeparator);
    if (name == std::string_view::npos) {
      fill_but_zeros(text.subspan(at, pair.size()));
    } else if (!is_kept(pair.substr(0, name))) {
      fill_but_zeros(text.subspan(at + name + 1, pair.size() - name - 1));
    }
    at = end + 1;
  }
}

// False where the body is no row of messages: nothing is changed then.
bool blank_inner_batch(std::span<std::byte> body) {
  for (const bool change : {false, true}) {
    for (std::size_t at = 0; at < body.size();) {
      const std::span<std::byte> rest = body.subspan(at);
      if (rest.size() < kInnerHead) return false;
      const auto total = load_be<std::int32_t>(rest.data());
      const auto length = load_be<std::int32_t>(rest.data() + 16);
      if (length < 0 || total < 0 || static_cast<std::size_t>(total) > rest.size()) return false;
      const std::size_t behind_body = kInnerHead + static_cast<std::size_t>(length);
      if (behind_body + 2 > static_cast<std::size_t>(total)) return false;
      const auto properties = load_be<std::int16_t>(rest.data() + behind_body);
      if (properties < 0 ||
          behind_body + 2 + static_cast<std::size_t>(properties) != static_cast<std::size_t>(total))
        return false;
      if (change) {
        fill(rest.subspan(kInnerHead, static_cast<std::size_t>(length)));
        blank_properties(rest.subspan(behind_body + 2, static_cast<std::size_t>(properties)));
      }
      at += static_cast<std::size_t>(total);
    }
  }
  return true;
}

void blank_body(std::span<std::byte> record, const MessageView& message, std::span<std::byte> body) {
  const std::int32_t before = java_crc32(body);
  constexpr std::int32_t kBatch = format::kSysFlagInnerBatch | format::kSysFlagCompressed;
  const bool inner = (message.sys_flag & kBatch) == format::kSysFlagInnerBatch;
  // Where the checksum is wrong, zeros tell what was lost.
  if (before != message.body_crc) {
    fill_but_zeros(body);
  } else if (!inner || !blank_inner_batch(body)) {
    fill(body);
  }
  store_be(record.data() + 8, message.body_crc ^ before ^ java_crc32(body));
}

void blank_record(std::span<std::byte> record, const MessageView& message) {
  const auto property_crc = message.check_property_crc(record);
  if (!message.body.empty() && !is_brokers_own(message.topic)) {
    blank_body(record, message, part_of(record, as_text(message.body)));
  }
  blank_properties(part_of(record, message.properties));
  if (property_crc == MessageView::PropertyCrc::matches) format::renew_property_crc(record);
}

bool is_record_magic(std::int32_t magic) { return magic == format::kMagicV1 || magic == format::kMagicV2; }

// Where the lengths are wrong a message's words may stand in the topic's place (TopicValidator: what a topic
// is).
bool is_topic(std::string_view name) {
  return name.size() <= 255 && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("%|-_.").find(c) != std::string_view::npos;
         });
}

// Where the next whole record begins, as far as structure tells.
std::size_t next_record(std::span<const std::byte> bytes) {
  for (std::size_t at = 8; at + format::kMinRecordSize <= bytes.size(); ++at) {
    MessageView message;
    if (is_record_magic(load_be<std::int32_t>(bytes.data() + at + format::kRecordMagicOffset)) &&
        !MessageView::decode(bytes.subspan(at), message))
      return at;
  }
  return bytes.size();
}

}  // namespace

// The parts of a record that is none, in the order in which RocketMQ reads them, as far as one leads to the
// next.
std::size_t Redactor::blank_damaged(std::span<std::byte> bytes) {
  bytes = bytes.first(next_record(bytes.first(std::min(bytes.size(), kLargestUsual))));
  const auto sys_flag =
      bytes.size() < kFixedSize ? 0 : load_be<std::int32_t>(bytes.data() + format::kRecordSysFlagOffset);
  const auto host = [sys_flag](std::int32_t v6) {
    return (sys_flag & v6) != 0 ? std::size_t{20} : std::size_t{8};
  };
  std::size_t at = kFixedSize + host(format::kSysFlagBornHostV6) + host(format::kSysFlagStoreHostV6);
  if (bytes.size() < at) return 8;
  const auto body = load_be<std::int32_t>(bytes.data() + at - 4);
  if (body < 0 || static_cast<std::size_t>(body) > bytes.size() - at) return at;
  fill_but_zeros(bytes.subspan(at, static_cast<std::size_t>(body)));
  at += static_cast<std::size_t>(body);
  const bool v2 = load_be<std::int32_t>(bytes.data() + 4) == format::kMagicV2;
  const std::size_t length_size = v2 ? 2 : 1;
  if (bytes.size() - at < length_size) return at;
  const std::int32_t topic =
      v2 ? load_be<std::int16_t>(bytes.data() + at) : load_be<std::int8_t>(bytes.data() + at);
  at += length_size;
  if (topic < 0 || static_cast<std::size_t>(topic) + 2 > bytes.size() - at) return at;
  const std::span<std::byte> name = bytes.subspan(at, static_cast<std::size_t>(topic));
  if (!is_topic(as_text(name))) fill_but_zeros(name);
  at += name.size();
  const auto properties = load_be<std::int16_t>(bytes.data() + at);
  at += 2;
  if (properties < 0 || static_cast<std::size_t>(properties) > bytes.size() - at) return at;
  blank_properties(bytes.subspan(at, static_cast<std::size_t>(properties)));
  return at + static_cast<std::size_t>(properties);
}

// A record but for its magic: readers that come through a queue do not ask for it (4.9's MessageDecoder).
bool Redactor::blank_without_magic(std::span<std::byte> record) {
  const auto magic = load_be<std::int32_t>(record.data() + format::kRecordMagicOffset);
  bool is_record = false;
  for (const std::int32_t known : {format::kMagicV1, format::kMagicV2}) {
    store_be(record.data() + format::kRecordMagicOffset, known);
    MessageView message;
    if (MessageView::decode(record, message)) continue;
    blank_record(record, message);
    is_record = true;
    break;
  }
  store_be(record.data() + format::kRecordMagicOffset, magic);
  return is_record;
}

// Behind an entry a head belongs, whatever it says: brokers stop where it is wrong. Elsewhere it must fit the
// record that follows it.
std::optional<std::size_t> Redactor::dledger_head(std::span<const std::byte> bytes, bool last) const {
  constexpr auto kHead = static_cast<std::size_t>(format::kDledgerEntryHeaderSize);
  if (bytes.size() < kHead + 8 && !last) return std::nullopt;
  if (at_head_ && bytes.size() >= 4 && load_be<std::int32_t>(bytes.data()) == format::kDledgerBlankMagic)
    return std::min<std::size_t>(bytes.size(), format::kDledgerBlankSize);
  if (at_head_) return std::min(bytes.size(), kHead);
  const auto entry = format::DledgerEntry::parse(bytes);
  const bool fits = entry && bytes.size() >= kHead + 8 &&
                    load_be<std::int32_t>(bytes.data() + kHead) == entry->body_size &&
                    is_record_magic(load_be<std::int32_t>(bytes.data() + kHead + format::kRecordMagicOffset));
  return fits ? kHead : 0;
}

std::size_t Redactor::blank(std::span<std::byte> bytes, bool last) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::span<std::byte> rest = bytes.subspan(at);
    if (dledger_ && (at_head_ || !behind_record_)) {
      const auto head = dledger_head(rest, last);
      if (!head) return at;
      at_head_ = false;
      behind_record_ = *head == static_cast<std::size_t>(format::kDledgerEntryHeaderSize);
      if (*head > 0) {
        at += *head;
        continue;
      }
    }
    if (rest.size() < 8) {
      if (!last) return at;
      if (!behind_record_) fill_but_zeros(rest);
      return bytes.size();
    }
    const auto size = load_be<std::int32_t>(rest.data());
    const auto magic = load_be<std::int32_t>(rest.data() + format::kRecordMagicOffset);
    const bool sized = size >= format::kMinRecordSize && size <= format::kMaxRecordSize;
    const bool is_record = is_record_magic(magic);
    if (is_record || (behind_record_ && sized)) {
      const std::size_t wanted = sized ? static_cast<std::size_t>(size) : kLargestUsual;
      if (wanted > rest.size() && !last) return at;
      MessageView message;
      const bool whole = sized && wanted <= rest.size();
      if (whole && is_record && !MessageView::decode(rest, message)) {
        blank_record(rest.first(wanted), message);
        ++records_;
      } else if (!whole || is_record || !blank_without_magic(rest.first(wanted))) {
        at += is_record ? blank_damaged(rest) : 8;
        behind_record_ = false;
        continue;
      }
      at += wanted;
      behind_record_ = true;
      at_head_ = dledger_;
      continue;
    }
    if (magic == format::kMagicBlank || behind_record_) {
      at += 8;
      behind_record_ = false;
      continue;
    }
    rest.front() = rest.front() == std::byte{0} ? std::byte{0} : kBlanked;
    ++at;
  }
  return at;
}

}  // namespace rmq::forensics
