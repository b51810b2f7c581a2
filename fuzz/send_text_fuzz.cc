// What a client sends beside its header: a batch's body and a message's properties. Never out of bounds; what
// is stored says what the client said, less what is the broker's to say.
#include <map>
#include <string>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/format/message_properties.h"
#include "servers/broker/batch_body.h"
#include "servers/broker/send_properties.h"

namespace {

using Map = std::map<std::string_view, std::string_view>;

Map map_of(std::string_view text) {
  Map map;
  rmq::format::PropertyReader reader(text);
  while (const auto property = reader.next()) map[property->name] = property->value;
  return map;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  rmq::broker::BatchReader batch(bytes);
  std::int32_t count = 0;
  std::size_t taken = 0;
  while (const auto element = batch.next()) {
    ++count;
    taken += 22 + element->body.size() + element->properties.size();
  }
  FUZZ_CHECK(batch.failed() || taken == size);
  const auto counted = rmq::broker::count_batch_elements(bytes);
  FUZZ_CHECK(batch.failed() ? !counted : counted == count);

  const std::string_view text = rmq::as_text(bytes);
  const auto client = rmq::broker::read_send_properties(text);
  rmq::broker::BrokerProperties said;
  said.region = "R";
  said.cluster = "C";
  std::string stored;
  rmq::broker::append_stored_properties(client, said, stored);
  Map expected = map_of(text);
  expected.erase("POP_CK");
  expected["MSG_REGION"] = "R";
  expected["TRACE_ON"] = "true";
  expected["CLUSTER"] = "C";
  FUZZ_CHECK(map_of(stored) == expected);
  return 0;
}
