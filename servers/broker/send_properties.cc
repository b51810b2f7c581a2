#include "servers/broker/send_properties.h"

#include <array>
#include <charconv>

#include "libstore/format/message_properties.h"
#include "servers/broker/java_number.h"

namespace rmq::broker {
namespace {

bool is_timer(std::string_view name) {
  return name == kPropertyTimerDeliverMs || name == kPropertyTimerDelayMs || name == kPropertyTimerDelaySec;
}

// Names whose values are the broker's to give, or that a client may not store.
bool is_reserved(std::string_view name) {
  return name == kPropertyMsgRegion || name == kPropertyTraceOn || name == kPropertyCluster ||
         name == kPropertyPopCheckPoint;
}

bool is_replaced(std::string_view name, const BrokerProperties& broker) {
  return is_reserved(name) || (broker.dead_letter && name == format::kPropertyDelay) ||
         (broker.inner_num != 0 && name == format::kPropertyInnerNum);
}

void append(std::string& into, std::string_view name, std::string_view value) {
  into.append(name).push_back(format::kNameValueSeparator);
  into.append(value).push_back(format::kPropertySeparator);
}

void append(std::string& into, std::string_view name, std::int32_t value) {
  std::array<char, 12> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  append(into, name, std::string_view(digits.data(), end));
}

void note(std::string_view name, std::string_view value, SendProperties& found) {
  if (is_reserved(name)) {
    found.as_stored = false;
  } else if (name == format::kPropertyUniqKey) {
    found.uniq_key = value;
  } else if (name == format::kPropertyKeys) {
    found.keys = value;
  } else if (name == format::kPropertyDelay) {
    found.delay = value;
  } else if (name == kPropertyWait) {
    found.wait = value;
  } else if (name == kPropertyTransactionPrepared) {
    found.transaction_prepared = is_java_true(value);
  } else if (name == format::kPropertyInnerNum) {
    found.inner_num = true;
  } else if (name.starts_with("TIMER_")) {
    found.timed = found.timed || is_timer(name);
    found.timer_out = found.timer_out || name == kPropertyTimerOutMs;
  }
}

}  // namespace

bool SendProperties::waits() const { return !wait || is_java_true(*wait); }

SendProperties read_send_properties(std::string_view text) {
  SendProperties found;
  found.text = text;
  format::PropertyReader reader(text);
  std::size_t in_pairs = 0;
  while (const auto property = reader.next()) {
    in_pairs += property->name.size() + property->value.size() + 2;
    note(property->name, property->value, found);
  }
  const bool ends = text.ends_with(format::kPropertySeparator);
  if (in_pairs != text.size() + (ends || text.empty() ? 0 : 1)) found.as_stored = false;
  return found;
}

void append_stored_properties(const SendProperties& client, const BrokerProperties& broker,
                              std::string& into) {
  if (client.as_stored && !broker.dead_letter && broker.inner_num == 0) {
    into.append(client.text);
    if (!client.text.empty() && client.text.back() != format::kPropertySeparator)
      into.push_back(format::kPropertySeparator);
  } else {
    format::PropertyReader reader(client.text);
    while (const auto property = reader.next())
      if (!is_replaced(property->name, broker)) append(into, property->name, property->value);
  }
  append(into, kPropertyMsgRegion, broker.region);
  append(into, kPropertyTraceOn, broker.trace_on ? "true" : "false");
  if (!broker.uniq_key.empty()) append(into, format::kPropertyUniqKey, broker.uniq_key);
  append(into, kPropertyCluster, broker.cluster);
  if (broker.dead_letter) append(into, format::kPropertyDelay, "-1");
  if (broker.inner_num != 0) append(into, format::kPropertyInnerNum, broker.inner_num);
}

}  // namespace rmq::broker
