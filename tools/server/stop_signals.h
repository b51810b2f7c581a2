// SIGTERM and SIGINT, waited for by the main thread instead of handled. Made before the first other thread,
// which inherit that they are blocked.
#pragma once

#include <chrono>
#include <csignal>

namespace rmq::server {

class StopSignals {
 public:
  StopSignals();
  // True: somebody asked to stop. The next one, while the server stops, ends the process at once.
  [[nodiscard]] bool wait_for(std::chrono::milliseconds time);

 private:
  sigset_t set_;
};

}  // namespace rmq::server
