#include "servers/net/client.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <future>

#include "servers/net/server.h"
#include "tests/net/echo_service.h"
#include "tests/net/raw_client.h"

namespace rmq::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ClientTest : public ::testing::Test {
 protected:
  void start(std::uint16_t port = 0) {
    auto started = Server::start(service, {.address = "127.0.0.1",
                                           .ports = {port},
                                           .threads = 1,
                                           .max_connections = 0,
                                           .limits = {},
                                           .log = {}});
    ASSERT_TRUE(started) << started.error().message();
    server = std::move(*started);
    address = "127.0.0.1:" + std::to_string(server->ports().front());
  }
  std::future<Result<wire::Answer>> call(Client& client, const std::string& to, wire::Command command,
                                         milliseconds timeout) {
    auto promise = std::make_shared<std::promise<Result<wire::Answer>>>();
    auto future = promise->get_future();
    client.invoke(to, std::move(command), timeout,
                  [promise](Result<wire::Answer> answer) { promise->set_value(std::move(answer)); });
    return future;
  }
  static wire::Command echo(const std::string& body) {
    return {.code = EchoService::kEcho, .fields = {{"f", "v"}}, .body = body};
  }

  EchoService service;
  std::unique_ptr<Server> server;
  std::string address;
};

TEST_F(ClientTest, ConnectsOnceAndMatchesAnswers) {
  start();
  Client client;
  std::vector<std::future<Result<wire::Answer>>> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(call(client, address, echo(std::to_string(i)), seconds(10)));
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const auto answer = calls[i].get();
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->body, std::to_string(i));
    EXPECT_EQ(answer->field("f"), "v");
  }
  EXPECT_EQ(server->connections(), 1U);
}

TEST_F(ClientTest, HostsHaveNamesToo) {
  start();
  ClientOptions options;
  options.type = wire::SerializeType::rocketmq;
  Client client(options);
  const auto answer =
      call(client, "localhost" + address.substr(address.find(':')), echo("x"), seconds(10)).get();
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->body, "x");
}

TEST_F(ClientTest, NobodyThereIsAnError) {
  start();
  const std::string gone = address;
  server.reset();
  Client client;
  const auto answer = call(client, gone, echo("x"), seconds(10)).get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().os_errno, ECONNREFUSED);
  EXPECT_EQ(answer.error().context, "connecting to " + gone);
  for (const char* nonsense : {"", "no colon", "127.0.0.1:", "127.0.0.1:99999999", "[::1"})
    EXPECT_FALSE(call(client, nonsense, echo("x"), seconds(10)).get()) << nonsense;
}

TEST_F(ClientTest, SilenceIsAnErrorAfterItsTimeAndALateAnswerIsIgnored) {
  start();
  Client client;
  const auto answer =
      call(client, address, {.code = EchoService::kHold, .fields = {}, .body = {}}, milliseconds(100)).get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().os_errno, ETIMEDOUT);
  service.release();
  EXPECT_TRUE(call(client, address, echo("x"), seconds(10)).get());
}

TEST_F(ClientTest, AConnectionThatEndsFailsItsCallsAndIsMadeAnew) {
  start();
  const std::uint16_t port = server->ports().front();
  Client client;
  auto held = call(client, address, {.code = EchoService::kHold, .fields = {}, .body = {}}, seconds(20));
  service.wait_held(1);
  server->stop(milliseconds(0));
  EXPECT_FALSE(held.get());
  server.reset();
  service.release();
  start(port);
  EXPECT_TRUE(call(client, address, echo("x"), seconds(10)).get());
}

TEST_F(ClientTest, OnewayCommandsArrive) {
  start();
  Client client;
  client.send_oneway(address, echo("x"));
  EXPECT_TRUE(call(client, address, echo("y"), seconds(10)).get());
  EXPECT_EQ(service.requests, 2U);
}

TEST_F(ClientTest, EndingFailsWhatIsUnderWay) {
  start();
  auto client = std::make_unique<Client>();
  auto held = call(*client, address, {.code = EchoService::kHold, .fields = {}, .body = {}}, seconds(20));
  service.wait_held(1);
  client.reset();
  EXPECT_FALSE(held.get());
  service.release();
}

}  // namespace
}  // namespace rmq::net
