// Who answers requests of some codes. Each thread of net has its own, made by the factory that was registered
// with Broker::add(), so that what is gathered over a turn needs no lock; what all of them share belongs to
// whoever made the factory. RocketMQ: NettyRequestProcessor.
#pragma once

#include <functional>
#include <memory>

#include "servers/wire/handler.h"

namespace rmq::broker {

class Processor {
 public:
  virtual ~Processor() = default;
  // May answer later; what the request borrows is valid until turn_ended() returns.
  virtual void handle(const wire::Request& request, wire::Responder responder) = 0;
  virtual void turn_ended() {}
};

using ProcessorFactory = std::function<std::unique_ptr<Processor>()>;

// A processor that is but a function, which all threads call.
using HandleFunction = std::function<void(const wire::Request& request, wire::Responder responder)>;

}  // namespace rmq::broker
