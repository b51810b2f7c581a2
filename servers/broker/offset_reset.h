// Sends a group to another place in a topic: INVOKE_BROKER_TO_RESET_OFFSET. RocketMQ:
// AdminBrokerProcessor.resetOffset and resetOffsetInner, Broker2Client.resetOffset. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "libstore/base/error.h"
#include "servers/broker/clients.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

class OffsetReset {
 public:
  // Both outlive it.
  OffsetReset(Broker& broker, ClientTables& clients) : broker_(broker), clients_(clients) {}

  [[nodiscard]] wire::Response reset(const wire::Request& request) const;

 private:
  struct Asked {
    std::string group;
    std::string topic;
    std::int64_t timestamp = 0;  // negative: to the end
    bool force = false;          // forward, too
    std::int32_t queue_id = -1;  // negative: all
    std::int64_t offset = -1;    // -1: by timestamp
    bool list_form = false;      // as clients in C++ read it
  };
  using Offsets = std::map<std::int32_t, std::int64_t>;  // by queue

  // useServerSideResetOffset: the broker changes its own table, and the group's next pulls are sent there.
  [[nodiscard]] wire::Response reset_here(const Asked& asked) const;
  // Otherwise the clients that are connected are told to.
  [[nodiscard]] wire::Response tell_clients(const Asked& asked) const;
  [[nodiscard]] Result<std::int64_t> offset_for(const Asked& asked, std::int32_t queue_id) const;
  [[nodiscard]] std::string body_json(const Asked& asked, const Offsets& offsets, bool list_form) const;

  Broker& broker_;
  ClientTables& clients_;
};

}  // namespace rmq::broker
