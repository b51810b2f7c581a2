#include "servers/net/server.h"

#include <sys/resource.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "libstore/base/status.h"
#include "servers/net/io_thread.h"

namespace rmq::net {
namespace {

using boost::asio::ip::tcp;

constexpr std::size_t kFilesForOthers = 1024;  // logs, queues, the store's files
constexpr int kBacklog = 1024;                 // serverSocketBacklog
constexpr std::chrono::milliseconds kWithoutDescriptors{100};

// Returns the limit that holds afterwards.
std::size_t raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kFilesForOthers;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<std::size_t>(limit.rlim_cur);
}

}  // namespace

class Server::Impl {
 public:
  Impl(wire::RequestService& service, ServerOptions options)
      : options_(std::move(options)), shared_(std::make_shared<Shared>()) {
    shared_->limits = options_.limits;
    shared_->log = options_.log;
    shared_->service = &service;
    const std::size_t files = raise_file_limit();
    most_ = options_.max_connections != 0 ? options_.max_connections
                                          : files - std::min(kFilesForOthers, files / 2);
    for (std::size_t i = 0; i < std::max<std::size_t>(options_.threads, 1); ++i)
      threads_.push_back(std::make_shared<IoThread>(shared_));
  }

  Status bind() {
    boost::system::error_code fault;
    const auto address = boost::asio::ip::make_address(options_.address, fault);
    if (fault) return wrong_use("no address to listen on: " + options_.address);
    for (const std::uint16_t port : options_.ports) {
      const std::string where = "listening on " + options_.address + ':' + std::to_string(port);
      const tcp::endpoint endpoint(address, port);
      auto acceptor = std::make_unique<Acceptor>(threads_.front()->context());
      acceptor->socket.open(endpoint.protocol(), fault);
      if (!fault) acceptor->socket.set_option(tcp::acceptor::reuse_address(true), fault);
      if (!fault) acceptor->socket.bind(endpoint, fault);
      if (!fault) acceptor->socket.listen(kBacklog, fault);
      if (fault) return os_error(fault.value(), where);
      ports_.push_back(acceptor->socket.local_endpoint(fault).port());
      acceptors_.push_back(std::move(acceptor));
    }
    return {};
  }

  void start() {
    for (const auto& thread : threads_) thread->start();
    static_cast<void>(threads_.front()->post([this] {
      for (const auto& acceptor : acceptors_) accept(*acceptor);
    }));
  }

  void drain() {
    if (std::exchange(draining_, true)) return;
    static_cast<void>(threads_.front()->post([this] {
      for (const auto& acceptor : acceptors_) {
        boost::system::error_code ignored;
        acceptor->socket.close(ignored);
        acceptor->pause.cancel();
      }
    }));
    for (const auto& thread : threads_)
      static_cast<void>(thread->post([raw = thread.get()] { raw->drain(); }));
  }

  void stop(std::chrono::milliseconds deadline) {
    drain();
    const auto until = std::chrono::steady_clock::now() + deadline;
    std::unique_lock lock(shared_->none_mutex);
    shared_->none_left.wait_until(lock, until, [&] { return shared_->connections == 0; });
    lock.unlock();
    for (const auto& thread : threads_) thread->stop();
  }

  [[nodiscard]] const std::vector<std::uint16_t>& ports() const { return ports_; }
  [[nodiscard]] const Shared& shared() const { return *shared_; }

 private:
  // On the first thread, as all that accepts.
  struct Acceptor {
    explicit Acceptor(boost::asio::io_context& context) : socket(context), pause(context) {}
    tcp::acceptor socket;
    boost::asio::steady_timer pause;
  };

  void accept(Acceptor& acceptor) {
    IoThread& thread = *threads_[next_++ % threads_.size()];
    acceptor.socket.async_accept(
        thread.context(),
        [this, &acceptor, &thread](const boost::system::error_code& fault, tcp::socket socket) {
          if (!acceptor.socket.is_open()) return;
          if (fault == boost::asio::error::no_descriptors || fault == boost::asio::error::no_buffer_space)
            return pause(acceptor);
          if (!fault) deal(thread, std::move(socket));
          accept(acceptor);
        });
  }

  void deal(IoThread& thread, tcp::socket socket) {
    if (shared_->connections < most_) {
      refusing_ = false;
      return thread.adopt(std::move(socket));
    }
    if (!std::exchange(refusing_, true))
      shared_->say("new connections are refused: there are " + std::to_string(most_) + " already");
  }

  void pause(Acceptor& acceptor) {
    shared_->say("no more connections can be accepted for now: the limit of open files is reached");
    acceptor.pause.expires_after(kWithoutDescriptors);
    acceptor.pause.async_wait([this, &acceptor](const boost::system::error_code& fault) {
      if (!fault && acceptor.socket.is_open()) accept(acceptor);
    });
  }

  ServerOptions options_;
  std::shared_ptr<Shared> shared_;
  std::size_t most_ = 0;
  std::vector<std::shared_ptr<IoThread>> threads_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::vector<std::uint16_t> ports_;
  std::size_t next_ = 0;
  bool refusing_ = false;
  bool draining_ = false;
};

Result<std::unique_ptr<Server>> Server::start(wire::RequestService& service, ServerOptions options) {
  auto impl = std::make_unique<Impl>(service, std::move(options));
  RMQ_CHECK(impl->bind());
  impl->start();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { impl_->stop(std::chrono::milliseconds(0)); }
const std::vector<std::uint16_t>& Server::ports() const { return impl_->ports(); }
std::size_t Server::connections() const { return impl_->shared().connections; }
std::size_t Server::memory() const { return impl_->shared().memory.used(); }
void Server::drain() { impl_->drain(); }
void Server::stop(std::chrono::milliseconds deadline) { impl_->stop(deadline); }

}  // namespace rmq::net
