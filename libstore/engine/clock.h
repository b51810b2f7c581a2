// The time of day, injected so that tests decide what it is. Thread-safe.
#pragma once

#include <cstdint>

namespace rmq::engine {

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::int64_t now_ms() const = 0;  // since the epoch
};

[[nodiscard]] const Clock& system_clock();

}  // namespace rmq::engine
