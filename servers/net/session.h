// One connection on its thread: bytes in, frames to the handler, answers out. Private to net.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "servers/net/io_thread.h"
#include "servers/net/out_queue.h"
#include "servers/wire/handler.h"

namespace rmq::net {

class Session;

// What others hold of a connection, for as long as they like. See wire::Connection for threads.
class Peer final : public wire::Connection {
 public:
  Peer(std::string remote, std::uint16_t local_port, std::shared_ptr<IoThread> thread)
      : remote_(std::move(remote)), local_port_(local_port), thread_(std::move(thread)) {}

  [[nodiscard]] std::string_view remote_address() const override { return remote_; }
  [[nodiscard]] std::uint16_t local_port() const override { return local_port_; }
  [[nodiscard]] bool open() const override { return open_.load(std::memory_order_relaxed); }
  void send_oneway(wire::Command command) override;
  void invoke(wire::Command command, std::chrono::milliseconds timeout, wire::Completion done) override;
  void close() override;

 private:
  friend class Session;
  const std::string remote_;
  const std::uint16_t local_port_;
  const std::shared_ptr<IoThread> thread_;
  std::weak_ptr<Session> session_;
  std::atomic<bool> open_{true};
};

// For its thread, but send().
class Session final : public wire::Responder::Sink, public std::enable_shared_from_this<Session> {
 public:
  // Nothing when the peer is gone already.
  [[nodiscard]] static std::shared_ptr<Session> open(IoThread& thread, boost::asio::ip::tcp::socket socket);
  Session(IoThread& thread, boost::asio::ip::tcp::socket socket, std::shared_ptr<Peer> peer);

  void begin() { wait_readable(); }

  // From any thread.
  void send(std::int32_t opaque, wire::SerializeType type, wire::Response response) override;
  [[nodiscard]] const std::shared_ptr<wire::Connection>& connection() const override { return connection_; }

  void answer(std::int32_t opaque, wire::SerializeType type, wire::Response& response);
  void send_oneway(const wire::Command& command);
  void invoke(const wire::Command& command, std::chrono::milliseconds timeout, wire::Completion done);
  void flush();
  void drain();
  void close(std::string_view why);  // an empty `why` is the peer's own doing and not told
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] IoThread::Clock::time_point last_activity() const { return active_; }
  [[nodiscard]] const std::string& remote() const { return peer_->remote_; }

 private:
  struct Call {
    wire::Completion done;
    IoThread::Deadlines::iterator deadline;
  };

  void wait_readable();
  void wait_writable();
  void read();
  // Room for the rest of the frame that has begun to come, in input_.
  [[nodiscard]] std::span<std::byte> rest_of_frame();
  void take_input(std::size_t bytes);
  // Handles the complete frames at the start of `bytes`; returns how many bytes they take.
  std::size_t take_frames(std::span<const std::byte> bytes);
  void take_frame(const wire::Frame& frame);
  void take_answer(const wire::Request& answer);
  void set_input(std::vector<std::byte> bytes);
  [[nodiscard]] bool full() const;
  void resume();
  void account();
  void append(const wire::Command& command, std::int32_t opaque, bool oneway);
  void mark_dirty();
  void finish_if_drained();

  const std::shared_ptr<IoThread> thread_;
  boost::asio::ip::tcp::socket socket_;
  const std::shared_ptr<Peer> peer_;
  const std::shared_ptr<wire::Connection> connection_;  // peer_

  std::vector<std::byte> input_;  // what came of a frame that is not whole, or could not be handled yet
  std::size_t input_size_ = 0;    // of it; the rest is room
  OutQueue out_;
  std::size_t accounted_ = 0;
  std::size_t unanswered_ = 0;
  std::int32_t next_opaque_ = 0;
  std::unordered_map<std::int32_t, Call> calls_;
  IoThread::Clock::time_point active_;
  bool reading_ = false;  // waits until there is something to read
  bool writing_ = false;  // waits until more can be written
  bool dirty_ = false;    // to be flushed at the end of the turn
  bool ended_ = false;    // the peer sends no more
  bool closed_ = false;
};

}  // namespace rmq::net
