// What a connection may cost, and what all of them together.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace rmq::net {

struct Limits {
  std::chrono::milliseconds idle{120'000};  // serverChannelMaxIdleTimeSeconds: nothing read nor written
  // Of one connection: while more is to be written nothing is read.
  std::size_t unsent = std::size_t{4} << 20;
  std::size_t unsent_most = std::size_t{64} << 20;  // a peer that takes nothing is closed
  std::size_t unanswered = 65'536;                  // requests handed out; over it nothing more is read
  // Of all connections: unfinished frames and unsent answers in memory. Over it requests are answered
  // SYSTEM_BUSY without being handled, and frames that do not fit any more close their connection.
  std::size_t memory = std::size_t{512} << 20;
};

// Bytes that all connections hold. From any thread.
class MemoryAccount {
 public:
  void change(std::size_t from, std::size_t to) {
    if (to >= from)
      used_.fetch_add(to - from, std::memory_order_relaxed);
    else
      used_.fetch_sub(from - to, std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> used_{0};
};

// Why a connection was closed and the like, for the operator. From any thread; must not block for long.
using Log = std::function<void(const std::string&)>;

}  // namespace rmq::net
