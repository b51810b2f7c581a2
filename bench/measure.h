// What the benchmarks measure with.
#pragma once

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>

namespace rmq::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Anonymous memory of this process: a mapped log is counted in VmRSS, but is not ours.
inline std::int64_t rss_anon_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "RssAnon:") continue;
    std::int64_t kib = 0;
    status >> kib;
    return kib;
  }
  return 0;
}

}  // namespace rmq::bench
