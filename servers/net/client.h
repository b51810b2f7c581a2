// Calls name servers and other brokers. RocketMQ: NettyRemotingClient.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "servers/net/limits.h"
#include "servers/wire/handler.h"

namespace rmq::net {

struct ClientOptions {
  std::chrono::milliseconds connect_timeout{3000};
  wire::SerializeType type = wire::SerializeType::json;
  Limits limits{};
  Log log{};
};

// A pool of connections, one an address, over one thread of its own. Everything from any thread. An address
// that cannot be reached, a connection that ends and a time that is over are Errors (the last one ETIMEDOUT);
// the next call to the same address connects again. The destructor fails what is under way.
class Client final : public wire::Caller {
 public:
  explicit Client(ClientOptions options = {});
  ~Client() override;

  void invoke(const std::string& address, wire::Command command, std::chrono::milliseconds timeout,
              wire::Completion done) override;
  void send_oneway(const std::string& address, wire::Command command) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rmq::net
