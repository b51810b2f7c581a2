#include "servers/net/client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <list>
#include <unordered_map>
#include <utility>

#include "servers/net/io_thread.h"
#include "servers/net/session.h"

namespace rmq::net {
namespace {

using boost::asio::ip::tcp;

// "host:port", "[v6]:port".
std::pair<std::string, std::string> split(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {address, ""};
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return {host, address.substr(colon + 1)};
}

}  // namespace

// On its thread, but the calls of Client.
class Client::Impl {
 public:
  explicit Impl(ClientOptions options) : options_(std::move(options)), shared_(std::make_shared<Shared>()) {
    shared_->limits = options_.limits;
    shared_->log = options_.log;
    shared_->type = options_.type;
    thread_ = std::make_shared<IoThread>(shared_);
    thread_->start();
  }

  ~Impl() {
    static_cast<void>(thread_->post([this] {
      for (auto& [address, target] : targets_)
        fail(target, Error{ErrorCode::cancelled, 0, address + ": the client ends"});
      ended_ = true;
    }));
    thread_->stop();
  }

  // Without `done` the command is one-way.
  void call(const std::string& address, wire::Command command, std::chrono::milliseconds timeout,
            wire::Completion done) {
    const auto until = IoThread::Clock::now() + timeout;
    const bool posted = thread_->post([this, address, command = std::move(command), until, done] {
      if (!ended_)
        send(address, {command, until, done});
      else if (done)
        done(Error{ErrorCode::cancelled, 0, address + ": the client ends"});
    });
    if (!posted && done) done(Error{ErrorCode::cancelled, 0, address + ": the client ends"});
  }

 private:
  struct Call {
    wire::Command command;
    IoThread::Clock::time_point until;
    wire::Completion done;
  };
  // Connected, connecting (it has an attempt), or neither.
  struct Target {
    std::shared_ptr<Session> session;
    std::shared_ptr<tcp::socket> attempt;
    std::list<Call> waiting;
  };

  void send(const std::string& address, Call call) {
    Target& target = targets_[address];
    if (target.session && !target.session->closed()) return pass(*target.session, call);
    target.session.reset();
    target.waiting.push_back(std::move(call));
    if (!target.attempt) connect(address, target);
  }

  static void pass(Session& session, Call& call) {
    if (!call.done) return session.send_oneway(call.command);
    const auto left = call.until - IoThread::Clock::now();
    session.invoke(call.command, std::chrono::ceil<std::chrono::milliseconds>(left), std::move(call.done));
  }

  void connect(const std::string& address, Target& target) {
    const auto attempt = std::make_shared<tcp::socket>(thread_->context());
    target.attempt = attempt;
    // The shortest patience decides: who still has some may try again.
    auto until = IoThread::Clock::now() + options_.connect_timeout;
    for (const Call& call : target.waiting)
      if (call.done) until = std::min(until, call.until);
    const auto patience = thread_->at(until, [this, address, attempt] {
      failed(address, attempt, Error{ErrorCode::io_error, ETIMEDOUT, "connecting to " + address});
    });
    const auto finished = [this, address, attempt, patience](const boost::system::error_code& fault) {
      if (!current(address, attempt)) return;  // given up; then its patience is over
      thread_->cancel(patience);
      if (fault)
        return failed(address, attempt,
                      Error{ErrorCode::io_error, fault.value(), "connecting to " + address});
      connected(address, attempt);
    };
    const auto [host, port] = split(address);
    const auto resolver = std::make_shared<tcp::resolver>(thread_->context());
    resolver->async_resolve(
        host, port,
        [resolver, attempt, finished](const boost::system::error_code& fault,
                                      const tcp::resolver::results_type& results) {
          if (fault)
            return finished(boost::system::error_code(EHOSTUNREACH, boost::system::system_category()));
          boost::asio::async_connect(
              *attempt, results, [finished](const boost::system::error_code& refused, const tcp::endpoint&) {
                finished(refused);
              });
        });
  }

  [[nodiscard]] bool current(const std::string& address, const std::shared_ptr<tcp::socket>& attempt) const {
    const auto found = targets_.find(address);
    return found != targets_.end() && found->second.attempt == attempt;
  }

  void connected(const std::string& address, const std::shared_ptr<tcp::socket>& attempt) {
    const auto session = Session::open(*thread_, std::move(*attempt));
    if (!session)
      return failed(address, attempt, Error{ErrorCode::io_error, ECONNRESET, "connecting to " + address});
    Target& target = targets_[address];
    target.attempt.reset();
    target.session = session;
    session->begin();
    for (Call& call : std::exchange(target.waiting, {})) pass(*session, call);
  }

  void failed(const std::string& address, const std::shared_ptr<tcp::socket>& attempt, const Error& error) {
    if (current(address, attempt)) fail(targets_[address], error);
  }

  static void fail(Target& target, const Error& error) {
    if (target.attempt) {
      boost::system::error_code ignored;
      target.attempt->close(ignored);
      target.attempt.reset();
    }
    for (Call& call : std::exchange(target.waiting, {}))
      if (call.done) call.done(error);
  }

  ClientOptions options_;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<IoThread> thread_;
  std::unordered_map<std::string, Target> targets_;
  bool ended_ = false;
};

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;

void Client::invoke(const std::string& address, wire::Command command, std::chrono::milliseconds timeout,
                    wire::Completion done) {
  impl_->call(address, std::move(command), timeout, std::move(done));
}

void Client::send_oneway(const std::string& address, wire::Command command) {
  impl_->call(address, std::move(command), std::chrono::milliseconds(0), nullptr);
}

}  // namespace rmq::net
