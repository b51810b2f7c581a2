// What --help of the servers prints: one screen each.
#pragma once

#include <string_view>

namespace rmq::server {

[[nodiscard]] std::string_view namesrv_help();

}  // namespace rmq::server
