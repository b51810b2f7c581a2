// What the configuration says about the store. RocketMQ: MessageStoreConfig.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "libstore/engine/message_store.h"
#include "servers/broker/broker_config.h"

namespace rmq::broker {

[[nodiscard]] engine::StoreOptions store_options_of(const BrokerConfig& config);

// "1.2.3.4" or "[::1]" as its bytes; 127.0.0.1's where it is neither.
[[nodiscard]] std::vector<std::byte> address_bytes(std::string_view address);

}  // namespace rmq::broker
