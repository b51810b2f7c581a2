#include "servers/broker/message_id.h"

#include <unistd.h>

#include <array>
#include <ctime>
#include <span>

#include "libstore/bytes/big_endian.h"

namespace rmq::broker {
namespace {

void append_hex(std::span<const std::byte> bytes, std::string& into) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const std::byte byte : bytes) {
    into.push_back(kDigits[std::to_integer<std::size_t>(byte) >> 4]);
    into.push_back(kDigits[std::to_integer<std::size_t>(byte) & 15]);
  }
}

template <class T>
void append_hex_of(T value, std::string& into) {
  std::array<std::byte, sizeof(T)> bytes;
  store_be(bytes.data(), value);
  append_hex(bytes, into);
}

// When the month that `now_ms` is in began, or the one `months` later, by the clocks here.
std::int64_t month_begin(std::int64_t now_ms, int months) {
  const auto seconds = static_cast<std::time_t>(now_ms / 1000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::tm begin{};
  begin.tm_year = local.tm_year;
  begin.tm_mon = local.tm_mon + months;
  begin.tm_mday = 1;
  begin.tm_isdst = -1;
  return static_cast<std::int64_t>(std::mktime(&begin)) * 1000;
}

}  // namespace

void append_offset_message_id(const format::HostView& store_host, std::int64_t log_offset,
                              std::string& into) {
  append_hex(store_host.address, into);
  append_hex_of<std::int32_t>(store_host.port, into);
  append_hex_of<std::int64_t>(log_offset, into);
}

UniqueIds::UniqueIds(const format::HostView& store_host, const engine::Clock& clock) : clock_(clock) {
  append_hex(store_host.address, fixed_);
  append_hex_of<std::int16_t>(static_cast<std::int16_t>(::getpid()), fixed_);
  append_hex_of<std::int32_t>(static_cast<std::int32_t>(clock.now_ms()), fixed_);
}

void UniqueIds::append(std::string& into) {
  const std::int64_t now = clock_.now_ms();
  if (now >= month_ends_ms_.load(std::memory_order_relaxed)) {
    month_begins_ms_.store(month_begin(now, 0), std::memory_order_relaxed);
    month_ends_ms_.store(month_begin(now, 1), std::memory_order_relaxed);
  }
  into.append(fixed_);
  append_hex_of<std::int32_t>(
      static_cast<std::int32_t>(now - month_begins_ms_.load(std::memory_order_relaxed)), into);
  append_hex_of<std::int16_t>(static_cast<std::int16_t>(counter_.fetch_add(1, std::memory_order_relaxed)),
                              into);
}

}  // namespace rmq::broker
