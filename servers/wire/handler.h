// Between the network and those who answer: net implements Connection and Caller and calls a RequestService;
// broker and namesrv implement RequestService and never see a socket.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libstore/base/error.h"
#include "servers/wire/command.h"

namespace rmq::wire {

using Completion = std::function<void(Result<Answer>)>;  // called once, by any thread; it must not block

// Somebody who is connected to us. Threads: everything from any thread; kept as long as one likes, and silent
// once it is closed.
class Connection {
 public:
  virtual ~Connection() = default;
  [[nodiscard]] virtual std::string_view remote_address() const = 0;  // "127.0.0.1:53122"; IPv6 "[::1]:53122"
  [[nodiscard]] virtual std::uint16_t local_port() const = 0;         // tells the VIP port from the other
  [[nodiscard]] virtual bool open() const = 0;
  virtual void send_oneway(Command command) = 0;
  virtual void invoke(Command command, std::chrono::milliseconds timeout, Completion done) = 0;
  virtual void close() = 0;
};

// The right to answer one request, once, from any thread, now or later. Destroyed without an answer, it
// answers SYSTEM_ERROR; one-way requests are never answered, whatever is sent. Movable.
class Responder {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void send(std::int32_t opaque, SerializeType type, Response response) = 0;
    [[nodiscard]] virtual const std::shared_ptr<Connection>& connection() const = 0;
  };
  Responder(std::shared_ptr<Sink> sink, const Request& request)
      : sink_(std::move(sink)),
        opaque_(request.opaque),
        type_(request.serialize_type),
        oneway_(request.oneway()) {}
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&& other) noexcept {
    finish();
    sink_ = std::move(other.sink_);
    opaque_ = other.opaque_;
    type_ = other.type_;
    oneway_ = other.oneway_;
    return *this;
  }
  ~Responder() { finish(); }

  void send(Response response) {
    if (auto sink = std::move(sink_); sink && !oneway_) sink->send(opaque_, type_, std::move(response));
  }
  [[nodiscard]] const std::shared_ptr<Connection>& connection() const { return sink_->connection(); }
  [[nodiscard]] bool oneway() const { return oneway_; }

 private:
  void finish() {
    if (sink_ && !oneway_)
      send({.code = 1, .remark = "not set any response code", .fields = {}, .body = {}, .parts = {}});
  }
  std::shared_ptr<Sink> sink_;
  std::int32_t opaque_ = 0;
  SerializeType type_ = SerializeType::json;
  bool oneway_ = false;
};

// Answers what comes in on one thread of net. net decodes all complete frames that it has read, calls
// handle() for each, then turn_ended() once: what can be done for many at once (an append) is done there.
// What a Request borrows is valid until turn_ended() returns. Neither may block for long.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  virtual void handle(const Request& request, Responder responder) = 0;
  virtual void turn_ended() {}
};

class RequestService {
 public:
  virtual ~RequestService() = default;
  // One for each thread of net, used by that thread alone.
  [[nodiscard]] virtual std::unique_ptr<RequestHandler> make_handler() = 0;
  // After the last request of it was handled; by any thread.
  virtual void connection_closed(const std::shared_ptr<Connection>& connection) = 0;
};

// Calls others (name servers, other brokers) by "host:port"; connects when needed and keeps the connection.
class Caller {
 public:
  virtual ~Caller() = default;
  virtual void invoke(const std::string& address, Command command, std::chrono::milliseconds timeout,
                      Completion done) = 0;
  virtual void send_oneway(const std::string& address, Command command) = 0;
};

}  // namespace rmq::wire
