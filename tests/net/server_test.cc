#include "servers/net/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>

#include "tests/net/echo_service.h"
#include "tests/net/raw_client.h"

namespace rmq::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ServerTest : public ::testing::Test {
 protected:
  void start(Limits limits = {}, std::size_t threads = 2, std::size_t most = 0) {
    auto started = Server::start(service, {.address = "127.0.0.1",
                                           .ports = {0, 0},
                                           .threads = threads,
                                           .max_connections = most,
                                           .limits = limits,
                                           .log = [this](const std::string& text) {
                                             const std::lock_guard lock(log_mutex);
                                             log.push_back(text);
                                           }});
    ASSERT_TRUE(started) << started.error().message();
    server = std::move(*started);
    port = server->ports().front();
  }
  // By polling: there is nothing that tells.
  template <class Condition>
  bool eventually(Condition condition) {
    for (int i = 0; i < 1000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }

  EchoService service;
  std::unique_ptr<Server> server;
  std::uint16_t port = 0;
  std::mutex log_mutex;
  std::vector<std::string> log;
};

TEST_F(ServerTest, AnswersInTheTypeOfTheRequest) {
  start();
  RawClient client(port);
  for (const auto type : {wire::SerializeType::json, wire::SerializeType::rocketmq}) {
    ASSERT_TRUE(client.send(request_bytes(EchoService::kEcho, 7, "body", {{"a", "x\x01y"}}, type)));
    const auto answer = client.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->first, 7);
    EXPECT_EQ(answer->second.code, 0);
    EXPECT_EQ(answer->second.body, "body");
    EXPECT_EQ(answer->second.fields, (wire::Fields{{"a", "x\x01y"}}));
  }
}

TEST_F(ServerTest, FramesMayBeCutAnywhere) {
  start();
  RawClient client(port);
  const std::string bytes =
      request_bytes(EchoService::kEcho, 1, "one") + request_bytes(EchoService::kEcho, 2, "two");
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    ASSERT_TRUE(client.send(bytes.substr(0, cut)));
    // Waiting for a first answer makes the cut real at least behind the first frame.
    if (cut >= bytes.size() / 2) {
      ASSERT_EQ(client.receive()->second.body, "one");
    } else {
      std::this_thread::yield();
    }
    ASSERT_TRUE(client.send(bytes.substr(cut)));
    if (cut < bytes.size() / 2) {
      ASSERT_EQ(client.receive()->second.body, "one");
    }
    ASSERT_EQ(client.receive()->second.body, "two");
  }
}

TEST_F(ServerTest, OneByteAtATime) {
  start();
  RawClient client(port);
  for (const char byte : request_bytes(EchoService::kEcho, 1, "one")) {
    ASSERT_TRUE(client.send(std::string(1, byte)));
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  EXPECT_EQ(client.receive()->second.body, "one");
  EXPECT_TRUE(eventually([&] { return server->memory() == 0; }));
}

TEST_F(ServerTest, AFrameLargerThanAllBuffers) {
  start();
  RawClient client(port);
  const std::string body(15 << 20, 'x');
  for (int i = 0; i < 2; ++i) {
    std::thread sender([&] { client.send(request_bytes(EchoService::kEcho, i, body)); });
    const auto answer = client.receive();
    sender.join();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->second.body.size(), body.size());
  }
  EXPECT_TRUE(eventually([&] { return server->memory() == 0; }));
}

TEST_F(ServerTest, ManyRequestsAreServedInFewTurns) {
  start({}, 1);
  RawClient client(port);
  std::string bytes;
  for (int i = 0; i < 20'000; ++i) bytes += request_bytes(EchoService::kEcho, i, "0123456789");
  std::thread sender([&] { client.send(bytes); });
  for (int i = 0; i < 20'000; ++i) {
    const auto answer = client.receive();
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->first, i);
  }
  sender.join();
  EXPECT_EQ(service.requests, 20'000U);
  EXPECT_LT(service.turns, 10'000U);
}

TEST_F(ServerTest, WhatTheHandlerForgetsIsAnswered) {
  start();
  RawClient client(port);
  ASSERT_TRUE(client.send(request_bytes(EchoService::kDrop, 1) + request_bytes(EchoService::kThrow, 2)));
  for (int opaque = 1; opaque <= 2; ++opaque) {
    const auto answer = client.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->first, opaque);
    EXPECT_EQ(answer->second.code, 1);
    EXPECT_EQ(answer->second.remark, "not set any response code");
  }
}

TEST_F(ServerTest, OnewayRequestsAreNeverAnswered) {
  start();
  RawClient client(port);
  std::string oneway;
  wire::append_command(oneway, {.code = EchoService::kEcho, .fields = {}, .body = {}}, 1, true,
                       wire::SerializeType::json);
  ASSERT_TRUE(client.send(oneway + request_bytes(EchoService::kEcho, 2)));
  EXPECT_EQ(client.receive()->first, 2);
  EXPECT_EQ(service.requests, 2U);
}

TEST_F(ServerTest, AnswersMayComeLaterFromAnyThread) {
  start();
  RawClient client(port);
  ASSERT_TRUE(client.send(request_bytes(EchoService::kHold, 1) + request_bytes(EchoService::kHold, 2)));
  service.wait_held(2);
  ASSERT_TRUE(client.send(request_bytes(EchoService::kEcho, 3)));
  EXPECT_EQ(client.receive()->first, 3);
  service.release();
  EXPECT_EQ(client.receive()->second.remark, "released");
  EXPECT_EQ(client.receive()->second.remark, "released");
  EXPECT_EQ(service.last->local_port(), port);
  EXPECT_TRUE(service.last->open());
  EXPECT_TRUE(service.last->remote_address().starts_with("127.0.0.1:"));
}

TEST_F(ServerTest, ListensOnEveryPortAndTellsWhich) {
  start();
  for (const std::uint16_t one : server->ports()) {
    RawClient client(one);
    ASSERT_TRUE(client.send(request_bytes(EchoService::kHold, 1)));
    service.wait_held(1);
    EXPECT_EQ(service.last->local_port(), one);
    service.release();
    EXPECT_TRUE(client.receive());
  }
}

TEST_F(ServerTest, FilesAreSentWhole) {
  start();
  const std::string name = ::testing::TempDir() + "/net_server_test_file";
  const int file = ::open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  std::string content;
  for (int i = 0; content.size() < (3U << 20); ++i) content += std::to_string(i) + ' ';
  ASSERT_EQ(::write(file, content.data(), content.size()), static_cast<ssize_t>(content.size()));
  service.file = file;
  RawClient client(port, 8 * 1024);  // small, so that writing is interrupted
  for (const std::size_t size : {1UL, 1000UL, 16383UL, 16384UL, 300'000UL, 2'000'000UL}) {
    ASSERT_TRUE(client.send(
        request_bytes(EchoService::kFile, 1, "", {{"size", std::to_string(size)}, {"offset", "77"}})));
    const auto answer = client.receive();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->second.body == "before " + content.substr(77, size) + content.substr(77, size))
        << size;
  }
  // Beyond its end: the frame cannot be finished, the connection is closed.
  for (const char* size : {"100", "100000"}) {
    RawClient unlucky(port);
    ASSERT_TRUE(unlucky.send(request_bytes(
        EchoService::kFile, 1, "", {{"size", size}, {"offset", std::to_string(content.size() - 50)}})));
    EXPECT_TRUE(unlucky.ended());
  }
  ::close(file);
  ::unlink(name.c_str());
}

TEST_F(ServerTest, CallsItsClientsAndGivesUpOnThoseWhoKeepSilent) {
  start();
  RawClient client(port);
  ASSERT_TRUE(client.send(request_bytes(EchoService::kCallBack, 5)));
  auto asked = client.receive();
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->second.code, 77);
  EXPECT_EQ(asked->second.body, "who are you");
  std::string reply;
  wire::append_response(reply, {.code = 0, .remark = {}, .fields = {}, .body = "me", .parts = {}},
                        asked->first, wire::SerializeType::json);
  ASSERT_TRUE(client.send(reply));
  EXPECT_EQ(client.receive()->second.remark, "me");

  ASSERT_TRUE(client.send(request_bytes(EchoService::kCallBack, 6)));
  asked = client.receive();
  ASSERT_TRUE(asked);
  const auto late = client.receive();
  ASSERT_TRUE(late);
  EXPECT_EQ(late->first, 6);
  EXPECT_TRUE(late->second.remark->starts_with("no answer from 127.0.0.1:")) << *late->second.remark;
  wire::append_response(reply, {}, asked->first, wire::SerializeType::json);
  ASSERT_TRUE(client.send(reply.substr(reply.size() / 2, 0) + request_bytes(EchoService::kEcho, 8)));
  EXPECT_EQ(client.receive()->first, 8);
}

TEST_F(ServerTest, ClosedConnectionsAreTold) {
  start();
  {
    RawClient client(port);
    ASSERT_TRUE(client.send(request_bytes(EchoService::kHold, 1)));
    service.wait_held(1);
  }
  service.wait_closed(1);
  EXPECT_FALSE(service.last->open());
  service.release();  // into the void
  bool failed = false;
  service.last->invoke({}, seconds(5), [&](const Result<wire::Answer>& answer) { failed = !answer; });
  EXPECT_TRUE(failed);
  EXPECT_EQ(server->connections(), 0U);
}

TEST_F(ServerTest, TheLastRequestsOfAClientThatSendsNoMoreAreAnswered) {
  start();
  RawClient client(port);
  ASSERT_TRUE(client.send(request_bytes(EchoService::kEcho, 1, "last words")));
  client.end_sending();
  EXPECT_EQ(client.receive()->second.body, "last words");
  EXPECT_TRUE(client.ended());
}

TEST_F(ServerTest, IdleConnectionsAreClosed) {
  start({.idle = milliseconds(200)});
  RawClient idle(port);
  EXPECT_TRUE(idle.ended());
  service.wait_closed(1);
  const std::lock_guard lock(log_mutex);
  ASSERT_EQ(log.size(), 1U);
  EXPECT_TRUE(log[0].ends_with(": closed: idle for too long")) << log[0];
}

TEST_F(ServerTest, ConnectionsBeyondTheLimitAreRefused) {
  start({}, 2, 3);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(port));
    ASSERT_TRUE(clients.back()->send(request_bytes(EchoService::kEcho, i)));
    ASSERT_TRUE(clients.back()->receive());
  }
  RawClient refused(port);
  EXPECT_TRUE(refused.ended());
  clients.pop_back();
  service.wait_closed(1);
  RawClient welcome(port);
  ASSERT_TRUE(welcome.send(request_bytes(EchoService::kEcho, 1)));
  EXPECT_TRUE(welcome.receive());
}

TEST_F(ServerTest, StoppingFinishesWhatIsUnderWay) {
  start();
  RawClient client(port);
  ASSERT_TRUE(client.send(request_bytes(EchoService::kHold, 1)));
  service.wait_held(1);
  server->drain();
  ASSERT_TRUE(client.send(request_bytes(EchoService::kEcho, 2)));  // no longer read
  std::thread later([&] {
    std::this_thread::sleep_for(milliseconds(50));
    service.release();
  });
  const auto before = std::chrono::steady_clock::now();
  server->stop(seconds(20));
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(10));
  later.join();
  EXPECT_EQ(client.receive()->second.remark, "released");
  EXPECT_TRUE(client.ended());
  EXPECT_FALSE(RawClient(port).connected());
  EXPECT_EQ(service.closed, 1);
}

TEST_F(ServerTest, StoppingWaitsNoLongerThanItsDeadline) {
  start();
  RawClient client(port);
  ASSERT_TRUE(client.send(request_bytes(EchoService::kHold, 1)));
  service.wait_held(1);
  server->stop(milliseconds(100));
  EXPECT_TRUE(client.ended());
  server.reset();
  service.release();  // Responders outlive the server
}

}  // namespace
}  // namespace rmq::net
