#include "tools/server/stop_signals.h"

#include <ctime>

namespace rmq::server {

StopSignals::StopSignals() {
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool StopSignals::wait_for(std::chrono::milliseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  const std::chrono::nanoseconds rest = time - seconds;
  const timespec wait{.tv_sec = seconds.count(), .tv_nsec = rest.count()};
  if (sigtimedwait(&set_, nullptr, &wait) < 0) return false;
  pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
  return true;
}

}  // namespace rmq::server
