#include "tools/server/http_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace rmq::server {
namespace {

constexpr std::size_t kMostRequest = 8192;
constexpr timeval kPatience{2, 0};  // for a request, and for its answer

std::string_view phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 503: return "Service Unavailable";
    default: return "Bad Request";
  }
}

// The head of a request, or what came of it.
std::string read_head(int socket) {
  std::string head;
  std::array<char, 1024> part{};
  while (head.size() < kMostRequest && head.find("\r\n\r\n") == std::string::npos) {
    const ssize_t count = recv(socket, part.data(), part.size(), 0);
    if (count <= 0) break;
    head.append(part.data(), static_cast<std::size_t>(count));
  }
  return head;
}

void send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::string& host, std::uint16_t port,
                                                      Answer answer) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    return wrong_use(host + " is no address to listen on");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  const int listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  std::array<int, 2> wake{-1, -1};
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
      bind(listener, found->ai_addr, found->ai_addrlen) != 0 || listen(listener, 16) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &size) != 0 ||
      pipe2(wake.data(), O_CLOEXEC) != 0) {
    const int problem = errno;
    if (listener >= 0) close(listener);
    return os_error(problem, fmt::format("listening on {}:{} for metrics", host, port));
  }
  const std::uint16_t actual =
      ntohs(bound.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in*>(&bound)->sin_port
                                       : reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port);
  return std::unique_ptr<HttpServer>(new HttpServer(listener, wake[0], wake[1], actual, std::move(answer)));
}

HttpServer::HttpServer(int listener, int wake_read, int wake_write, std::uint16_t port, Answer answer)
    : listener_(listener),
      wake_read_(wake_read),
      wake_write_(wake_write),
      port_(port),
      answer_(std::move(answer)),
      thread_([this] { run(); }) {}

HttpServer::~HttpServer() {
  close(wake_write_);
  thread_.join();
  close(wake_read_);
  close(listener_);
}

void HttpServer::run() {
  for (;;) {
    std::array<pollfd, 2> wanted{{{listener_, POLLIN, 0}, {wake_read_, POLLIN, 0}}};
    if (poll(wanted.data(), wanted.size(), -1) < 0 && errno != EINTR) return;
    if (wanted[1].revents != 0) return;
    if ((wanted[0].revents & POLLIN) == 0) continue;
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
    answer(socket);
    close(socket);
  }
}

void HttpServer::answer(int socket) const {
  const std::string head = read_head(socket);
  const std::string_view line = std::string_view(head).substr(0, head.find("\r\n"));
  HttpAnswer answer{.status = 400, .type = "text/plain", .body = "no request\n"};
  const std::size_t space = line.find(' ');
  if (space != std::string_view::npos) {
    std::string_view path = line.substr(space + 1);
    path = path.substr(0, path.find_first_of(" ?"));
    answer = line.starts_with("GET ") ? answer_(path)
                                      : HttpAnswer{.status = 405, .type = "text/plain", .body = "GET only\n"};
  }
  send_all(
      socket,
      fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                  answer.status, phrase(answer.status), answer.type, answer.body.size()));
  send_all(socket, answer.body);
}

}  // namespace rmq::server
