// Telling whoever waits that messages have arrived. RocketMQ: MessageArrivingListener.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/derive/dispatch_request.h"

namespace rmq::engine {

// A message that can be got now.
struct Arrival {
  std::string_view topic;  // lives as long as the call
  std::int32_t queue_id = 0;
  std::int64_t next_offset = 0;  // the queue offset behind it
  std::int64_t tags_code = 0;
  std::int64_t store_timestamp = 0;
};

// Called soon after messages were dispatched, by the thread that did it: one that puts or reads, or one of
// the store's own. No lock is held, so it may call the store; but a put waits for it to return. Calls may
// overlap and come in another order than the messages lie.
using ArrivalListener = std::function<void(std::span<const Arrival>)>;

// What a thread has dispatched and not told yet.
class Arrivals {
 public:
  // For each queue that has a unit of it: the message's own, then those of a multi-dispatch.
  void add(const derive::DispatchRequest& request);
  void tell(const ArrivalListener& listener);

 private:
  void add(std::string_view topic, std::int32_t queue_id, std::int64_t next_offset,
           const derive::DispatchRequest& request);

  std::string topics_;  // one behind the other: the requests' own do not live on
  std::vector<std::size_t> topic_ends_;
  std::vector<Arrival> arrivals_;
};

}  // namespace rmq::engine
