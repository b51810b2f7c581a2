// What systemd is told of a service of Type=notify (sd_notify). Nothing happens without $NOTIFY_SOCKET.
#pragma once

#include <string_view>

namespace rmq::server {

inline constexpr std::string_view kReady = "READY=1";
inline constexpr std::string_view kStopping = "STOPPING=1";

void tell_service_manager(std::string_view state);

}  // namespace rmq::server
