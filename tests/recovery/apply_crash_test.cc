// Recovery on a simulated disk, cut off within every call that changes something: whenever the end comes, the
// next open finishes what was begun, and no whole message is lost or served twice.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "libstore/format/mapped_file_name.h"
#include "tests/recovery/damaged_store.h"

namespace rmq::recovery {
namespace {

using engine::MessageStore;
using End = SimulatedFileSystem::End;

class ApplyCrash : public ::testing::TestWithParam<std::size_t> {};

TEST_P(ApplyCrash, AnyCallMayBeTheLast) {
  const Scene& scene = scenes()[GetParam()];
  for (const End end : {End::kill, End::power_loss}) {
    for (std::uint64_t call = 0; !HasFailure(); ++call) {
      SCOPED_TRACE(std::string(scene.name) + (end == End::kill ? ", killed" : ", power lost") + " in call " +
                   std::to_string(call));
      SimulatedFileSystem files(call + 1);
      const std::vector<Message> messages = fill(files);
      const std::vector<std::size_t> gone = scene.damage(files, messages);
      bool ended = false;
      if (call > 0) {  // 0: nothing happens
        files.end_at(call, end);
        auto store = MessageStore::open(files, options());
        if (store && !files.ended()) (void)(*store)->close();
        ended = files.ended();
        files.restart();
      }
      check(files, messages, gone);
      if (call > 0 && !ended) break;  // it came through
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Scenes, ApplyCrash, ::testing::Range<std::size_t>(0, 6));

TEST(Recovery, ASecondOpenHasNothingToDo) {
  for (const Scene& scene : scenes()) {
    SCOPED_TRACE(scene.name);
    SimulatedFileSystem files(7);
    const std::vector<Message> messages = fill(files);
    const auto gone = scene.damage(files, messages);
    for (const bool first : {true, false}) {
      auto store = MessageStore::open(files, options());
      ASSERT_TRUE(store) << store.error().message();
      EXPECT_EQ((*store)->report().plan.changes_nothing(), !first);
      EXPECT_EQ((*store)->report().plan.placeholders.size(), first ? gone.size() : 0);
      ASSERT_TRUE((*store)->close());
    }
  }
}

// The store is young: the checkpoint vouches for none of it, and a tail is all of it.
TEST(Recovery, TheTailIsMendedAlike) {
  for (const Scene& scene : scenes()) {
    SCOPED_TRACE(scene.name);
    SimulatedFileSystem files(7);
    const std::vector<Message> messages = fill(files);
    const auto gone = scene.damage(files, messages);
    engine::StoreOptions tail = options();
    tail.check = Depth::tail;
    auto store = MessageStore::open(files, tail);
    ASSERT_TRUE(store) << store.error().message();
    ASSERT_TRUE((*store)->close());
    check(files, messages, gone);
  }
}

// The index is gone, and nothing says that there was one; of a queue the last units are gone as well. What makes
// those again begins an index, and not in the middle of the log.
TEST(Recovery, AnIndexIsBegunWithTheWholeLog) {
  SimulatedFileSystem files(7);
  const std::vector<Message> messages = fill(files);
  files.remove_beneath("/store/index");
  ASSERT_TRUE(files.remove("/store/checkpoint"));
  ASSERT_TRUE(files.remove("/store/consumequeue/Orders/0/" +
                           format::mapped_file_name(3 * *options().config.consume_queue_file_size)));
  check(files, messages, {});
}

// One read fails, whichever: that open may be refused, but what could not be read is not taken for lost.
TEST(Recovery, AFailedReadLosesNothing) {
  for (std::uint64_t read = 1; !HasFailure(); read += 1 + read / 16) {
    SCOPED_TRACE("read " + std::to_string(read));
    SimulatedFileSystem files(read);
    const std::vector<Message> messages = fill(files);
    const std::uint64_t before = files.reads();
    files.fail_read(read, EIO);
    {
      auto store = MessageStore::open(files, options());
      if (store) (void)(*store)->close();
    }
    const bool came_through = files.reads() - before < read;
    files.restart();
    check(files, messages, {});
    if (came_through) break;
  }
}

// The log still has messages of a topic that was deleted: making other queues again does not bring it back.
TEST(Recovery, WhatWasDeletedStaysDead) {
  SimulatedFileSystem files(7);
  (void)fill(files);
  {
    auto store = MessageStore::open(files, options());
    ASSERT_TRUE(store);
    ASSERT_TRUE((*store)->delete_topics(std::vector<std::string>{"Orders"}));
    const std::array<std::byte, 4> address{};
    format::MessageView message;
    message.topic = "Payments";
    message.born_host = message.store_host = {address, 1};
    ASSERT_TRUE((*store)->put(message).ok());
    ASSERT_TRUE((*store)->close());
  }
  for (const bool lost : {false, true}) {
    if (lost) files.remove_beneath("/store/consumequeue/Payments");
    auto store = MessageStore::open(files, options());
    ASSERT_TRUE(store) << store.error().message();
    EXPECT_EQ((*store)->report().plan.changes_nothing(), !lost);
    EXPECT_EQ((*store)->max_offset("Payments", 0), 1);
    EXPECT_EQ((*store)->max_offset("Orders", 0).value_or(0), 0);
    const Plan& plan = (*store)->report().plan;
    EXPECT_EQ(plan.dispatch_from == plan.log_end, !lost);
    ASSERT_TRUE((*store)->close());
    EXPECT_FALSE(files.stat("/store/consumequeue/Orders/0"));
  }
}

}  // namespace
}  // namespace rmq::recovery
