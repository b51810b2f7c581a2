#include "tools/cli/message_lines.h"

#include <arpa/inet.h>

#include <charconv>
#include <limits>

#include "libstore/bytes/big_endian.h"
#include "libstore/codec/base64.h"
#include "libstore/format/sys_flag.h"
#include "libstore/json/json_value.h"

namespace rmq::cli {
namespace {

Error field_error(std::string_view name, std::string_view what) {
  return wrong_use("field '" + std::string(name) + "' " + std::string(what));
}

template <class T>
Result<T> number(const json::Value& line, std::string_view name) {
  const json::Value* value = line.find(name);
  if (value == nullptr) return field_error(name, "is missing");
  const auto integer = value->as_int64();
  if (!integer || *integer < std::numeric_limits<T>::min() || *integer > std::numeric_limits<T>::max()) {
    return field_error(name, "is no number that fits");
  }
  return static_cast<T>(*integer);
}

Result<std::vector<std::byte>> base64(const json::Value& line, std::string_view name) {
  const json::Value* value = line.find(name);
  if (value == nullptr || value->if_string() == nullptr)
    return field_error(name, "is missing: dump with --body base64");
  auto bytes = codec::decode_base64(*value->if_string());
  if (!bytes) return field_error(name, "is no base64");
  return std::move(*bytes);
}

// "1.2.3.4:5" or "[2001:db8::1]:5"; the sysFlag bit says how wide the address was stored.
Result<std::int32_t> host(const json::Value& line, std::string_view name, bool v6,
                          std::vector<std::byte>& address) {
  const json::Value* value = line.find(name);
  if (value == nullptr || value->if_string() == nullptr) return field_error(name, "is missing");
  std::string text = *value->if_string();
  const std::size_t colon = text.rfind(':');
  std::int32_t port = 0;
  if (colon == std::string::npos ||
      std::from_chars(text.data() + colon + 1, text.data() + text.size(), port).ptr !=
          text.data() + text.size()) {
    return field_error(name, "has no port");
  }
  text.resize(colon);
  address.assign(v6 ? 16 : 4, std::byte{0});
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  in6_addr wide{};
  in_addr narrow{};
  if (v6 && ::inet_pton(AF_INET6, text.c_str(), &wide) == 1) {
    std::memcpy(address.data(), &wide, 16);
  } else if (::inet_pton(AF_INET, text.c_str(), &narrow) == 1) {
    if (v6) address[10] = address[11] = std::byte{0xFF};
    std::memcpy(address.data() + (v6 ? 12 : 0), &narrow, 4);
  } else {
    return field_error(name, "is no address of the kind that sysFlag says");
  }
  return port;
}

}  // namespace

Result<bool> read_message_line(std::string_view text, MessageLine& into) {
  const auto line = json::parse(text);
  if (!line) return wrong_use("no JSON: " + line.error().message());
  const json::Value* kind = line->find("kind");
  if (kind == nullptr || kind->if_string() == nullptr)
    return field_error("kind", "is missing: give lines of rmq-dump log");
  if (*kind->if_string() != "record") return false;
  const json::Value* topic = line->find("topic");
  if (topic == nullptr || topic->if_string() == nullptr) return field_error("topic", "is missing");
  into.topic = *topic->if_string();
  RMQ_TRY(body, base64(*line, "bodyBase64"));
  RMQ_TRY(properties, base64(*line, "propertiesBase64"));
  RMQ_TRY(queue_id, number<std::int32_t>(*line, "queueId"));
  RMQ_TRY(flag, number<std::int32_t>(*line, "flag"));
  RMQ_TRY(sys_flag, number<std::int32_t>(*line, "sysFlag"));
  RMQ_TRY(born_timestamp, number<std::int64_t>(*line, "bornTimestamp"));
  RMQ_TRY(store_timestamp, number<std::int64_t>(*line, "storeTimestamp"));
  RMQ_TRY(queue_offset, number<std::int64_t>(*line, "queueOffset"));
  RMQ_TRY(reconsume_times, number<std::int32_t>(*line, "reconsumeTimes"));
  RMQ_TRY(prepared, number<std::int64_t>(*line, "preparedTransactionOffset"));
  RMQ_TRY(born_port,
          host(*line, "bornHost", (sys_flag & format::kSysFlagBornHostV6) != 0, into.born_address));
  RMQ_TRY(store_port,
          host(*line, "storeHost", (sys_flag & format::kSysFlagStoreHostV6) != 0, into.store_address));
  into.body = std::move(body);
  into.properties = std::move(properties);
  into.store_timestamp = store_timestamp;
  into.queue_offset = queue_offset;
  into.view = {};
  into.view.queue_id = queue_id;
  into.view.flag = flag;
  into.view.sys_flag = sys_flag;
  into.view.born_timestamp = born_timestamp;
  into.view.born_host = {into.born_address, born_port};
  into.view.store_host = {into.store_address, store_port};
  into.view.reconsume_times = reconsume_times;
  into.view.prepared_transaction_offset = prepared;
  into.view.body = into.body;
  into.view.topic = into.topic;
  into.view.properties = as_text(into.properties);
  return true;
}

}  // namespace rmq::cli
