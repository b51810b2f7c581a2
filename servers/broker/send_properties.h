// The properties of a message on its way into the store: what the broker reads of them, and the text that is
// stored. RocketMQ: SendMessageProcessor.sendMessage with AbstractSendMessageProcessor.buildMsgContext.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rmq::broker {

inline constexpr std::string_view kPropertyMsgRegion = "MSG_REGION";
inline constexpr std::string_view kPropertyTraceOn = "TRACE_ON";
inline constexpr std::string_view kPropertyCluster = "CLUSTER";
inline constexpr std::string_view kPropertyWait = "WAIT";
inline constexpr std::string_view kPropertyTransactionPrepared = "TRAN_MSG";
inline constexpr std::string_view kPropertyPopCheckPoint = "POP_CK";
inline constexpr std::string_view kPropertyTimerDeliverMs = "TIMER_DELIVER_MS";
inline constexpr std::string_view kPropertyTimerDelayMs = "TIMER_DELAY_MS";
inline constexpr std::string_view kPropertyTimerDelaySec = "TIMER_DELAY_SEC";
inline constexpr std::string_view kPropertyTimerOutMs = "TIMER_OUT_MS";

// Of a client's text; the last of two with one name counts. The views live as long as the text.
struct SendProperties {
  std::string_view text;
  std::optional<std::string_view> uniq_key;
  std::optional<std::string_view> keys;
  std::optional<std::string_view> delay;
  std::optional<std::string_view> wait;
  bool transaction_prepared = false;  // TRAN_MSG=true
  bool timed = false;                 // one of TIMER_DELIVER_MS, TIMER_DELAY_MS, TIMER_DELAY_SEC
  bool timer_out = false;             // TIMER_OUT_MS
  bool inner_num = false;
  // Every segment is a pair, and none has a name that the broker gives a value of its own or takes out.
  bool as_stored = true;

  [[nodiscard]] bool waits() const;  // for the disk: WAIT is not there, or true
};
[[nodiscard]] SendProperties read_send_properties(std::string_view text);

// What the broker says of a message beside its client.
struct BrokerProperties {
  std::string_view region;
  std::string_view cluster;
  bool trace_on = true;
  std::string_view uniq_key;   // empty: the client gave one, or none is wanted
  bool dead_letter = false;    // DELAY is -1, whatever the client's is
  std::int32_t inner_num = 0;  // INNER_NUM of an inner batch; 0: none
};
// Appends the text to store: the client's pairs as they are, less those that others replace, then the
// broker's; each ends with the separator.
void append_stored_properties(const SendProperties& client, const BrokerProperties& broker,
                              std::string& into);

}  // namespace rmq::broker
