#include "libstore/rocks/queue_files.h"

#include <gtest/gtest.h>

#include "libstore/format/consume_queue_entry.h"
#include "tests/rocks/rocks_testing.h"

namespace rmq::rocks {
namespace {

class QueueFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    load_golden(files_, "queues", "/store/consumequeue");
    survey_.root = "/store";
    survey_.consume_queue_is_rocksdb = true;
  }

  testing::MemoryFileSystem files_;
  scan::StoreSurvey survey_;
};

TEST_F(QueueFilesTest, QueuesAreShownAsFiles) {
  const QueueFiles shown(files_, survey_);
  EXPECT_TRUE(shown.faults().empty());
  EXPECT_EQ(shown.strange_entries(), 0);
  ASSERT_FALSE(shown.queues().empty());
  ASSERT_EQ(shown.survey().queues.size(), shown.queues().size());
  std::int64_t units = 0;
  for (std::size_t i = 0; i < shown.queues().size(); ++i) {
    const RocksQueue& queue = shown.queues()[i];
    const scan::Queue& listed = shown.survey().queues[i];
    EXPECT_EQ(listed.topic, queue.topic);
    EXPECT_EQ(queue.said_last, queue.last);
    ASSERT_EQ(listed.files.files.size(), 1U);
    const auto file = shown.open(listed.files.files.front().path);
    ASSERT_TRUE(file);
    std::vector<std::byte> bytes(static_cast<std::size_t>((*file)->size()));
    ASSERT_EQ(*(*file)->read_at(0, bytes), bytes.size());
    shown.visit_units(queue, [&](std::int64_t offset, const format::RocksQueueValue& value) {
      const auto unit = format::ConsumeQueueEntry::load(bytes.data() + offset * 20);
      EXPECT_EQ(unit, (format::ConsumeQueueEntry{value.commit_log_offset, value.size, value.tags_code}));
      ++units;
      return true;
    });
    EXPECT_EQ((*file)->next_data((queue.last + 1) * 20), (*file)->size());
  }
  EXPECT_EQ(units, 150);
}

// Whatever part of a file is asked for, it is that part.
TEST_F(QueueFilesTest, AnyPartOfAFileIsThatPart) {
  const QueueFiles shown(files_, survey_);
  const auto file = shown.open(shown.survey().queues.front().files.files.front().path);
  ASSERT_TRUE(file);
  std::vector<std::byte> whole(static_cast<std::size_t>((*file)->size()));
  ASSERT_EQ(*(*file)->read_at(0, whole), whole.size());
  for (const std::size_t length : {std::size_t{1}, std::size_t{19}, std::size_t{20}, std::size_t{33}}) {
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::vector<std::byte> part(length);
      const auto got = (*file)->read_at(static_cast<std::int64_t>(at), part);
      ASSERT_TRUE(got);
      ASSERT_EQ(*got, std::min(length, whole.size() - at));
      ASSERT_TRUE(std::equal(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(*got),
                             whole.begin() + static_cast<std::ptrdiff_t>(at)));
    }
  }
  std::vector<std::byte> part(8);
  EXPECT_EQ(*(*file)->read_at((*file)->size(), part), 0U);
  EXPECT_EQ(*(*file)->read_at(-1, part), 0U);
}

TEST_F(QueueFilesTest, OtherFilesAreThemselves) {
  const QueueFiles shown(files_, survey_);
  EXPECT_TRUE(shown.open("/store/consumequeue/CURRENT"));
  EXPECT_FALSE(shown.open("/store/consumequeue/nothing"));
  EXPECT_TRUE(shown.list("/store/consumequeue"));
}

TEST_F(QueueFilesTest, QueuesThatLieInFilesTooAreNotShownTwice) {
  scan::Queue queue;
  queue.topic = "RdbA";
  queue.queue_id = 0;
  survey_.queues.push_back(queue);
  const QueueFiles shown(files_, survey_);
  EXPECT_EQ(shown.survey().queues.size(), shown.queues().size());
  EXPECT_TRUE(shown.queues().front().has_files);
}

TEST_F(QueueFilesTest, ADatabaseThatCannotBeOpenedIsAFault) {
  files_.files.erase("/store/consumequeue/000011.sst");
  const QueueFiles shown(files_, survey_);
  EXPECT_EQ(shown.faults().size(), 1U);
  EXPECT_TRUE(shown.survey().queues.empty());
  EXPECT_EQ(shown.database(), nullptr);
}

TEST_F(QueueFilesTest, StoresWithoutRocksDbStayAsTheyAre) {
  survey_.consume_queue_is_rocksdb = false;
  const QueueFiles shown(files_, survey_);
  EXPECT_TRUE(shown.survey().queues.empty());
  EXPECT_TRUE(shown.faults().empty());
}

}  // namespace
}  // namespace rmq::rocks
