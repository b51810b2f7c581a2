#include "servers/net/session.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "servers/wire/encoder.h"
#include "servers/wire/frame.h"

namespace rmq::net {
namespace {

using boost::asio::ip::tcp;

constexpr std::size_t kFirstInput = 4 * 1024;
constexpr std::size_t kMostFramesAtOnce = 4096;  // of one connection, in one go

std::string text_of(const tcp::endpoint& endpoint) {
  auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    address = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
  const std::string host = address.to_string();
  return (address.is_v6() ? '[' + host + ']' : host) + ':' + std::to_string(endpoint.port());
}

}  // namespace

void Peer::send_oneway(wire::Command command) {
  if (!open()) return;
  static_cast<void>(thread_->post([session = session_, command = std::move(command)] {
    if (const auto to = session.lock()) to->send_oneway(command);
  }));
}

void Peer::invoke(wire::Command command, std::chrono::milliseconds timeout, wire::Completion done) {
  const Error gone{ErrorCode::io_error, ENOTCONN, remote_};
  const bool posted =
      open() && thread_->post([session = session_, command = std::move(command), timeout, done, gone] {
        if (const auto to = session.lock())
          to->invoke(command, timeout, done);
        else
          done(gone);
      });
  if (!posted) done(gone);
}

void Peer::close() {
  static_cast<void>(thread_->post([session = session_] {
    if (const auto to = session.lock()) to->close("");
  }));
}

std::shared_ptr<Session> Session::open(IoThread& thread, tcp::socket socket) {
  boost::system::error_code fault;
  const auto remote = socket.remote_endpoint(fault);
  if (fault) return nullptr;
  const auto local = socket.local_endpoint(fault);
  if (fault) return nullptr;
  socket.native_non_blocking(true, fault);
  socket.set_option(tcp::no_delay(true), fault);
  auto peer = std::make_shared<Peer>(text_of(remote), local.port(), thread.shared_from_this());
  auto session = std::make_shared<Session>(thread, std::move(socket), peer);
  peer->session_ = session;
  thread.add(session);
  return session;
}

Session::Session(IoThread& thread, tcp::socket socket, std::shared_ptr<Peer> peer)
    : thread_(thread.shared_from_this()),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      connection_(peer_),
      active_(IoThread::Clock::now()) {}

void Session::wait_readable() {
  if (reading_ || closed_ || ended_ || thread_->draining()) return;
  reading_ = true;
  socket_.async_wait(tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& fault) {
                       self->reading_ = false;
                       if (!fault && !self->closed_) self->read();
                     });
}

void Session::wait_writable() {
  if (writing_ || closed_) return;
  writing_ = true;
  socket_.async_wait(tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& fault) {
                       self->writing_ = false;
                       if (!fault && !self->closed_) self->flush();
                     });
}

void Session::read() {
  if (full() || thread_->draining()) return;  // resume() comes back
  const std::span<std::byte> space = thread_->turn_space();
  if (closed_) return;  // ending the turn for the sake of space may have done it
  const std::span<std::byte> rest = rest_of_frame();
  if (closed_) return;
  std::array<iovec, 2> into = {iovec{rest.data(), rest.size()}, iovec{space.data(), space.size()}};
  const ssize_t got = rest.empty() ? ::recv(socket_.native_handle(), space.data(), space.size(), MSG_DONTWAIT)
                                   : ::readv(socket_.native_handle(), into.data(), 2);
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return wait_readable();
    return close("");
  }
  if (got == 0) {
    ended_ = true;
    return mark_dirty();  // what it asked for in this turn is still answered
  }
  active_ = IoThread::Clock::now();
  const auto bytes = static_cast<std::size_t>(got);
  const std::size_t to_frame = std::min(bytes, rest.size());
  const std::span<const std::byte> behind = space.first(bytes - to_frame);
  thread_->take_turn_space(behind.size());
  if (to_frame != 0) take_input(to_frame);
  if (closed_) return;
  const std::size_t taken = input_size_ == 0 ? take_frames(behind) : 0;
  if (closed_) return;
  if (taken < behind.size()) {
    input_.resize(std::max(input_.size(), input_size_ + behind.size() - taken));
    std::ranges::copy(behind.subspan(taken), input_.begin() + static_cast<std::ptrdiff_t>(input_size_));
    input_size_ += behind.size() - taken;
    account();
  }
  resume();
}

std::span<std::byte> Session::rest_of_frame() {
  if (input_size_ == 0) return {};
  const std::size_t frame =
      std::max(wire::frame_size(std::span(input_).first(input_size_)), wire::kFrameHead);
  if (frame <= input_size_) return {};
  // Grows as bytes come, not as they are announced.
  const std::size_t room = std::min(frame, std::max(kFirstInput, 2 * input_size_));
  if (input_.size() < room) {
    if (thread_->shared().memory.used() + room > thread_->shared().limits.memory) {
      close("too much memory is in use for so large a frame");
      return {};
    }
    input_.resize(room);
  }
  return std::span(input_).subspan(input_size_, std::min(room, frame) - input_size_);
}

void Session::take_input(std::size_t bytes) {
  input_size_ += bytes;
  std::vector<std::byte> whole = std::exchange(input_, {});
  const std::size_t size = std::exchange(input_size_, 0);
  const std::size_t taken = take_frames(std::span(whole).first(size));
  if (closed_) return thread_->keep_for_turn(std::move(whole));
  if (taken == 0) {
    input_ = std::move(whole);
    input_size_ = size;
  } else {
    if (taken < size) {
      input_.assign(whole.begin() + static_cast<std::ptrdiff_t>(taken),
                    whole.begin() + static_cast<std::ptrdiff_t>(size));
      input_size_ = input_.size();
    }
    thread_->keep_for_turn(std::move(whole));
  }
  account();
}

std::size_t Session::take_frames(std::span<const std::byte> bytes) {
  std::size_t taken = 0;
  for (std::size_t frames = 0; !closed_ && !full() && frames < kMostFramesAtOnce; ++frames) {
    const auto frame = wire::next_frame(bytes.subspan(taken));
    if (!frame) {
      close("a malformed frame");
      break;
    }
    if (!*frame) break;
    taken += (*frame)->size;
    take_frame(**frame);
  }
  return taken;
}

void Session::take_frame(const wire::Frame& frame) {
  const auto request = thread_->decoder().decode(frame);
  if (!request) return close("a malformed header");
  if ((request->flag & wire::kResponseFlag) != 0) return take_answer(*request);
  if (!request->oneway()) ++unanswered_;
  wire::Responder responder(shared_from_this(), *request);
  if (thread_->shared().service == nullptr)
    return responder.send({.code = 3,
                           .remark = " request type " + std::to_string(request->code) + " not supported",
                           .fields = {},
                           .body = {},
                           .parts = {}});
  thread_->handle(*request, std::move(responder));
}

void Session::take_answer(const wire::Request& answer) {
  const auto call = calls_.find(answer.opaque);
  if (call == calls_.end()) return;  // too late, or nobody's
  const wire::Completion done = std::move(call->second.done);
  thread_->cancel(call->second.deadline);
  calls_.erase(call);
  done(wire::to_answer(answer));
}

void Session::send(std::int32_t opaque, wire::SerializeType type, wire::Response response) {
  thread_->answer(shared_from_this(), opaque, type, std::move(response));
}

void Session::answer(std::int32_t opaque, wire::SerializeType type, wire::Response& response) {
  if (unanswered_ != 0) --unanswered_;
  if (closed_) return;
  out_.append([&](std::string& out) { wire::append_response(out, response, opaque, type); });
  for (wire::BodyPart& part : response.parts)
    if (!out_.add(std::move(part))) return close("an answer's file could not be read");
  mark_dirty();
}

void Session::send_oneway(const wire::Command& command) {
  if (closed_) return;
  append(command, next_opaque_++, true);
  mark_dirty();
}

void Session::invoke(const wire::Command& command, std::chrono::milliseconds timeout, wire::Completion done) {
  if (closed_) return done(Error{ErrorCode::io_error, ENOTCONN, remote()});
  const std::int32_t opaque = next_opaque_++;
  const auto deadline = thread_->at(IoThread::Clock::now() + timeout, [self = shared_from_this(), opaque] {
    const auto call = self->calls_.find(opaque);
    const wire::Completion late = std::move(call->second.done);
    self->calls_.erase(call);
    late(Error{ErrorCode::io_error, ETIMEDOUT, "no answer from " + self->remote()});
  });
  calls_.emplace(opaque, Call{std::move(done), deadline});
  append(command, opaque, false);
  mark_dirty();
}

void Session::append(const wire::Command& command, std::int32_t opaque, bool oneway) {
  out_.append(
      [&](std::string& out) { wire::append_command(out, command, opaque, oneway, thread_->shared().type); });
}

void Session::mark_dirty() {
  if (std::exchange(dirty_, true)) return;
  thread_->to_flush(shared_from_this());
}

void Session::flush() {
  dirty_ = false;
  if (closed_) return;
  if (!writing_ && !out_.empty()) {
    const std::size_t before = out_.size();
    const OutQueue::Flush flushed = out_.flush(socket_.native_handle());
    if (flushed == OutQueue::Flush::failed) return close("");
    if (out_.size() != before) active_ = IoThread::Clock::now();
    if (flushed == OutQueue::Flush::blocked) wait_writable();
  }
  account();
  if (ended_ && out_.empty()) return close("");
  if (out_.size() > thread_->shared().limits.unsent_most) return close("it takes none of its answers");
  resume();
  finish_if_drained();
}

bool Session::full() const {
  const Limits& limits = thread_->shared().limits;
  return unanswered_ >= limits.unanswered || out_.size() > limits.unsent;
}

// Goes on reading once there is room again, first with what is here already.
void Session::resume() {
  if (closed_ || reading_ || ended_ || full() || thread_->draining()) return;
  if (input_size_ != 0) {
    const auto frame = wire::next_frame(std::span(input_).first(input_size_));
    if (frame && *frame) {
      // In a turn of its own, so that others get theirs.
      reading_ = true;
      boost::asio::post(thread_->context(), [self = shared_from_this()] {
        self->reading_ = false;
        if (self->closed_ || self->full()) return;
        self->take_input(0);
        self->resume();
      });
      return;
    }
  }
  wait_readable();
}

void Session::account() {
  const std::size_t now = input_.size() + (writing_ ? out_.memory() : 0);
  thread_->shared().memory.change(accounted_, now);
  accounted_ = now;
}

void Session::drain() { finish_if_drained(); }

void Session::finish_if_drained() {
  if (thread_->draining() && unanswered_ == 0 && out_.empty()) close("");
}

void Session::close(std::string_view why) {
  if (std::exchange(closed_, true)) return;
  const auto self = shared_from_this();
  peer_->open_ = false;
  if (!why.empty()) thread_->shared().say(remote() + ": closed: " + std::string(why));
  boost::system::error_code ignored;
  socket_.close(ignored);
  out_.clear();
  input_ = {};
  input_size_ = 0;
  account();
  auto calls = std::exchange(calls_, {});
  for (auto& [opaque, call] : calls) thread_->cancel(call.deadline);
  for (auto& [opaque, call] : calls) call.done(Error{ErrorCode::io_error, ECONNRESET, remote()});
  thread_->closed(self);
}

}  // namespace rmq::net
