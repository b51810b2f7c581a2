#include "servers/broker/host_address.h"

#include <arpa/inet.h>

#include <string>

#include "servers/broker/java_number.h"

namespace rmq::broker {

HostAddress parse_host_address(std::string_view text) {
  HostAddress host;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return host;
  (void)parse_java_number(text.substr(colon + 1), host.port);
  std::string_view address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  const std::string name(address.substr(0, address.find('%')));
  if (::inet_pton(AF_INET, name.c_str(), host.address.data()) == 1) return host;
  if (::inet_pton(AF_INET6, name.c_str(), host.address.data()) == 1) host.size = 16;
  return host;
}

}  // namespace rmq::broker
