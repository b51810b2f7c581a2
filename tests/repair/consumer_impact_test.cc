// What groups will see, from plans that are written down here and from a store whose log is damaged.
#include "libstore/repair/consumer_impact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libstore/scan/commit_log_walker.h"
#include "tests/repair/config_fixture.h"

namespace rmq::repair {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

recovery::Plan plan_of(std::vector<recovery::QueueOutcome> queues) {
  recovery::Plan plan;
  plan.queues = std::move(queues);
  return plan;
}

recovery::QueueOutcome queue(const std::string& topic, std::int32_t id, std::int64_t min, std::int64_t max) {
  return {topic, id, min, max, max - min, 0, 0, max};
}

ConfigMend offsets(std::vector<format::ConsumerOffset> before, std::vector<format::ConsumerOffset> after) {
  ConfigMend mend;
  mend.offsets_before = std::move(before);
  mend.offsets_after = std::move(after);
  return mend;
}

void add_lost(recovery::Plan& plan, const std::string& topic, std::int32_t id, std::int64_t from,
              std::int64_t to) {
  for (std::int64_t offset = from; offset < to; ++offset) plan.placeholders.push_back({topic, id, offset, 0});
}

TEST(ConsumerImpact, NothingChangesForNobody) {
  const auto same = std::vector<format::ConsumerOffset>{{"T", "g", 0, 7}};
  EXPECT_THAT(consumer_impact(plan_of({queue("T", 0, 0, 10), queue("U", 0, 0, 5)}), offsets(same, same)),
              IsEmpty());
}

TEST(ConsumerImpact, LostMessagesCountForGroupsThatHadNotReadThem) {
  recovery::Plan plan = plan_of({queue("T", 0, 0, 10)});
  add_lost(plan, "T", 0, 4, 7);
  const auto at =
      std::vector<format::ConsumerOffset>{{"T", "behind", 0, 2}, {"T", "among", 0, 5}, {"T", "ahead", 0, 7}};
  const auto rows = consumer_impact(plan, offsets(at, at));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].group, "among");
  EXPECT_EQ(rows[0].skipped, 2);
  EXPECT_EQ(rows[1].group, "behind");
  EXPECT_EQ(rows[1].skipped, 3);
  EXPECT_EQ(rows[1].again, 0);
  EXPECT_EQ(rows[1].offset_before, 2);
}

TEST(ConsumerImpact, AnOffsetThatGoesBack) {
  recovery::Plan plan = plan_of({queue("T", 0, 3, 20)});
  add_lost(plan, "T", 0, 8, 10);
  const auto rows = consumer_impact(plan, offsets({{"T", "g", 0, 12}}, {{"T", "g", 0, 1}}));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].again, 7);    // 3 to 12, without the two that are lost
  EXPECT_EQ(rows[0].skipped, 0);  // it had had those that are lost
}

TEST(ConsumerImpact, ALostEnd) {
  recovery::QueueOutcome cut = queue("T", 0, 0, 10);
  cut.was_max = 15;
  const auto rows = consumer_impact(plan_of({cut}),
                                    offsets({{"T", "all", 0, 15}, {"T", "some", 0, 12}, {"T", "few", 0, 4}},
                                            {{"T", "all", 0, 10}, {"T", "some", 0, 10}, {"T", "few", 0, 4}}));
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].group, "all");
  EXPECT_EQ(rows[0].skipped, 0);
  EXPECT_EQ(rows[0].again, 0);
  EXPECT_THAT(rows[0].text, HasSubstr("beyond the queue's end"));
  EXPECT_EQ(rows[1].group, "few");
  EXPECT_EQ(rows[1].skipped, 5);
  EXPECT_EQ(rows[2].group, "some");
  EXPECT_EQ(rows[2].skipped, 3);
}

TEST(ConsumerImpact, MessagesThatAreFound) {
  recovery::QueueOutcome behind = queue("T", 0, 0, 30);
  behind.found = 10;  // the queue lagged behind the log
  behind.was_max = 20;
  recovery::QueueOutcome whole = queue("T", 1, 0, 8);
  whole.found = 8;  // the queue was missing
  whole.was_max = 0;
  const auto at = std::vector<format::ConsumerOffset>{{"T", "g", 0, 20}, {"T", "late", 0, 25}};
  const auto rows = consumer_impact(plan_of({behind, whole}), offsets(at, at));
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].found_back, 10);
  EXPECT_EQ(rows[1].queue_id, 1);
  EXPECT_EQ(rows[1].offset_after, -1);
  EXPECT_EQ(rows[1].found_back, 8);
  EXPECT_EQ(rows[2].group, "late");
  EXPECT_EQ(rows[2].found_back, 5);
}

TEST(ConsumerImpact, OffsetsThatAreLost) {
  ConfigMend mend;
  mend.offsets_lost = true;
  mend.delays_lost = true;
  mend.groups = {"g", "CID_ONSAPI_OWNER"};
  const auto rows = consumer_impact(
      plan_of({queue("%RETRY%g", 0, 0, 3), queue("SCHEDULE_TOPIC_XXXX", 2, 0, 4), queue("T", 0, 0, 9)}),
      mend);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].group, "SCHEDULE_CONSUMER");
  EXPECT_EQ(rows[0].again, 4);
  EXPECT_THAT(rows[0].text, HasSubstr("level 3"));
  EXPECT_EQ(rows[1].group, "g");
  EXPECT_EQ(rows[1].topic, "");
  EXPECT_THAT(rows[1].text, HasSubstr("consumeFromWhere"));
  EXPECT_EQ(rows[2].topic, "%RETRY%g");
  EXPECT_EQ(rows[2].again, 3);
  json::JsonLine line;
  write_consumer_impact(line, {rows[2]});
  EXPECT_THAT(
      std::string(line.text()),
      HasSubstr(
          "{\"group\":\"g\",\"topic\":\"%RETRY%g\",\"queueId\":0,\"offsetBefore\":-1,\"offsetAfter\":-1,"
          "\"again\":3,\"skipped\":0,\"foundBack\":0,\"text\":\""));
}

TEST(ConsumerImpact, ATopicThatWasNotListed) {
  const auto at = std::vector<format::ConsumerOffset>{{"T", "g", 0, 4}};
  ConfigMend mend = offsets(at, at);
  mend.topics_found = {"T"};
  const auto rows = consumer_impact(plan_of({queue("T", 0, 0, 10)}), mend);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].found_back, 6);
}

// Records of a broker's log are overwritten with zeros: groups that had not read them are told of them.
TEST(ConsumerImpact, ADamagedLogOfABroker) {
  BrokerStore store("broker-config");
  const auto survey = store.survey();
  const scan::MappedFile& log = survey.commit_log.files.front();
  std::vector<std::pair<std::int64_t, std::int64_t>> places;  // of FilterTopic/0, by queue offset
  {
    const auto file = store.files.open(log.path);
    scan::CommitLogWalker::Options options;
    options.records_start = log.start;
    options.file_size = survey.commit_log.file_size;
    scan::CommitLogWalker walker(**file, options);
    while (const scan::LogItem* item = walker.next())
      if (item->kind == scan::LogItemKind::record && item->message.topic == "FilterTopic" &&
          item->message.queue_id == 0)
        places.emplace_back(item->position, item->length);
  }
  ASSERT_GT(places.size(), 12U);
  auto& bytes = store.files.files.at(log.path).bytes;
  for (const std::size_t lost : {5U, 11U})
    std::fill_n(bytes.begin() + places[lost].first, places[lost].second, std::byte{0});
  store.set("consumerOffset.json",
            "{\"offsetTable\":{\"FilterTopic@cg_sql\":{0:6,1:30},\"FilterTopic@cg_tag\":{0:30,1:3}}}");
  const recovery::Plan plan = store.plan();
  ASSERT_EQ(plan.placeholders.size(), 2U);
  const auto rows = consumer_impact(plan, store.mend(plan));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].group, "cg_sql");
  EXPECT_EQ(rows[0].queue_id, 0);
  EXPECT_EQ(rows[0].skipped, 1);
}

}  // namespace
}  // namespace rmq::repair
