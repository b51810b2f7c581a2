#include "libstore/engine/clock.h"

#include <chrono>
#include <ctime>

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

std::int64_t local_time_ms(std::int64_t now_ms) {
  const std::time_t seconds = now_ms / 1000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return now_ms + local.tm_gmtoff * 1000;
}

}  // namespace rmq::engine
