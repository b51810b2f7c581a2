// A client that is connected in memory, for tests: what is sent to it is kept, and what it is asked the test
// answers.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libstore/engine/clock.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

class TestClock final : public engine::Clock {
 public:
  [[nodiscard]] std::int64_t now_ms() const override { return now; }
  std::int64_t now = 1'700'000'000'000;
};

class FakeConnection final : public wire::Connection {
 public:
  explicit FakeConnection(std::string address = "127.0.0.1:50001") : address_(std::move(address)) {}

  [[nodiscard]] std::string_view remote_address() const override { return address_; }
  [[nodiscard]] std::uint16_t local_port() const override { return 10911; }
  [[nodiscard]] bool open() const override { return !closed; }
  void send_oneway(wire::Command command) override { sent.push_back(std::move(command)); }
  void invoke(wire::Command command, std::chrono::milliseconds timeout, wire::Completion done) override {
    asked.push_back({std::move(command), timeout, std::move(done)});
  }
  void close() override { closed = true; }

  struct Asked {
    wire::Command command;
    std::chrono::milliseconds timeout;
    wire::Completion done;
  };
  std::vector<wire::Command> sent;
  std::vector<Asked> asked;
  bool closed = false;

 private:
  std::string address_;
};

}  // namespace rmq::broker
