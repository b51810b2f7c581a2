// Listens, and hands what comes in to a RequestService. RocketMQ: NettyRemotingServer.
//
// One io_context a thread; connections are dealt out to the threads one by one and stay there. A turn of a
// thread reads what is there on its connections, has each complete frame handled, ends the turn
// (RequestHandler), and writes each connection's answers with one gathered write.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libstore/base/error.h"
#include "servers/net/limits.h"
#include "servers/wire/handler.h"

namespace rmq::net {

struct ServerOptions {
  std::string address = "0.0.0.0";   // to bind to; "::" takes IPv4 as well
  std::vector<std::uint16_t> ports;  // 0: any that is free
  std::size_t threads = 2;           // serverSelectorThreads, roughly
  std::size_t max_connections = 0;   // 0: what the limit of open files leaves
  Limits limits{};
  Log log{};
};

// start(), stop() and the destructor by one thread, not one of the server's.
class Server {
 public:
  // Raises the process's limit of open files as far as it may, binds all ports, then begins to accept.
  // `service` has to outlive the server.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(wire::RequestService& service,
                                                             ServerOptions options);
  ~Server();  // stop(0 ms)

  // As bound, in the order of the options.
  [[nodiscard]] const std::vector<std::uint16_t>& ports() const;
  [[nodiscard]] std::size_t connections() const;
  [[nodiscard]] std::size_t memory() const;  // unfinished frames and unsent answers, in bytes

  // No more connections and no more requests; those under way may still be answered. Returns at once.
  void drain();
  // drain(), then waits until everything under way is answered and written, at most until the deadline; then
  // closes all connections and ends the threads. Connections and Responders that others still hold are silent
  // from then on.
  void stop(std::chrono::milliseconds deadline);

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rmq::net
