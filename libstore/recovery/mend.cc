#include "libstore/recovery/mend.h"

#include <array>
#include <bit>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/format/message_properties.h"

namespace rmq::recovery {
namespace {

using format::MessageView;

constexpr std::int32_t kJavaCrcMask = 0x7FFFFFFF;  // UtilAll.crc32
// What a sysFlag may say beside the kind of its addresses: anything else is damage of another kind.
constexpr std::int32_t kFlagsOfMessages = format::kSysFlagCompressed | format::kSysFlagMultiTags |
                                          format::kSysFlagTransactionMask | format::kSysFlagNeedUnwrap |
                                          format::kSysFlagInnerBatch | format::kSysFlagCompressionTypeMask;
constexpr std::size_t kCrcPosition = 8;
constexpr std::size_t kBodyLengthBehindHosts = 68;  // of the record layout, without the two hosts

bool lies_at(const MessageView& message, std::span<const std::byte> record, std::int64_t log_offset) {
  return message.total_size == std::ssize(record) && message.physical_offset == log_offset &&
         message.queue_id >= 0 && message.queue_offset >= 0 && message.store_timestamp > 0 &&
         !message.topic.empty();
}

bool is_right(std::span<const std::byte> record, std::int64_t log_offset) {
  const auto message = MessageView::parse(record);
  return message && lies_at(*message, record, log_offset) && has_real_ports(*message) &&
         is_whole(*message, record);
}

// What the CRC-32 of a body changes by when one bit of it flips, from the last byte to the first.
class FlippedBits {
 public:
  FlippedBits() {
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t value = byte;
      for (int i = 0; i < 8; ++i) value = (value >> 1) ^ ((value & 1U) != 0 ? 0xEDB88320U : 0U);
      table_[byte] = value;
    }
    for (std::size_t bit = 0; bit < 8; ++bit) change_[bit] = table_[std::size_t{1} << bit];
  }
  // The bit of the byte at hand whose flip changes the checksum so; 8 where none does.
  [[nodiscard]] std::size_t find(std::uint32_t change) const {
    std::size_t bit = 0;
    while (bit < 8 && ((change_[bit] ^ change) & static_cast<std::uint32_t>(kJavaCrcMask)) != 0) ++bit;
    return bit;
  }
  void to_byte_before() {
    for (std::uint32_t& change : change_) change = (change >> 8) ^ table_[change & 0xFFU];
  }

 private:
  std::array<std::uint32_t, 256> table_{};
  std::array<std::uint32_t, 8> change_{};
};

// A body that does not match its checksum, where exactly one flipped bit, of body or checksum, explains it.
std::optional<Mended> flip_bit(std::span<const std::byte> bytes, const MessageView& message) {
  if (message.body.empty()) return std::nullopt;
  const auto change =
      static_cast<std::uint32_t>((java_crc32(message.body) ^ message.body_crc) & kJavaCrcMask);
  if (change == 0) return std::nullopt;
  std::optional<std::pair<std::size_t, std::size_t>> found;  // byte of the record, bit
  if (std::popcount(change) == 1) {
    const auto bit = static_cast<std::size_t>(std::countr_zero(change));
    found = {kCrcPosition + 3 - bit / 8, bit % 8};
  }
  const auto body = static_cast<std::size_t>(message.body.data() - bytes.data());
  FlippedBits flips;
  for (std::size_t i = message.body.size(); i-- > 0; flips.to_byte_before()) {
    const std::size_t bit = flips.find(change);
    if (bit == 8) continue;
    if (found) return std::nullopt;  // two explanations are none
    found = {body + i, bit};
  }
  if (!found) return std::nullopt;
  Mended mended{{bytes.begin(), bytes.end()}, "one flipped bit"};
  mended.record[found->first] ^= std::byte{1} << static_cast<int>(found->second);
  return mended;
}

// Ports have two bytes in a field of four: the upper ones are zeros.
std::optional<Mended> clear_ports(std::span<const std::byte> bytes, std::int64_t log_offset) {
  const auto message = MessageView::parse(bytes);
  if (!message || has_real_ports(*message)) return std::nullopt;
  if (message->total_size != std::ssize(bytes) || message->physical_offset != log_offset ||
      !is_whole(*message, bytes))
    return std::nullopt;
  Mended mended{{bytes.begin(), bytes.end()}, "the port of an address"};
  for (const format::HostView* host : {&message->born_host, &message->store_host}) {
    const auto address_end =
        static_cast<std::size_t>(host->address.data() - bytes.data()) + host->address.size();
    store_be(mended.record.data() + address_end, std::int16_t{0});
  }
  return mended;
}

}  // namespace

bool has_real_ports(const MessageView& message) {
  const auto is_real = [](std::int32_t port) { return port >= 0 && port <= 0xFFFF; };
  return is_real(message.born_host.port) && is_real(message.store_host.port);
}

bool is_whole(const MessageView& message, std::span<const std::byte> record) {
  return is_whole(message, format::store_properties(message.properties), record);
}

bool is_whole(const MessageView& message, const format::StoreProperties& properties,
              std::span<const std::byte> record) {
  return message.body_crc_matches() && message.topic.find('\0') == std::string_view::npos &&
         !properties.has_zero && message.check_property_crc(record) != MessageView::PropertyCrc::differs;
}

std::optional<Mended> mend_record(std::span<const std::byte> bytes, std::int64_t log_offset) {
  if (bytes.size() < format::kMinRecordSize || bytes.size() > format::kMaxRecordSize) return std::nullopt;
  if (auto cleared = clear_ports(bytes, log_offset)) return cleared;
  Mended tried{{bytes.begin(), bytes.end()}, ""};
  std::byte* const at = tried.record.data();
  const auto try_as = [&](std::size_t position, auto value, const char* what) {
    const auto before = load_be<decltype(value)>(at + position);
    if (before == value) return false;
    store_be(at + position, value);
    if (is_right(tried.record, log_offset)) {
      tried.what = what;
      return true;
    }
    store_be(at + position, before);
    return false;
  };
  const auto size = static_cast<std::int32_t>(bytes.size());
  if (try_as(0, size, "the size")) return tried;
  if (try_as(format::kRecordMagicOffset, format::kMagicV1, "the magic")) return tried;
  if (try_as(format::kRecordMagicOffset, format::kMagicV2, "the magic")) return tried;
  if (try_as(format::kRecordPhysicalOffsetOffset, log_offset, "the record's own offset")) return tried;
  const auto flags = load_be<std::int32_t>(at + format::kRecordSysFlagOffset);
  for (const std::int32_t hosts : {0, format::kSysFlagBornHostV6, format::kSysFlagStoreHostV6,
                                   format::kSysFlagBornHostV6 | format::kSysFlagStoreHostV6}) {
    const std::int32_t kept = flags & ~(format::kSysFlagBornHostV6 | format::kSysFlagStoreHostV6);
    if ((kept & ~kFlagsOfMessages) != 0) break;
    if (try_as(format::kRecordSysFlagOffset, kept | hosts, "the kind of address in sysFlag")) return tried;
  }
  const auto magic = load_be<std::int32_t>(at + format::kRecordMagicOffset);
  if (magic != format::kMagicV1 && magic != format::kMagicV2) return std::nullopt;
  // The body's length stands behind the hosts: it is the one whose bytes match the checksum.
  const std::size_t born = (flags & format::kSysFlagBornHostV6) != 0 ? 20 : 8;
  const std::size_t store = (flags & format::kSysFlagStoreHostV6) != 0 ? 20 : 8;
  const std::size_t length = kBodyLengthBehindHosts + born + store;
  const auto crc = static_cast<std::uint32_t>(load_be<std::int32_t>(at + kCrcPosition));
  std::uint32_t running = 0;
  for (std::size_t body = 1; length + 4 + body < bytes.size(); ++body) {
    running = crc32(bytes.subspan(length + 4 + body - 1, 1), running);
    if (((running ^ crc) & kJavaCrcMask) == 0 &&
        try_as(length, static_cast<std::int32_t>(body), "the length of the body"))
      return tried;
  }
  const auto message = MessageView::parse(bytes);
  if (!message || !lies_at(*message, bytes, log_offset)) return std::nullopt;
  auto flipped = flip_bit(bytes, *message);
  if (flipped && is_right(flipped->record, log_offset)) return flipped;
  return std::nullopt;
}

}  // namespace rmq::recovery
