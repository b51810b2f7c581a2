// Messages go out: PULL_MESSAGE, LITE_PULL_MESSAGE. What a consumer wants lies in the log and is sent from
// there; where nothing is there yet, the pull is held until something comes. RocketMQ: PullMessageProcessor,
// DefaultPullMessageResultHandler, NotifyMessageArrivingListener.
//
// Threads: everything from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "libstore/engine/message_store.h"
#include "servers/broker/broker.h"
#include "servers/broker/held_pulls.h"
#include "servers/broker/pull_header.h"
#include "servers/broker/subscription_data.h"

namespace rmq::broker {

class PullProcessor {
 public:
  explicit PullProcessor(Broker& broker) : broker_(broker) {}

  void handle(const wire::Request& request, wire::Responder responder);
  // Answers those that wait for these messages.
  void arrived(std::span<const engine::Arrival> arrivals);
  // Answers those whose time is up.
  void answer_due();
  void answer_all() { pull_again(held_.take_all()); }
  void drop_all() { held_.take_all(); }

 private:
  enum class Suspend : std::uint8_t { allowed, no };
  struct Refusal {
    ResponseCode code;
    std::string remark;
    std::int32_t forbidden_type = 0;
  };
  using Check = std::optional<Refusal>;
  struct Pull {
    PullHeader header;
    TopicConfigPtr topic;
    SubscriptionGroupPtr group;
    std::shared_ptr<const SubscriptionData> subscription;
  };

  void pull(const PullHeader& header, wire::Responder responder, Suspend suspend);
  void pull_again(std::vector<HeldPull> pulls);
  [[nodiscard]] Check check(Pull& pull, const wire::Responder& responder);
  [[nodiscard]] Check find_subscription(Pull& pull);
  [[nodiscard]] Result<engine::GetView> get(const Pull& pull);
  [[nodiscard]] wire::Response answer_of(const Pull& pull, engine::GetView view);
  void hold(Pull pull, wire::Response not_found, bool at_end, wire::Responder responder);
  void count(const Pull& pull, const engine::GetView& view, std::int64_t began_ms);

  Broker& broker_;
  HeldPulls held_;
};

void add_pull_processor(Broker& broker);

}  // namespace rmq::broker
