// Time that passes while something is waited for, injected so that tests decide how much of it does.
#pragma once

#include <cstdint>

namespace rmq {

// Thread-safe.
class Waiter {
 public:
  virtual ~Waiter() = default;
  [[nodiscard]] virtual std::int64_t now_ms() const = 0;  // from any start; never goes back
  // Returns after so many milliseconds, or earlier when the run is to end.
  virtual void wait_ms(std::int64_t milliseconds) = 0;
};

}  // namespace rmq
