// An address as a record has it, out of "1.2.3.4:5" or "[::1]:5". RocketMQ: RemotingHelper, Message.bornHost.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libstore/format/commit_log_record.h"

namespace rmq::broker {

struct HostAddress {
  std::array<std::byte, 16> address{};
  std::size_t size = 4;  // of the address, 4 or 16
  std::int32_t port = 0;
  [[nodiscard]] bool v6() const { return size == 16; }
  [[nodiscard]] format::HostView view() const { return {std::span(address).first(size), port}; }
};
// 0.0.0.0:0 for what is no address.
[[nodiscard]] HostAddress parse_host_address(std::string_view text);

}  // namespace rmq::broker
