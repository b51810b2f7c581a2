// Stands for a broker's connection: remembers what was done to it.
#pragma once

#include <string>
#include <utility>

#include "servers/wire/handler.h"

namespace rmq::namesrv {

class FakeConnection final : public wire::Connection {
 public:
  [[nodiscard]] std::string_view remote_address() const override { return "127.0.0.1:40000"; }
  [[nodiscard]] std::uint16_t local_port() const override { return 9876; }
  [[nodiscard]] bool open() const override { return !closed; }
  void send_oneway(wire::Command) override {}
  void invoke(wire::Command, std::chrono::milliseconds, wire::Completion) override {}
  void close() override { closed = true; }

  bool closed = false;
};

}  // namespace rmq::namesrv
