#include "libstore/preflight/stock_message.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "libstore/bytes/crc32.h"
#include "libstore/bytes/java_string.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/preflight/java_math.h"

namespace rmq::preflight {
namespace {

// The largest array a HotSpot JVM allocates; one element more is an OutOfMemoryError whatever the heap.
constexpr std::int32_t kMaxJavaArray = std::numeric_limits<std::int32_t>::max() - 2;
// Bodies up to this size are taken from the window in one piece.
constexpr std::int64_t kSmallBody = 32 << 10;
// CommitLog.CRC32_RESERVED_LEN
constexpr std::int64_t kReservedForCrc = 20;

CheckedMessage failed(CheckOutcome outcome, std::int32_t size = -1) {
  CheckedMessage message;
  message.outcome = outcome;
  message.size = size;
  return message;
}

// Long.parseLong, Short.parseShort
template <class T>
bool parse_java_number(std::string_view text, T& value) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc{} && end == text.data() + text.size() && !text.empty();
}

// dupInfo.split("_").length == 2; Java drops empty parts at the end.
bool is_dup_info(std::string_view text) {
  while (text.ends_with('_')) text.remove_suffix(1);
  return std::ranges::count(text, '_') == 1;
}

// The digits of __CRC32#, least significant first; wraps as Java's int does.
std::int32_t crc_of_digits(std::string_view digits) {
  std::uint32_t crc = 0;
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
    crc = crc * 10U + static_cast<std::uint32_t>(*digit - '0');
  }
  return static_cast<std::int32_t>(crc);
}

constexpr std::int64_t host_size(std::int32_t sys_flag, std::int32_t v6_bit) {
  return (sys_flag & v6_bit) == 0 ? 8 : 20;
}

}  // namespace

std::span<const std::byte> JavaBuffer::get(std::int64_t count, std::int64_t capacity) {
  if (!ok_ || count < 0 || count > capacity || count > remaining() ||
      count > static_cast<std::int64_t>(window_.block_size())) {
    ok_ = false;
    return {};
  }
  const std::span<const std::byte> bytes(at(static_cast<std::size_t>(count)),
                                         static_cast<std::size_t>(count));
  at_ += count;
  return bytes;
}

std::uint32_t JavaBuffer::get_crc(std::int64_t count, std::int64_t capacity) {
  if (!ok_ || count < 0 || count > capacity || count > remaining()) {
    ok_ = false;
    return 0;
  }
  std::uint32_t crc = 0;
  if (count <= kSmallBody) {
    crc = crc32({at(static_cast<std::size_t>(count)), static_cast<std::size_t>(count)}) & 0x7FFFFFFFU;
  } else {
    crc = crc_between(at_, at_ + count);
  }
  at_ += count;
  return crc;
}

std::uint32_t JavaBuffer::crc_of(std::int64_t from, std::int64_t to) {
  const std::int64_t capacity = limit_ - from_;
  if (!ok_ || from < 0 || from > capacity || to < 0 || to > capacity) {
    ok_ = false;
    return 0;
  }
  return crc_between(from_ + from, from_ + std::max(from, to));
}

std::uint32_t JavaBuffer::crc_between(std::int64_t begin, std::int64_t end) {
  std::uint32_t crc = 0;
  for (std::int64_t from = begin; from < end;) {
    const auto part = std::min<std::int64_t>(end - from, static_cast<std::int64_t>(window_.block_size()) / 2);
    crc = crc32(window_.view(path_, from, static_cast<std::size_t>(part), limit_)
                    .first(static_cast<std::size_t>(part)),
                crc);
    from += part;
  }
  piece_ = {};  // the window has moved
  return crc & 0x7FFFFFFFU;
}

void JavaBuffer::skip(std::int64_t count) {
  if (!ok_ || count > remaining()) {
    ok_ = false;
    return;
  }
  at_ += count;
}

MessageChecker::MessageChecker(const RecoveryRules& rules, const scan::StoreConfig& config)
    : rules_(rules),
      check_crc_(config.check_crc_on_recover),
      force_verify_prop_crc_(rules.checks_prop_crc && config.force_verify_prop_crc),
      check_dup_info_(rules.checks_dup_info && config.duplication_enable) {
  // DefaultMessageStore.parseDelayLevel keeps what it has on a text it cannot parse; only the count matters
  // here.
  if (!config.message_delay_level.empty()) {
    if (auto levels = format::DelayLevels::parse(config.message_delay_level)) levels_ = *std::move(levels);
  }
}

bool MessageChecker::read_properties(std::string_view text, bool recovering, CheckedMessage& message,
                                     PropertyFacts& found) const {
  std::optional<std::string_view> delay;
  std::optional<std::string_view> inner_num;
  std::optional<std::string_view> inner_base;
  std::optional<std::string_view> dup_info;
  format::PropertyReader reader(text);
  while (const auto property = reader.next()) {
    if (property->name == format::kPropertyDelay) delay = property->value;
    if (property->name == format::kPropertyInnerNum) inner_num = property->value;
    if (property->name == format::kPropertyInnerBase) inner_base = property->value;
    if (property->name == format::kPropertyDupInfo) dup_info = property->value;
    if (property->name == format::kPropertyCrc32) found.crc = crc_of_digits(property->value);
    if (property->name == format::kPropertyMultiDispatch) message.multi_dispatch = property->value;
    if (property->name == format::kPropertyMultiQueueOffset) message.multi_queue_offset = property->value;
  }
  if (recovering && check_dup_info_ && !(dup_info && is_dup_info(*dup_info))) return false;
  std::int32_t level = 0;
  if (message.topic == format::kScheduleTopic && delay && !format::parse_java_int(*delay, level))
    return false;
  if (rules_.parses_inner_batch && inner_num && inner_base) {
    found.inner_batch_parses = parse_java_number(*inner_base, message.base_offset) &&
                               parse_java_number(*inner_num, message.batch_size);
  }
  return true;
}

CheckedMessage MessageChecker::check(JavaBuffer& buffer, bool recovering) const {
  if (rules_.checks_remaining && buffer.remaining() <= 4) return failed(CheckOutcome::no_message);
  const std::int32_t total_size = buffer.i32();
  if (rules_.checks_remaining && buffer.remaining() < to_int(std::int64_t{total_size} - 4)) {
    return failed(CheckOutcome::no_message);
  }
  const std::int32_t magic = buffer.i32();
  if (!buffer.ok()) return failed(CheckOutcome::no_message);
  if (magic == format::kMagicBlank) return failed(CheckOutcome::end_of_file, 0);
  const bool version_2 = rules_.knows_version_2 && magic == format::kMagicV2;
  if (magic != format::kMagicV1 && !version_2) return failed(CheckOutcome::no_message);
  if (total_size < 0) return failed(CheckOutcome::no_message);  // NegativeArraySizeException
  if (total_size > kMaxJavaArray) return failed(CheckOutcome::out_of_memory);

  CheckedMessage message;
  message.outcome = CheckOutcome::message;
  message.size = total_size;
  const std::int32_t body_crc = buffer.i32();
  message.queue_id = buffer.i32();
  (void)buffer.i32();  // FLAG
  message.queue_offset = buffer.i64();
  message.base_offset = message.queue_offset;
  message.physical_offset = buffer.i64();
  message.sys_flag = buffer.i32();
  (void)buffer.i64();  // BORNTIMESTAMP
  const std::int64_t born_host = host_size(message.sys_flag, format::kSysFlagBornHostV6);
  const std::int64_t store_host = host_size(message.sys_flag, format::kSysFlagStoreHostV6);
  (void)buffer.get(born_host, total_size);
  (void)buffer.i64();  // STORETIMESTAMP
  (void)buffer.get(store_host, total_size);
  (void)buffer.i32();  // RECONSUMETIMES
  (void)buffer.i64();  // PREPAREDTRANSACTIONOFFSET
  const std::int32_t body_size = buffer.i32();
  if (body_size > 0 && recovering) {
    const std::uint32_t crc = buffer.get_crc(body_size, total_size);
    if (check_crc_ && !force_verify_prop_crc_ && static_cast<std::int32_t>(crc) != body_crc) buffer.fail();
  } else if (body_size > 0) {
    buffer.skip(body_size);
  }
  const std::int32_t topic_size = version_2 ? buffer.i16() : buffer.i8();
  message.topic = java_clean_utf8(as_text(buffer.get(topic_size, total_size)));
  const std::int16_t properties_size = buffer.i16();
  PropertyFacts found;
  if (properties_size > 0) {
    const auto properties = buffer.get(properties_size, total_size);
    if (!buffer.ok() || !read_properties(as_text(properties), recovering, message, found)) {
      return failed(CheckOutcome::no_message);
    }
  }
  if (recovering && check_crc_ && force_verify_prop_crc_) {
    const std::int64_t start = buffer.position() - total_size;
    const std::uint32_t crc = buffer.crc_of(start, start + total_size - kReservedForCrc);
    if (!found.crc || *found.crc < 0 || *found.crc != static_cast<std::int32_t>(crc)) buffer.fail();
  }
  if (!buffer.ok()) return failed(CheckOutcome::no_message);
  const std::int64_t parts = 72 + born_host + store_host + std::max(body_size, 0) + (version_2 ? 2 : 1) +
                             topic_size + 2 + std::max<std::int32_t>(properties_size, 0);
  if (parts != total_size) return failed(CheckOutcome::half_message, total_size);
  if (!found.inner_batch_parses) return failed(CheckOutcome::no_message);
  return message;
}

}  // namespace rmq::preflight
