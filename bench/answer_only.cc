// answer_only PORT SECONDS: answers every send at once and stores nothing. What `rmq-bench broker` measures
// against it is what net and wire alone cost.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "servers/net/server.h"

namespace {

class Handler final : public rmq::wire::RequestHandler {
 public:
  void handle(const rmq::wire::Request& request, rmq::wire::Responder responder) override {
    rmq::wire::Response response;
    response.fields = {{"MSG_REGION", "DefaultRegion"},
                       {"TRACE_ON", "true"},
                       {"msgId", "7F00000100002A9F0000000000000000"},
                       {"queueId", std::string(request.field("e").value_or("0"))},
                       {"queueOffset", "123456"},
                       {"transactionId", "7F0000010000000000000000FFFFFFFF"}};
    responder.send(std::move(response));
  }
};

class Service final : public rmq::wire::RequestService {
 public:
  std::unique_ptr<rmq::wire::RequestHandler> make_handler() override { return std::make_unique<Handler>(); }
  void connection_closed(const std::shared_ptr<rmq::wire::Connection>&) override {}
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 16;
  Service service;
  rmq::net::ServerOptions options;
  options.address = "127.0.0.1";
  options.ports = {static_cast<std::uint16_t>(std::atoi(argv[1]))};
  const auto server = rmq::net::Server::start(service, options);
  if (!server) {
    std::fprintf(stderr, "answer_only: %s\n", server.error().message().c_str());
    return 8;
  }
  std::this_thread::sleep_for(std::chrono::seconds(std::atoi(argv[2])));
  return 0;
}
