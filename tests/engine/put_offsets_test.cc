// Queue offsets that a put gives beside the plain one: multi-dispatch, inner batches; and what is refused.
#include <gmock/gmock.h>

#include "libstore/format/message_properties.h"
#include "tests/engine/simulated_store.h"

namespace rmq::engine {
namespace {

class PutOffsetsTest : public testing::SimulatedStoreTest {
 protected:
  PutOffsetsTest() {
    options_.config.keys["enableMultiDispatch"] = "true";
    options_.config.keys["enableLmq"] = "true";
    options_.kind_of = [](std::string_view topic) {
      return topic == "Batches" ? scan::QueueKind::batch : scan::QueueKind::simple;
    };
  }
  PutResult dispatch_to(std::string_view names, std::string_view topic = "Orders",
                        std::string_view more = {}) {
    return put(topic, "k", 3, 50, 0,
               "INNER_MULTI_DISPATCH\1" + std::string(names) + "\2" + std::string(more));
  }
  PutResult inner_batch(std::string_view number, std::string_view topic = "Batches") {
    return put(topic, "k", 0, 50, format::kSysFlagInnerBatch, "INNER_NUM\1" + std::string(number) + "\2");
  }
  std::string property(const PutResult& put, std::string_view name) {
    const auto record = store_->look_up(put.log_offset);
    const auto message = format::MessageView::parse(*record);
    EXPECT_TRUE(message);
    return std::string(format::find_property(message->properties, name).value_or("(none)"));
  }
};

// LmqDispatch: every LMQ queue has offsets of its own.
TEST_F(PutOffsetsTest, AMultiDispatchIsInAllItsQueues) {
  open();
  EXPECT_EQ(property(dispatch_to("%LMQ%a,%LMQ%b", "Orders", "WAIT\1false\2"), "INNER_MULTI_QUEUE_OFFSET"),
            "0,0");
  const PutResult second = dispatch_to("%LMQ%b", "Payments",
                                       "INNER_MULTI_QUEUE_OFFSET\1"
                                       "77\2WAIT\1false\2KEYS\1x\2");
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(property(second, "INNER_MULTI_QUEUE_OFFSET"), "1");
  EXPECT_EQ(property(second, "WAIT"), "(none)");
  EXPECT_EQ(property(second, "KEYS"), "x");
  EXPECT_EQ(property(dispatch_to("%LMQ%b,%LMQ%a,%LMQ%b"), "INNER_MULTI_QUEUE_OFFSET"), "2,1,2");
  kill();
  EXPECT_EQ(property(dispatch_to("%LMQ%a,%LMQ%b,%LMQ%c"), "INNER_MULTI_QUEUE_OFFSET"), "2,3,0");
  EXPECT_EQ(store_->max_offset("%LMQ%a", 0), 3);
  EXPECT_EQ(store_->max_offset("%LMQ%b", 0), 4);
  EXPECT_EQ(store_->max_offset("%LMQ%c", 0), 1);
  const auto got = store_->get("%LMQ%b", 0, 1);
  ASSERT_EQ(got->messages.size(), 3U);
  EXPECT_EQ(format::MessageView::parse(std::span(got->bytes).first(got->messages[0].size))->topic,
            "Payments");
  EXPECT_EQ(store_->statistics().undispatched, 0);
  EXPECT_TRUE(exists("/store/consumequeue") && store_->flush());
  EXPECT_TRUE(exists("/store/consumequeue/%LMQ%c/0"));
}

TEST_F(PutOffsetsTest, WhereMultiDispatchDoesNotApply) {
  open();
  EXPECT_EQ(property(dispatch_to("%LMQ%a", "%RETRY%group"), "INNER_MULTI_QUEUE_OFFSET"), "(none)");
  EXPECT_EQ(property(dispatch_to("%LMQ%a", "rmq_sys_wheel_timer"), "INNER_MULTI_QUEUE_OFFSET"), "(none)");
  EXPECT_EQ(property(dispatch_to("  "), "INNER_MULTI_QUEUE_OFFSET"), "(none)");
  EXPECT_EQ(property(dispatch_to("plain,names"), "INNER_MULTI_QUEUE_OFFSET"),
            ",");  // as stock, which makes nothing of it
  EXPECT_EQ(dispatch_to("%LMQ%a,plain").status, PutStatus::message_illegal);
  EXPECT_EQ(dispatch_to("%LMQ%a,%LMQ%b/c").status, PutStatus::message_illegal);
  EXPECT_EQ(store_->max_offset("%LMQ%a", 0), std::nullopt);
  options_.config.keys.erase("enableMultiDispatch");
  open();
  EXPECT_EQ(property(dispatch_to("%LMQ%a"), "INNER_MULTI_QUEUE_OFFSET"), "(none)");
  expect_clean();
}

TEST_F(PutOffsetsTest, LmqQueuesAreLimited) {
  options_.config.keys["maxLmqConsumeQueueNum"] = "3";
  open();
  EXPECT_TRUE(dispatch_to("%LMQ%a,%LMQ%b").ok());
  EXPECT_EQ(dispatch_to("%LMQ%c,%LMQ%d").status, PutStatus::lmq_consume_queue_num_exceeded);
  EXPECT_EQ(dispatch_to("%LMQ%c,%LMQ%d").status, PutStatus::lmq_consume_queue_num_exceeded);
  EXPECT_TRUE(dispatch_to("%LMQ%a,%LMQ%b,%LMQ%c").ok());
  kill();
  EXPECT_TRUE(dispatch_to("%LMQ%c").ok());
  EXPECT_EQ(dispatch_to("%LMQ%d").status, PutStatus::lmq_consume_queue_num_exceeded);
  EXPECT_EQ(store_->max_offset("Orders", 3), 3);
  EXPECT_EQ(store_->delete_topics(std::vector<std::string>{"%LMQ%a"}).value(), 1);
  EXPECT_TRUE(dispatch_to("%LMQ%d").ok());
  EXPECT_EQ(dispatch_to("%LMQ%a").status, PutStatus::lmq_consume_queue_num_exceeded);
}

TEST_F(PutOffsetsTest, AnInnerBatchTakesAsManyOffsetsAsItHasMessages) {
  for (int round = 0; round < 2; ++round) {
    open();
    const std::int64_t base = 9 * round;
    const PutResult first = inner_batch("3");
    EXPECT_EQ(first.queue_offset, base);
    EXPECT_EQ(property(first, "INNER_BASE"), std::to_string(base));
    const PutResult second = inner_batch("5");
    EXPECT_EQ(second.queue_offset, base + 3);
    EXPECT_EQ(property(second, "INNER_BASE"), std::to_string(base + 3));
    EXPECT_EQ(put("Batches", "single").queue_offset, base + 8);
    EXPECT_EQ(store_->max_offset("Batches", 0), base + 9);
    GetOptions one;
    one.max_messages = 1;
    const auto got = store_->get("Batches", 0, base + 5, one);
    ASSERT_EQ(got->messages.size(), 1U);
    EXPECT_EQ(got->messages[0].queue_offset, base + 3);
    EXPECT_EQ(got->next_begin_offset, base + 8);
    EXPECT_EQ(store_->statistics().undispatched, 0);
    ASSERT_TRUE(store_->flush());
    EXPECT_TRUE(exists("/store/batchconsumequeue/Batches/0"));
    ASSERT_TRUE(round == 1 || store_->close());
  }
  expect_clean();
}

TEST_F(PutOffsetsTest, WhatNoQueueCouldHoldIsRefused) {
  open();
  EXPECT_EQ(inner_batch("3", "Orders").status, PutStatus::message_illegal);  // its queue is simple
  for (const char* number : {"0", "-1", "40000", "three"})
    EXPECT_EQ(inner_batch(number).status, PutStatus::message_illegal) << number;
  EXPECT_EQ(put("Orders", "k", 0, 10, 0,
                "INNER_NUM\1"
                "3\2")
                .status,
            PutStatus::message_illegal);
  EXPECT_EQ(put("Orders", "k", -1).status, PutStatus::message_illegal);
  for (const std::string& topic :
       {std::string("a/b"), std::string(".."), std::string("a\0b", 3), std::string(256, 'x')})
    EXPECT_EQ(put(topic, "k").status, PutStatus::message_illegal) << topic;
  EXPECT_TRUE(put(std::string(255, 'x'), "k").ok());
  EXPECT_EQ(store_->statistics().undispatched, 0);
  expect_clean();
}

TEST(PutProperties, SetAndRemove) {
  std::string text =
      "A\1"
      "1\2B\1"
      "2\2A\1"
      "3";
  set_property(text, "B", "x");
  EXPECT_EQ(text,
            "A\1"
            "1\2A\1"
            "3\2B\1x\2");
  remove_property(text, "A");
  EXPECT_EQ(text, "B\1x\2");
  text =
      "AB\1"
      "1\2A";
  remove_property(text, "A");
  EXPECT_EQ(text,
            "AB\1"
            "1\2A");
  text.clear();
  set_property(text, "A", "");
  EXPECT_EQ(text, "A\1\2");
}

}  // namespace
}  // namespace rmq::engine
