#include "libstore/derive/dispatch_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libstore/format/message_properties.h"

namespace rmq::derive {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Record {
  explicit Record(const std::string& topic,
                  const std::vector<std::pair<std::string, std::string>>& properties) {
    format::MessageRecord record;
    record.topic = topic;
    record.queue_id = 3;
    record.queue_offset = 41;
    record.store_timestamp = 5000;
    record.properties = format::encode_properties(properties);
    bytes = *format::encode(record);
    view = *format::MessageView::parse(bytes);
  }
  std::vector<std::byte> bytes;
  format::MessageView view;
};

std::vector<std::string> further(const std::string& topic, const std::string& names,
                                 const std::string& offsets, bool lmq = true) {
  const Record record(topic, {{"INNER_MULTI_DISPATCH", names}, {"INNER_MULTI_QUEUE_OFFSET", offsets}});
  DispatchRules rules;
  rules.multi_dispatch = true;
  rules.lmq = lmq;
  const auto request = dispatch_request(record.view, 0, rules);
  std::vector<std::string> found;
  MultiQueueReader reader(*request);
  while (const auto queue = reader.next())
    found.push_back(std::string(queue->name) + "/" + std::to_string(queue->queue_id) + "@" +
                    std::to_string(queue->queue_offset));
  return found;
}

TEST(DispatchRequest, SaysWhatTheRecordSays) {
  const Record record("T", {{"TAGS", "a"}, {"KEYS", "k1 k2"}, {"UNIQ_KEY", "u"}});
  const auto request = dispatch_request(record.view, 777, {});
  ASSERT_TRUE(request);
  EXPECT_EQ(request->topic, "T");
  EXPECT_EQ(request->queue_id, 3);
  EXPECT_EQ(request->queue_offset, 41);
  EXPECT_EQ(request->log_offset, 777);
  EXPECT_EQ(request->size, record.view.total_size);
  EXPECT_EQ(request->tags_code, 97);
  EXPECT_EQ(request->store_timestamp, 5000);
  EXPECT_EQ(request->keys, "k1 k2");
  EXPECT_EQ(request->uniq_key, "u");
  EXPECT_EQ(request->base_offset, 41);
  EXPECT_EQ(request->batch_size, 1);
  EXPECT_THAT(request->multi_queues, IsEmpty());
}

TEST(DispatchRequest, ABatchNeedsItsNumberAndItsBase) {
  const auto batch = dispatch_request(Record("T", {{"INNER_NUM", "+7"}, {"INNER_BASE", "40"}}).view, 0, {});
  EXPECT_EQ(batch->base_offset, 40);
  EXPECT_EQ(batch->batch_size, 7);
  const auto only_number = dispatch_request(Record("T", {{"INNER_NUM", "x"}}).view, 0, {});
  EXPECT_EQ(only_number->base_offset, 41);
  EXPECT_EQ(only_number->batch_size, 1);
}

TEST(DispatchRequest, FailsWhereStockThrows) {
  for (const auto& properties : std::vector<std::vector<std::pair<std::string, std::string>>>{
           {{"INNER_NUM", "x"}, {"INNER_BASE", "1"}},
           {{"INNER_NUM", "32768"}, {"INNER_BASE", "1"}},
           {{"INNER_NUM", "1"}, {"INNER_BASE", "9223372036854775808"}},
           {{"INNER_NUM", "1"}, {"INNER_BASE", "+-1"}}}) {
    const auto request = dispatch_request(Record("T", properties).view, 0, {});
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().fault, DecodeFault::bad_field);
  }
  EXPECT_FALSE(dispatch_request(Record("SCHEDULE_TOPIC_XXXX", {{"DELAY", "soon"}}).view, 0, {}));
}

TEST(DispatchRequest, MultiDispatchIsOffByDefault) {
  const Record record("T", {{"INNER_MULTI_DISPATCH", "a"}, {"INNER_MULTI_QUEUE_OFFSET", "1"}});
  EXPECT_THAT(dispatch_request(record.view, 0, {})->multi_queues, IsEmpty());
}

TEST(MultiQueueReader, PairsNamesWithOffsets) {
  EXPECT_THAT(further("T", "%LMQ%a,b", "5,6"), ElementsAre("%LMQ%a/0@5", "b/3@6"));
  EXPECT_THAT(further("T", "%LMQ%a", "5", false), ElementsAre("%LMQ%a/3@5"));
  EXPECT_THAT(further("T", "a,b,,", "5,6"), ElementsAre("a/3@5", "b/3@6"));  // String.split drops empty ends
  EXPECT_THAT(further("T", ",b", ",6"), ElementsAre("b/3@6"));
}

TEST(MultiQueueReader, ListsOfDifferentLengthMeanNothing) {
  EXPECT_THAT(further("T", "a,b", "5"), IsEmpty());
  EXPECT_THAT(further("T", "a,b", "5,,"), IsEmpty());
  EXPECT_THAT(further("T", ",,", "5"), IsEmpty());
  EXPECT_THAT(further("T", "  ", "5"), IsEmpty());
}

TEST(MultiQueueReader, LeavesOutWhatCannotBe) {
  EXPECT_THAT(further("T", "a/b,c,d", "1,2,x"), ElementsAre("c/3@2"));
}

TEST(MultiQueueReader, SomeTopicsTakeNoPart) {
  for (const char* topic : {"%RETRY%g", "rmq_sys_x", "SCHEDULE_TOPIC_XXXX"})
    EXPECT_THAT(further(topic, "a", "1"), IsEmpty()) << topic;
  EXPECT_THAT(further("SCHEDULE_TOPIC_XXXX2", "a", "1"), ElementsAre("a/3@1"));
}

}  // namespace
}  // namespace rmq::derive
