// One thread of net: its io_context, its sessions and its turns. Private to net.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <unordered_set>
#include <vector>

#include "servers/net/limits.h"
#include "servers/wire/handler.h"
#include "servers/wire/request_decoder.h"

namespace rmq::net {

class Session;

// What the threads of one server, or the one of a client, have in common.
struct Shared {
  Limits limits;
  Log log;
  wire::SerializeType type = wire::SerializeType::json;  // of commands of our own
  wire::RequestService* service = nullptr;               // null: requests are refused (a client)
  MemoryAccount memory;
  std::atomic<std::size_t> connections{0};
  std::mutex none_mutex;
  std::condition_variable none_left;  // no connection is

  void say(const std::string& text) const {
    if (log) log(text);
  }
};

// Where not said otherwise: for its own thread.
class IoThread : public std::enable_shared_from_this<IoThread> {
 public:
  using Clock = std::chrono::steady_clock;

  explicit IoThread(std::shared_ptr<Shared> shared);
  ~IoThread();

  // By the owner: begins, and ends after closing all sessions.
  void start();
  void stop();

  // From any thread. post() says false, and forgets the task, once the thread has been stopped.
  [[nodiscard]] bool post(std::function<void()> task);
  void answer(std::shared_ptr<Session> session, std::int32_t opaque, wire::SerializeType type,
              wire::Response response);
  void adopt(boost::asio::ip::tcp::socket socket);  // one of this thread's context
  [[nodiscard]] boost::asio::io_context& context() { return context_; }
  [[nodiscard]] bool current() const;  // whether the caller is this thread

  // Sessions: what they need of their thread.
  [[nodiscard]] Shared& shared() { return *shared_; }
  [[nodiscard]] wire::RequestDecoder& decoder() { return decoder_; }
  // Room to read into. What is taken lives until the turn ends.
  [[nodiscard]] std::span<std::byte> turn_space();
  void take_turn_space(std::size_t bytes);
  void keep_for_turn(std::vector<std::byte> bytes);
  void handle(const wire::Request& request, wire::Responder responder);
  void to_flush(std::shared_ptr<Session> session);  // at the end of the turn, which comes soon
  void add(const std::shared_ptr<Session>& session);
  void closed(const std::shared_ptr<Session>& session);
  using Deadlines = std::multimap<Clock::time_point, std::function<void()>>;
  Deadlines::iterator at(Clock::time_point when, std::function<void()> task);
  void cancel(Deadlines::iterator deadline) { deadlines_.erase(deadline); }
  void drain();
  [[nodiscard]] bool draining() const { return draining_; }

 private:
  struct Mail;

  void wind_up();
  void turn_soon();
  void end_turn();
  void take_mail();
  void sweep();
  void arm_deadlines();

  std::shared_ptr<Shared> shared_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer sweep_timer_;
  boost::asio::steady_timer deadline_timer_;
  Deadlines deadlines_;
  std::unique_ptr<wire::RequestHandler> handler_;
  std::unordered_set<std::shared_ptr<Session>> sessions_;
  bool draining_ = false;

  wire::RequestDecoder decoder_;
  std::unique_ptr<std::byte[]> space_;
  std::size_t space_used_ = 0;
  std::vector<std::vector<std::byte>> kept_;
  std::vector<std::shared_ptr<Session>> to_flush_;
  bool turn_posted_ = false;
  bool handled_ = false;  // anything, in this turn

  std::mutex mutex_;  // over the next two
  std::vector<Mail> mail_;
  bool stopped_ = false;
  std::vector<Mail> mail_taken_;
  std::thread thread_;
};

}  // namespace rmq::net
