#include "servers/broker/broker.h"

#include <algorithm>
#include <utility>

#include "servers/broker/registration.h"
#include "servers/broker/request_fields.h"

namespace rmq::broker {
namespace {

class FunctionProcessor final : public Processor {
 public:
  explicit FunctionProcessor(std::shared_ptr<const HandleFunction> handle) : handle_(std::move(handle)) {}
  void handle(const wire::Request& request, wire::Responder responder) override {
    (*handle_)(request, std::move(responder));
  }

 private:
  std::shared_ptr<const HandleFunction> handle_;
};

}  // namespace

// One thread's processors. They are made when the first request comes for them.
class Broker::Handler final : public wire::RequestHandler {
 public:
  explicit Handler(const Broker& broker)
      : broker_(broker),
        vip_port_(broker.config_.number<"listenPort">() - 2),
        processors_(broker.factories_.size()) {}

  void handle(const wire::Request& request, wire::Responder responder) override {
    const auto route = broker_.routes_.find(request.code);
    if (route == broker_.routes_.end() ||
        (route->second.ports == Ports::not_vip && responder.connection()->local_port() == vip_port_)) {
      return responder.send(answer(ResponseCode::request_code_not_supported,
                                   " request type " + std::to_string(request.code) + " not supported"));
    }
    auto& processor = processors_[route->second.factory];
    if (!processor) processor = broker_.factories_[route->second.factory]();
    processor->handle(request, std::move(responder));
  }

  void turn_ended() override {
    for (const auto& processor : processors_)
      if (processor) processor->turn_ended();
  }

 private:
  const Broker& broker_;
  const std::int64_t vip_port_;
  std::vector<std::unique_ptr<Processor>> processors_;
};

void Broker::add(std::initializer_list<RequestCode> codes, ProcessorFactory factory, Ports ports) {
  for (const RequestCode code : codes)
    routes_.insert_or_assign(static_cast<std::int32_t>(code), Route{factories_.size(), ports});
  factories_.push_back(std::move(factory));
}

void Broker::add(RequestCode code, HandleFunction handle, Ports ports) {
  auto shared = std::make_shared<const HandleFunction>(std::move(handle));
  add({code}, [shared] { return std::make_unique<FunctionProcessor>(shared); }, ports);
}

std::unique_ptr<wire::RequestHandler> Broker::make_handler() { return std::make_unique<Handler>(*this); }

void Broker::connection_closed(const std::shared_ptr<wire::Connection>& connection) {
  for (const auto& hook : closed_hooks_) hook(connection);
}

}  // namespace rmq::broker
