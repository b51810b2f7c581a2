// Any bytes: MessageView::parse stays inside them, and what parses encodes to the same bytes. Reads the
// properties, tags code and sysFlag of the record as well.
#include <algorithm>
#include <cstdint>
#include <span>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/sys_flag.h"
#include "libstore/format/tags_code.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::format;
  const auto bytes = std::as_bytes(std::span(data, size));
  if (const auto blank = BlankView::parse(bytes)) {
    FUZZ_CHECK(std::ranges::equal(encode_blank(blank->size), bytes.first(kBlankSize)));
  }
  const auto message = MessageView::parse(bytes);
  if (!message) return 0;
  const auto record = bytes.first(static_cast<std::size_t>(message->total_size));
  auto again = encode(to_record(*message));
  FUZZ_CHECK(again.has_value());
  constexpr std::size_t kBodyCrcOffset = 8;
  FUZZ_CHECK(!message->body_crc_matches() || message->body.empty() ||
             rmq::load_be<std::int32_t>(again->data() + kBodyCrcOffset) == message->body_crc);
  rmq::store_be(again->data() + kBodyCrcOffset, message->body_crc);
  FUZZ_CHECK(std::ranges::equal(*again, record));

  FUZZ_CHECK(to_string(message->born_host).find(':') != std::string::npos);
  FUZZ_CHECK(offset_message_id(*message).size() == 2 * (message->store_host.address.size() + 12));
  (void)message->check_property_crc(record);
  FUZZ_CHECK(!enters_consume_queue(message->sys_flag) || enters_index(message->sys_flag));
  const StoreProperties properties = store_properties(message->properties);
  FUZZ_CHECK(properties.tags == find_property(message->properties, kPropertyTags));
  const auto code = tags_code(*message, properties, DelayLevels());
  FUZZ_CHECK(code.has_value() || message->topic == kScheduleTopic);
  return 0;
}
