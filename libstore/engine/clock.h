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

// What wall clocks here show at that time, as milliseconds since 1970 began there.
[[nodiscard]] std::int64_t local_time_ms(std::int64_t now_ms);

}  // namespace rmq::engine
