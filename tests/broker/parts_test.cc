// The smaller parts of a broker: what is done again and again, what is counted, numbers as Java prints them.
#include <gmock/gmock.h>

#include "servers/broker/broker_stats.h"
#include "servers/broker/java_text.h"
#include "servers/broker/registration.h"
#include "servers/broker/request_fields.h"
#include "servers/broker/scheduler.h"
#include "servers/broker/topic_attributes.h"
#include "tests/broker/fake_connection.h"

namespace rmq::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using Milliseconds = Scheduler::Milliseconds;

TEST(Scheduler, RunsWhatIsDueInOrder) {
  TestClock clock;
  Scheduler scheduler(clock);
  std::string done;
  scheduler.every(Milliseconds(10), Milliseconds(20), [&] { done += 'a'; });
  scheduler.once(Milliseconds(5), [&] { done += 'b'; });
  EXPECT_FALSE(scheduler.run_due());
  clock.now += 10;
  EXPECT_TRUE(scheduler.run_due());
  EXPECT_EQ(done, "ba");
  clock.now += 19;
  EXPECT_FALSE(scheduler.run_due());
  clock.now += 1;
  EXPECT_TRUE(scheduler.run_due());
  EXPECT_EQ(done, "baa");
  scheduler.stop();
  clock.now += 1000;
  EXPECT_FALSE(scheduler.run_due());
}

TEST(Scheduler, ATaskMayAddTasks) {
  TestClock clock;
  Scheduler scheduler(clock);
  int ran = 0;
  scheduler.once(Milliseconds(0), [&] { scheduler.once(Milliseconds(0), [&] { ++ran; }); });
  EXPECT_TRUE(scheduler.run_due());
  EXPECT_EQ(ran, 1);
}

TEST(Stats, WindowsLieBetweenTheirPoints) {
  BrokerStats stats;
  using enum StatsName;
  EXPECT_FALSE(stats.view(topic_put_nums, "T"));
  stats.add(topic_put_nums, "T", 30, 3);
  stats.sample_seconds(100'000);
  const auto first = stats.view(topic_put_nums, "T");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->minute.sum, 30);
  EXPECT_DOUBLE_EQ(first->minute.tps, 3.0);  // as if it had begun ten seconds before
  EXPECT_DOUBLE_EQ(first->minute.avgpt, 10.0);
  EXPECT_EQ(first->hour.sum, 0);
  for (int i = 1; i <= 6; ++i) stats.sample_seconds(100'000 + i * 10'000);
  EXPECT_EQ(stats.view(topic_put_nums, "T")->minute.sum, 0);  // the minute has gone by
  EXPECT_EQ(stats.total(topic_put_nums, "T"), 30);
  stats.sample_minutes(100'000);
  EXPECT_EQ(stats.view(topic_put_nums, "T")->hour.sum, 30);
}

TEST(Stats, GoWithTopicsAndGroups) {
  BrokerStats stats;
  using enum StatsName;
  stats.add(topic_put_nums, "T", 1);
  stats.add(group_get_nums, "T@G", 1);
  stats.add(group_get_nums, "U@G", 2);
  stats.add(group_get_latency, "0@T@G", 1);
  stats.forget_topic("T");
  EXPECT_THAT(stats.totals(group_get_nums), ElementsAre(Pair("U@G", 2)));
  EXPECT_TRUE(stats.totals(topic_put_nums).empty());
  EXPECT_TRUE(stats.totals(group_get_latency).empty());
  stats.forget_group("G");
  EXPECT_TRUE(stats.totals(group_get_nums).empty());
  EXPECT_EQ(stats_name("TOPIC_PUT_SIZE"), topic_put_size);
  EXPECT_FALSE(stats_name("NO_SUCH"));
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
    EXPECT_EQ(stats_name(to_string(static_cast<StatsName>(i))), static_cast<StatsName>(i));
}

TEST(JavaText, PrintsNumbersAsJavaDoes) {
  EXPECT_EQ(java_double(0), "0.0");
  EXPECT_EQ(java_double(12.5), "12.5");
  EXPECT_EQ(java_double(123456.0), "123456.0");
  EXPECT_EQ(java_double(1e7), "1.0E7");
  EXPECT_EQ(java_double(1.25e-5), "1.25E-5");
  EXPECT_EQ(java_double(-0.5), "-0.5");
  EXPECT_EQ(readable_bytes(512), "512 B");
  EXPECT_EQ(readable_bytes(1536), "1.5 KiB");
  EXPECT_EQ(readable_bytes(std::int64_t{3} << 30), "3.0 GiB");
}

TEST(NameServers, AddressesAreParts) {
  EXPECT_THAT(name_servers("a:1; b:2;;"), ElementsAre("a:1", "b:2"));
  EXPECT_EQ(address_problem("127.0.0.1:9876"), "");
  EXPECT_NE(address_problem("127.0.0.1"), "");
  EXPECT_NE(address_problem("127.0.0.1:x"), "");
  EXPECT_NE(address_problem(":9876"), "");
}

TEST(RequestFields, SayWhatIsMissing) {
  const std::array<wire::Request::Field, 3> given{{{"topic", "T"}, {"queueId", "x"}, {"order", "TRUE"}}};
  wire::Request request;
  request.fields = given;
  RequestFields fields(request);
  EXPECT_EQ(fields.text("topic"), "T");
  EXPECT_TRUE(fields.flag("order"));
  EXPECT_EQ(fields.int32("perm", 6), 6);
  EXPECT_FALSE(fields.failed());
  EXPECT_EQ(fields.int64("offset"), 0);
  EXPECT_EQ(fields.int32("queueId"), 0);
  ASSERT_TRUE(fields.failed());
  EXPECT_EQ(fields.failure().code, 1);
  EXPECT_EQ(fields.failure().remark, "the custom field <offset> is null");
}

TEST(Attributes, AreParsedAsAttributeParserDoes) {
  const auto parsed = parse_attribute_changes("+message.type=FIFO,-queue.type");
  ASSERT_TRUE(parsed);
  EXPECT_THAT(*parsed, ElementsAre(Pair("+message.type", "FIFO"), Pair("-queue.type", "")));
  const auto problem = [](std::string_view text) {
    const auto result = parse_attribute_changes(text);
    return result ? "(taken)" : result.error().message();
  };
  EXPECT_EQ(problem("message.type=FIFO"), "add/alter attribute format is wrong: message.type");
  EXPECT_EQ(problem("message.type"), "delete attribute format is wrong: message.type");
  EXPECT_EQ(problem("+a=1,+a=2"), "key duplication: +a");
}

}  // namespace
}  // namespace rmq::broker
