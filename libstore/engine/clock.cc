#include "libstore/engine/clock.h"

#include <chrono>

namespace rmq::engine {

const Clock& system_clock() {
  class SystemClock final : public Clock {
   public:
    std::int64_t now_ms() const override {
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    }
  };
  static const SystemClock instance;
  return instance;
}

}  // namespace rmq::engine
