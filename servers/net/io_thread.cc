#include "servers/net/io_thread.h"

#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "servers/net/session.h"

namespace rmq::net {
namespace {

constexpr std::size_t kTurnSpace = std::size_t{1} << 20;
constexpr std::size_t kLeastSpace = 64 * 1024;  // with less left the turn ends before more is read
constexpr std::chrono::milliseconds kMostBetweenSweeps{5000};

thread_local const IoThread* current_thread = nullptr;

}  // namespace

struct IoThread::Mail {
  std::shared_ptr<Session> session;
  std::int32_t opaque = 0;
  wire::SerializeType type = wire::SerializeType::json;
  wire::Response response;
};

IoThread::IoThread(std::shared_ptr<Shared> shared)
    : shared_(std::move(shared)),
      work_(context_.get_executor()),
      sweep_timer_(context_),
      deadline_timer_(context_) {}

IoThread::~IoThread() = default;

void IoThread::start() {
  if (shared_->service != nullptr) handler_ = shared_->service->make_handler();
  thread_ = std::thread([this] {
    current_thread = this;
    sweep();
    context_.run();
    current_thread = nullptr;
  });
}

void IoThread::stop() {
  if (!thread_.joinable()) return;
  boost::asio::post(context_, [this] { wind_up(); });
  thread_.join();
  handler_.reset();
}

// What was posted before is still run: run() returns when nothing is left.
void IoThread::wind_up() {
  std::vector<Mail> unsent;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    unsent.swap(mail_);
  }
  while (!sessions_.empty()) {
    const std::shared_ptr<Session> session = *sessions_.begin();
    session->close("");
  }
  deadlines_.clear();
  sweep_timer_.cancel();
  deadline_timer_.cancel();
  work_.reset();
}

bool IoThread::current() const { return current_thread == this; }

bool IoThread::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (!stopped_) boost::asio::post(context_, std::move(task));
  return !stopped_;
}

void IoThread::answer(std::shared_ptr<Session> session, std::int32_t opaque, wire::SerializeType type,
                      wire::Response response) {
  if (current()) return session->answer(opaque, type, response);
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  if (mail_.empty()) boost::asio::post(context_, [this] { take_mail(); });
  mail_.push_back({std::move(session), opaque, type, std::move(response)});
}

void IoThread::take_mail() {
  {
    const std::lock_guard lock(mutex_);
    mail_taken_.swap(mail_);
  }
  for (Mail& mail : mail_taken_) mail.session->answer(mail.opaque, mail.type, mail.response);
  mail_taken_.clear();
}

void IoThread::adopt(boost::asio::ip::tcp::socket socket) {
  // std::function wants what can be copied.
  auto held = std::make_shared<boost::asio::ip::tcp::socket>(std::move(socket));
  static_cast<void>(post([this, held] {
    if (draining_) return;
    if (const auto session = Session::open(*this, std::move(*held))) session->begin();
  }));
}

std::span<std::byte> IoThread::turn_space() {
  if (space_ == nullptr) space_ = std::make_unique_for_overwrite<std::byte[]>(kTurnSpace);
  if (kTurnSpace - space_used_ < kLeastSpace) end_turn();
  return {space_.get() + space_used_, kTurnSpace - space_used_};
}

void IoThread::take_turn_space(std::size_t bytes) { space_used_ += bytes; }

void IoThread::keep_for_turn(std::vector<std::byte> bytes) { kept_.push_back(std::move(bytes)); }

void IoThread::handle(const wire::Request& request, wire::Responder responder) {
  handled_ = true;
  turn_soon();
  if (shared_->memory.used() > shared_->limits.memory)
    return responder.send({.code = 2,
                           .remark = "[OVERLOAD]system busy, start flow control for a while",
                           .fields = {},
                           .body = {},
                           .parts = {}});
  try {
    handler_->handle(request, std::move(responder));  // a Responder that is dropped answers
  } catch (const std::exception& fault) {
    shared_->say(std::string("handling a request threw: ") + fault.what());
  }
}

void IoThread::to_flush(std::shared_ptr<Session> session) {
  to_flush_.push_back(std::move(session));
  turn_soon();
}

// Everything that is ready by now comes first, so that one turn serves all of it.
void IoThread::turn_soon() {
  if (turn_posted_) return;
  turn_posted_ = true;
  boost::asio::post(context_, [this] {
    turn_posted_ = false;
    end_turn();
  });
}

void IoThread::end_turn() {
  if (std::exchange(handled_, false)) {
    try {
      handler_->turn_ended();
    } catch (const std::exception& fault) {
      shared_->say(std::string("ending a turn threw: ") + fault.what());
    }
  }
  decoder_.clear();
  kept_.clear();
  space_used_ = 0;
  // Closing one may give others something to write.
  for (std::size_t i = 0; i < to_flush_.size(); ++i) {
    const std::shared_ptr<Session> session = std::move(to_flush_[i]);
    session->flush();
  }
  to_flush_.clear();
}

void IoThread::add(const std::shared_ptr<Session>& session) {
  sessions_.insert(session);
  ++shared_->connections;
}

void IoThread::closed(const std::shared_ptr<Session>& session) {
  if (sessions_.erase(session) == 0) return;
  if (--shared_->connections == 0) {
    const std::lock_guard lock(shared_->none_mutex);
    shared_->none_left.notify_all();
  }
  if (shared_->service == nullptr) return;
  // What of it was handled in this turn is to be finished first.
  boost::asio::post(context_,
                    [this, peer = session->connection()] { shared_->service->connection_closed(peer); });
}

IoThread::Deadlines::iterator IoThread::at(Clock::time_point when, std::function<void()> task) {
  const auto placed = deadlines_.emplace(when, std::move(task));
  if (placed == deadlines_.begin()) arm_deadlines();
  return placed;
}

void IoThread::arm_deadlines() {
  if (deadlines_.empty()) return;
  deadline_timer_.expires_at(deadlines_.begin()->first);
  deadline_timer_.async_wait([this](const boost::system::error_code& fault) {
    if (fault) return;  // armed anew, or stopped
    const auto now = Clock::now();
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      const auto task = std::move(deadlines_.begin()->second);
      deadlines_.erase(deadlines_.begin());
      task();
    }
    arm_deadlines();
  });
}

// Closes who said and took nothing for too long.
void IoThread::sweep() {
  const auto now = Clock::now();
  std::vector<std::shared_ptr<Session>> idle;
  for (const auto& session : sessions_)
    if (now - session->last_activity() >= shared_->limits.idle) idle.push_back(session);
  for (const auto& session : idle) session->close("idle for too long");
  sweep_timer_.expires_after(
      std::min<std::chrono::milliseconds>(kMostBetweenSweeps, shared_->limits.idle / 4));
  sweep_timer_.async_wait([this](const boost::system::error_code& fault) {
    if (!fault && work_.owns_work()) sweep();
  });
}

void IoThread::drain() {
  draining_ = true;
  const std::vector<std::shared_ptr<Session>> all(sessions_.begin(), sessions_.end());
  for (const auto& session : all) session->drain();
}

}  // namespace rmq::net
