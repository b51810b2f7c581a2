// A client that says exactly the bytes it is told to, with blocking calls that give up after ten seconds.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "servers/wire/encoder.h"
#include "servers/wire/frame.h"
#include "servers/wire/request_decoder.h"

namespace rmq::net {

class RawClient {
 public:
  // `receive_buffer`: of the socket, 0 for the system's choice.
  explicit RawClient(std::uint16_t port, int receive_buffer = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer != 0)
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const int now = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &now, sizeof now);
    const timeval patience{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    void* at = &address;
    connected_ = ::connect(socket_, static_cast<sockaddr*>(at), sizeof address) == 0;
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void end_sending() { ::shutdown(socket_, SHUT_WR); }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(std::exchange(socket_, -1));
  }

  // The next command, its opaque beside it; nothing when the connection has ended.
  std::optional<std::pair<std::int32_t, wire::Answer>> receive() {
    while (true) {
      const auto frame = wire::next_frame(as_bytes(received_));
      if (!frame) return std::nullopt;
      if (*frame) {
        const auto request = decoder_.decode(**frame);
        if (!request) return std::nullopt;
        std::pair<std::int32_t, wire::Answer> answer{request->opaque, wire::to_answer(*request)};
        received_.erase(0, (*frame)->size);
        decoder_.clear();
        return answer;
      }
      char bytes[64 * 1024];
      const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
      if (got <= 0) return std::nullopt;
      received_.append(bytes, static_cast<std::size_t>(got));
    }
  }
  [[nodiscard]] bool ended() { return !receive().has_value(); }

 private:
  int socket_;
  bool connected_ = false;
  std::string received_;
  wire::RequestDecoder decoder_;
};

inline std::string request_bytes(std::int32_t code, std::int32_t opaque, std::string body = {},
                                 wire::Fields fields = {},
                                 wire::SerializeType type = wire::SerializeType::json) {
  std::string bytes;
  wire::append_command(bytes, {.code = code, .fields = std::move(fields), .body = std::move(body)}, opaque,
                       false, type);
  return bytes;
}

}  // namespace rmq::net
