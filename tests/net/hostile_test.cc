// Clients that lie, stall, flood and read slowly: others are served all the time, and memory stays bounded.
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "servers/net/server.h"
#include "tests/net/echo_service.h"
#include "tests/net/raw_client.h"

namespace rmq::net {
namespace {

using std::chrono::milliseconds;

class HostileTest : public ::testing::Test {
 protected:
  void start(Limits limits = {}) {
    auto started = Server::start(service, {.address = "127.0.0.1",
                                           .ports = {0},
                                           .threads = 2,
                                           .max_connections = 0,
                                           .limits = limits,
                                           .log = {}});
    ASSERT_TRUE(started);
    server = std::move(*started);
    port = server->ports().front();
  }
  void expect_served() {
    RawClient good(port);
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(good.send(request_bytes(EchoService::kEcho, i, "still here")));
      const auto answer = good.receive();
      ASSERT_TRUE(answer);
      ASSERT_EQ(answer->second.body, "still here");
    }
  }

  EchoService service;
  std::unique_ptr<Server> server;
  std::uint16_t port = 0;
};

TEST_F(HostileTest, LengthsThatLieCloseTheirConnectionAtOnce) {
  start();
  const std::string lies[] = {std::string("\xFF\xFF\xFF\xFF", 4),
                              std::string("\0\0\0\0", 4),
                              std::string("\x7F\xFF\xFF\xFF", 4),
                              std::string("\0\0\0\x10\0\0\0\x20", 8),
                              std::string("\0\0\0\x10\x07\0\0\0", 8),
                              std::string("\0\0\0\x06\0\0\0\x02{]", 10),
                              "GET / HTTP/1.1\r\n\r\n"};
  for (const std::string& lie : lies) {
    RawClient client(port);
    ASSERT_TRUE(client.send(lie));
    EXPECT_TRUE(client.ended());
  }
  expect_served();
}

TEST_F(HostileTest, AConnectionClosedWithinAFrameHoldsNoMemory) {
  start();
  RawClient client(port);
  ASSERT_TRUE(client.send(std::string("\0\0\0\x10\0", 5)));
  while (server->memory() == 0) std::this_thread::yield();
  ASSERT_TRUE(client.send(std::string("\0\0\x20", 3)));
  EXPECT_TRUE(client.ended());
  service.wait_closed(1);
  EXPECT_EQ(server->memory(), 0U);
}

TEST_F(HostileTest, AHundredThousandRandomFrames) {
  start();
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) expect_served();
  });
  std::mt19937 random(1130);
  int frames = 0;
  while (frames < 100'000) {
    RawClient client(port);
    for (int burst = 0; burst < 64; ++burst) {
      std::string bytes;
      for (int i = 0; i < 50; ++i, ++frames) {
        std::string frame =
            request_bytes(EchoService::kEcho, i, "body", {{"a", "b"}},
                          i % 2 == 0 ? wire::SerializeType::json : wire::SerializeType::rocketmq);
        if (random() % 16 == 0) frame[random() % frame.size()] = static_cast<char>(random());
        bytes += frame;
      }
      if (!client.send(bytes)) break;
    }
    if (random() % 2 == 0) client.reset();
  }
  done = true;
  other.join();
  expect_served();
  server->stop(milliseconds(5000));
  EXPECT_EQ(server->memory(), 0U);
}

TEST_F(HostileTest, AnnouncedBytesCostNothingUntilTheyCome) {
  start();
  std::vector<std::unique_ptr<RawClient>> liars;
  for (int i = 0; i < 50; ++i) {
    liars.push_back(std::make_unique<RawClient>(port));
    ASSERT_TRUE(liars.back()->send(std::string("\0\xF0\0\0\0\0\0\x10half", 12)));
  }
  expect_served();
  EXPECT_LT(server->memory(), 50U * 8 * 1024);
}

TEST_F(HostileTest, UnfinishedFramesStayBelowTheLimitOfMemory) {
  start({.memory = 8 << 20});
  std::vector<std::unique_ptr<RawClient>> clients;
  const std::string most = request_bytes(EchoService::kEcho, 1, std::string(2 << 20, 'x'));
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(port));
    clients.back()->send(most.substr(0, most.size() - 1));
    EXPECT_LE(server->memory(), 8U << 20);
  }
  EXPECT_LT(server->connections(), 20U);
  clients.clear();
  service.wait_closed(20);
  expect_served();
}

TEST_F(HostileTest, ASlowReaderIsNotReadFromAndTheOthersAreServed) {
  start({.unsent = 256 << 10});
  RawClient slow(port, 4 * 1024);
  std::atomic<bool> sent{false};
  std::thread sender([&] {
    const std::string request = request_bytes(EchoService::kEcho, 1, std::string(10'000, 'x'));
    for (int i = 0; i < 3000; ++i) slow.send(request);
    sent = true;
  });
  expect_served();
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_FALSE(sent);  // 30 MB do not fit into the kernel's buffers
  EXPECT_LT(server->memory(), 4U << 20);
  expect_served();
  for (int i = 0; i < 3000; ++i) {
    const auto answer = slow.receive();
    ASSERT_TRUE(answer) << i;
    ASSERT_EQ(answer->second.body.size(), 10'000U);
  }
  sender.join();
}

TEST_F(HostileTest, APeerThatTakesNothingIsClosed) {
  start({.unsent = 1 << 20, .unsent_most = 8 << 20});
  RawClient client(port, 4 * 1024);
  ASSERT_TRUE(client.send(request_bytes(EchoService::kBig, 1, "", {{"size", std::to_string(40 << 20)}})));
  service.wait_closed(1);
  expect_served();
}

TEST_F(HostileTest, OverTheLimitOfMemoryRequestsAreRefusedAsBusy) {
  start({.unsent = 1 << 20, .memory = 2 << 20});
  RawClient hog(port, 4 * 1024);
  ASSERT_TRUE(hog.send(request_bytes(EchoService::kBig, 1, "", {{"size", std::to_string(20 << 20)}})));
  while (server->memory() < (2U << 20)) std::this_thread::yield();
  RawClient client(port);
  ASSERT_TRUE(client.send(request_bytes(EchoService::kEcho, 7, "x")));
  const auto busy = client.receive();
  ASSERT_TRUE(busy);
  EXPECT_EQ(busy->first, 7);
  EXPECT_EQ(busy->second.code, 2);
  EXPECT_EQ(busy->second.remark, "[OVERLOAD]system busy, start flow control for a while");
  hog.reset();
  service.wait_closed(1);
  ASSERT_TRUE(client.send(request_bytes(EchoService::kEcho, 8, "x")));
  EXPECT_EQ(client.receive()->second.code, 0);
}

TEST_F(HostileTest, TooManyUnansweredRequestsStopTheReading) {
  start({.unanswered = 10});
  RawClient client(port);
  std::string bytes;
  for (int i = 0; i < 30; ++i) bytes += request_bytes(EchoService::kHold, i);
  ASSERT_TRUE(client.send(bytes));
  service.wait_held(10);
  expect_served();
  {
    const std::lock_guard lock(service.mutex);
    EXPECT_EQ(service.held.size(), 10U);
  }
  for (int round = 0; round < 3; ++round) {
    service.wait_held(10);
    service.release();
    for (int i = 0; i < 10; ++i) ASSERT_EQ(client.receive()->first, 10 * round + i);
  }
}

}  // namespace
}  // namespace rmq::net
