#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "servers/broker/broker_config.h"

namespace rmq::broker {
namespace {

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

std::string text_of(const sockaddr& address) {
  std::array<char, NI_MAXHOST> text{};
  const socklen_t size = address.sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (getnameinfo(&address, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) return {};
  return text.data();
}

// 10/8, 172.16/12, 192.168/16 (UtilAll.isInternalIP).
bool is_internal(const std::string& address) {
  if (address.starts_with("10.") || address.starts_with("192.168.") || address.starts_with("127."))
    return true;
  if (!address.starts_with("172.")) return false;
  const int second = std::atoi(address.c_str() + 4);
  return second >= 16 && second <= 31;
}

// What other machines can reach this one by, as NetworkUtil.getLocalAddress guesses it: a public address,
// else the last of the others; bridges and point-to-point links do not count.
std::string guess_address() {
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) != 0) return "127.0.0.1";
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> list(found, freeifaddrs);
  std::vector<std::string> four;
  std::vector<std::string> six;
  for (const ifaddrs* at = found; at != nullptr; at = at->ifa_next) {
    const unsigned flags = at->ifa_flags;
    if (at->ifa_addr == nullptr || (flags & IFF_UP) == 0 || (flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) != 0)
      continue;
    if (access(("/sys/class/net/" + std::string(at->ifa_name) + "/bridge").c_str(), F_OK) == 0) continue;
    const int family = at->ifa_addr->sa_family;
    if (family == AF_INET) four.push_back(text_of(*at->ifa_addr));
    if (family == AF_INET6) six.push_back(text_of(*at->ifa_addr));
  }
  for (const std::string& address : four)
    if (!is_internal(address)) return address;
  if (!four.empty()) return four.back();
  for (const std::string& address : six)
    if (!address.starts_with("fe80") && address.find('%') == std::string::npos) return '[' + address + ']';
  return "127.0.0.1";
}

}  // namespace

Surroundings surroundings_of_this_machine() {
  Surroundings here;
  here.home = from_environment("ROCKETMQ_HOME");
  here.namesrv = from_environment("NAMESRV_ADDR");
  here.user_home = from_environment("HOME");
  if (here.user_home.empty()) here.user_home = ".";
  here.host_name = host_name();
  here.address = guess_address();
  here.cores = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  return here;
}

}  // namespace rmq::broker
