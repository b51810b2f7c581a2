// Percentiles of many durations in little memory: to within 1.6 %.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "bench/store_load.h"

namespace rmq::bench {

class Histogram {
 public:
  void add(std::int64_t nanos) {
    const auto value = static_cast<std::uint64_t>(nanos < 0 ? 0 : nanos);
    ++counts_[index_of(value)];
    ++samples_;
    highest_ = nanos > highest_ ? nanos : highest_;
  }
  [[nodiscard]] Latencies latencies() const {
    return {.p50 = at(0.5), .p99 = at(0.99), .p999 = at(0.999), .highest = highest_, .samples = samples_};
  }

 private:
  static constexpr unsigned kBits = 6;  // 64 steps between powers of two

  static std::size_t index_of(std::uint64_t value) {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    if (width <= kBits) return value;
    const unsigned shift = width - kBits - 1;
    return (std::size_t{shift + 1} << kBits) + ((value >> shift) & ((1U << kBits) - 1));
  }
  static std::int64_t value_of(std::size_t index) {
    if (index < (1U << kBits)) return static_cast<std::int64_t>(index);
    const std::size_t shift = (index >> kBits) - 1;
    return static_cast<std::int64_t>(((index & ((1U << kBits) - 1)) | (1U << kBits)) << shift);
  }
  [[nodiscard]] std::int64_t at(double share) const {
    const auto wanted = static_cast<std::int64_t>(share * static_cast<double>(samples_));
    std::int64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i)
      if ((seen += counts_[i]) > wanted) return value_of(i);
    return highest_;
  }

  std::array<std::int64_t, (64 - kBits + 1) << kBits> counts_{};
  std::int64_t samples_ = 0;
  std::int64_t highest_ = 0;
};

}  // namespace rmq::bench
