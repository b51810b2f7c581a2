// What rmq-broker --help prints: one screen.
#pragma once

#include <string_view>

namespace rmq::server {

[[nodiscard]] std::string_view broker_help();

}  // namespace rmq::server
