#include "servers/net/out_queue.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "libstore/bytes/big_endian.h"

namespace rmq::net {
namespace {

class OutQueueTest : public ::testing::Test {
 protected:
  OutQueueTest() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0); }
  ~OutQueueTest() override {
    ::close(ends[0]);
    if (ends[1] >= 0) ::close(ends[1]);
  }
  void text(const std::string& bytes) {
    queue.append([&](std::string& out) { out += bytes; });
  }
  // Takes what is there, in small steps.
  std::string drain() {
    std::string all;
    char bytes[3000];
    while (true) {
      const ssize_t got = ::recv(ends[1], bytes, sizeof bytes, 0);
      if (got <= 0) return all;
      all.append(bytes, static_cast<std::size_t>(got));
    }
  }

  int ends[2] = {-1, -1};
  OutQueue queue;
};

TEST_F(OutQueueTest, KeepsTheOrderOverEveryKindOfPieceAndEveryInterruption) {
  std::string expected;
  const auto owner = std::make_shared<const std::string>(std::string(70'000, 'm') + "end");
  for (int i = 0; i < 600; ++i) {
    text("own" + std::to_string(i) + std::string(static_cast<std::size_t>(i) * 7, 'o'));
    expected += "own" + std::to_string(i) + std::string(static_cast<std::size_t>(i) * 7, 'o');
    if (i % 3 == 0) {
      ASSERT_TRUE(queue.add({.bytes = as_bytes(*owner), .file = -1, .offset = 0, .size = 0, .owner = owner}));
      expected += *owner;
    }
  }
  EXPECT_EQ(queue.size(), expected.size());
  EXPECT_EQ(queue.memory(), expected.size());
  std::string got;
  OutQueue::Flush flush = OutQueue::Flush::blocked;
  while (flush == OutQueue::Flush::blocked) {
    flush = queue.flush(ends[0]);
    got += drain();
    ASSERT_EQ(queue.size(), expected.size() - got.size());
  }
  EXPECT_EQ(flush, OutQueue::Flush::done);
  EXPECT_TRUE(got == expected);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.memory(), 0U);
  EXPECT_EQ(owner.use_count(), 1);
}

TEST_F(OutQueueTest, OwnersAreLetGoAsSoonAsTheirBytesAreWritten) {
  auto owner = std::make_shared<const std::string>("abc");
  ASSERT_TRUE(queue.add({.bytes = as_bytes(*owner), .file = -1, .offset = 0, .size = 0, .owner = owner}));
  text(std::string(10 << 20, 'x'));
  EXPECT_EQ(queue.flush(ends[0]), OutQueue::Flush::blocked);
  EXPECT_EQ(owner.use_count(), 1);
}

TEST_F(OutQueueTest, AGonePeerIsAFailure) {
  ::close(std::exchange(ends[1], -1));
  text("x");
  EXPECT_EQ(queue.flush(ends[0]), OutQueue::Flush::failed);
}

TEST_F(OutQueueTest, NothingIsNothing) {
  EXPECT_EQ(queue.flush(ends[0]), OutQueue::Flush::done);
  text("");
  ASSERT_TRUE(queue.add({}));
  EXPECT_EQ(queue.flush(ends[0]), OutQueue::Flush::done);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace rmq::net
