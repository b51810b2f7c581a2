// Answers GET, for scrapers and probes: one request a connection, one after the other, on one thread. Neither
// large nor slow requests hold it up for long.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "libstore/base/error.h"

namespace rmq::server {

struct HttpAnswer {
  int status = 200;
  std::string type;
  std::string body;
};

class HttpServer {
 public:
  using Answer = std::function<HttpAnswer(std::string_view path)>;  // on the server's thread

  // `host` is an address, IPv4 or IPv6; port 0: any that is free.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(const std::string& host, std::uint16_t port,
                                                                 Answer answer);
  ~HttpServer();  // a request that is being answered is finished
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  HttpServer(int listener, int wake_read, int wake_write, std::uint16_t port, Answer answer);
  void run();
  void answer(int socket) const;

  int listener_;
  int wake_read_;
  int wake_write_;
  std::uint16_t port_;
  Answer answer_;
  std::thread thread_;
};

}  // namespace rmq::server
