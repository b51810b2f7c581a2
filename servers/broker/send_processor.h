// Messages come in: SEND_MESSAGE, SEND_MESSAGE_V2, SEND_BATCH_MESSAGE. All that come in one turn go into the
// store by one append. RocketMQ: SendMessageProcessor, AbstractSendMessageProcessor.
//
// Threads: one; what threads share is in SendShared.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>

#include "libstore/format/tags_code.h"
#include "servers/broker/broker.h"
#include "servers/broker/host_address.h"
#include "servers/broker/message_id.h"
#include "servers/broker/processor.h"
#include "servers/broker/send_header.h"
#include "servers/broker/send_properties.h"
#include "servers/broker/send_turn.h"

namespace rmq::broker {

// What the processors of all threads have in common.
struct SendShared {
  explicit SendShared(Broker& broker);
  Broker& broker;
  UniqueIds unique_ids;
  format::DelayLevels delay_levels;
};

class SendProcessor final : public Processor {
 public:
  explicit SendProcessor(std::shared_ptr<SendShared> shared);
  void handle(const wire::Request& request, wire::Responder responder) override;
  void turn_ended() override;

 private:
  struct Refusal {
    ResponseCode code;
    std::optional<std::string> remark;
  };
  using Check = std::optional<Refusal>;
  // A message on its way from header to record.
  struct Message {
    TopicConfigPtr config;  // of the topic that it was sent to, or of the dead letters'
    std::string_view topic;
    std::int32_t queue_id = 0;
    std::int32_t sys_flag = 0;
    std::int32_t delay_level = 0;  // above 0: it waits first
    SendProperties client;
    BrokerProperties broker;
  };

  void begin_turn();
  [[nodiscard]] TopicConfigPtr find_topic(std::string_view topic);
  [[nodiscard]] Check check(const SendHeader& header, const wire::Responder& responder,
                            TopicConfigPtr& topic);
  [[nodiscard]] TopicConfigPtr create_topic(const SendHeader& header, const wire::Responder& responder);
  [[nodiscard]] Check put_one(const SendHeader& header, const wire::Request& request,
                              const TopicConfigPtr& topic, wire::Responder& responder);
  [[nodiscard]] Check put_batch(const SendHeader& header, const wire::Request& request,
                                const TopicConfigPtr& topic, wire::Responder& responder);
  [[nodiscard]] Check retry_or_dead_letter(const SendHeader& header, const wire::Request& request,
                                           Message& message);
  [[nodiscard]] bool is_consumed_in_order(std::string_view group) const;
  [[nodiscard]] Check check_kind(const SendHeader& header, Message& message);
  [[nodiscard]] Check check_timer(const Message& message) const;
  [[nodiscard]] std::int32_t queue_of(const SendHeader& header, const format::TopicConfig& topic);
  [[nodiscard]] format::MessageView record_of(const SendHeader& header, const Message& message,
                                              const wire::Responder& responder, SendTurn& turn);
  void store_as(const Message& message, SendTurn& turn, format::MessageView& record);
  [[nodiscard]] std::string_view new_unique_id(SendTurn& turn);
  [[nodiscard]] SendTurn& turn_for(const SendProperties& properties);
  void put(std::shared_ptr<SendTurn>& turn, engine::Acknowledge when);

  std::shared_ptr<SendShared> shared_;
  Broker& broker_;
  const bool sync_flush_;
  bool in_turn_ = false;
  std::shared_ptr<SendTurn> waiting_;  // those that wait for the disk, where the store does
  std::shared_ptr<SendTurn> hasty_;    // WAIT=false
  std::string region_;
  std::string cluster_;
  bool trace_on_ = true;
  std::string scratch_;
  std::minstd_rand random_;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, TopicConfigPtr, Hash, std::equal_to<>> topics_;  // of topics_generation_
  std::uint64_t topics_generation_ = 0;

  // Whose message came last: where it was born.
  const wire::Connection* connection_ = nullptr;
  std::string remote_;
  HostAddress born_;
};

void add_send_processor(Broker& broker);

}  // namespace rmq::broker
