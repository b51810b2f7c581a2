// rmq-verify --compare over pairs of stores that differ in one thing.
#include "libstore/forensics/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/recovery/bridge.h"
#include "libstore/scan/store_survey.h"
#include "tests/forensics/busy_store.h"

namespace rmq::forensics {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Compare : public ::testing::Test {
 protected:
  Compare() {
    store_.put_many(400);
    copy_ = store_.root() + "-copy";
    std::filesystem::copy(store_.root(), copy_, std::filesystem::copy_options::recursive);
  }

  CompareSummary compare(std::size_t jobs = 2) {
    scan::StoreConfig first;
    first.root = store_.root();
    scan::StoreConfig second;
    second.root = copy_;
    const auto& files = io::posix_read_file_system();
    const auto a = scan::survey_store(files, first);
    const auto b = scan::survey_store(files, second);
    EXPECT_TRUE(a && b);
    differences_.clear();
    kinds_.clear();
    CompareOptions options;
    options.jobs = jobs;
    return run_compare({files, *a}, {files, *b}, options, [&](const Difference& difference) {
      differences_.push_back(difference);
      kinds_.emplace_back(to_string(difference.kind));
    });
  }

  [[nodiscard]] std::string copied(const std::string& path) const {
    return copy_ + path.substr(store_.root().size());
  }
  // A byte of the copy's log.
  void change(std::int64_t offset) {
    store_.damage(copied(store_.log_file(offset)), offset % BusyStore::kLogFileSize);
  }
  [[nodiscard]] std::int64_t offset(std::size_t number) const { return store_.offsets()[number]; }

  BusyStore store_;
  std::string copy_;
  std::vector<Difference> differences_;
  std::vector<std::string> kinds_;
};

TEST_F(Compare, CopiesAreEqual) {
  const CompareSummary summary = compare();
  EXPECT_THAT(kinds_, IsEmpty());
  EXPECT_TRUE(summary.equal);
  EXPECT_EQ(summary.first_divergence, -1);
  EXPECT_EQ(summary.bytes_compared, store_.end());
  EXPECT_EQ(summary.bytes_expected, store_.end());
  EXPECT_EQ(summary.units_compared, 400);
}

TEST_F(Compare, OneByteOfABodyIsNamedExactly) {
  const std::int64_t byte = offset(123) + 90;
  change(byte);
  const CompareSummary summary = compare();
  EXPECT_THAT(kinds_, ElementsAre("record", "range"));
  EXPECT_EQ(summary.first_divergence, byte);
  EXPECT_EQ(summary.records, 1);
  EXPECT_FALSE(summary.equal);
  const Difference& record = differences_[0];
  EXPECT_EQ(record.from, offset(123));
  EXPECT_EQ(record.to, offset(124));
  EXPECT_EQ(record.first_byte, byte);
  EXPECT_EQ(record.topic, "Topic");
  EXPECT_EQ(record.queue_id, 1);
  EXPECT_EQ(record.queue_offset, 61);
  EXPECT_EQ(record.uniq_key, "u123");
  EXPECT_EQ(record.message_id.size(), 32U);
  EXPECT_THAT(record.message, HasSubstr("in the body"));
  EXPECT_EQ(differences_[1].from, offset(123));
  EXPECT_EQ(differences_[1].to, offset(124));
  EXPECT_EQ(differences_[1].messages, 1);
}

TEST_F(Compare, EveryByteOfARecordIsFoundWhereItIs) {
  for (std::int64_t byte = offset(200); byte < offset(201); ++byte) {
    change(byte);
    const CompareSummary summary = compare(1);
    EXPECT_EQ(summary.first_divergence, byte) << "byte " << byte - offset(200);
    EXPECT_EQ(summary.ranges, 1) << "byte " << byte - offset(200);
    EXPECT_EQ(summary.records + summary.damaged_second, 1) << "byte " << byte - offset(200);
    EXPECT_EQ(differences_.front().from, offset(200));
    EXPECT_EQ(differences_.front().uniq_key, "u200");
    change(byte);
  }
  EXPECT_TRUE(compare().equal);
}

TEST_F(Compare, TheLastRecordTooAndABrokenHeaderIsDamageAndNoShorterLog) {
  const std::int64_t byte = offset(399) + 4;
  change(byte);
  const CompareSummary summary = compare();
  EXPECT_THAT(kinds_, ElementsAre("damagedSecond", "range"));
  EXPECT_EQ(summary.first_divergence, byte);
  EXPECT_EQ(summary.first.end, summary.second.end);
}

TEST_F(Compare, SeveralPlacesAreSeveralRanges) {
  for (const std::size_t number : {7U, 8U, 90U, 391U}) change(offset(number) + 90);
  const CompareSummary summary = compare();
  EXPECT_THAT(kinds_, ElementsAre("record", "record", "range", "record", "range", "record", "range"));
  EXPECT_EQ(summary.first_divergence, offset(7) + 90);
  EXPECT_EQ(summary.records, 4);
  EXPECT_EQ(summary.ranges, 3);
}

TEST_F(Compare, ASlaveThatIsBehindDiffersAtItsEndOnly) {
  store_.put_many(5);
  const CompareSummary summary = compare();
  EXPECT_THAT(kinds_, ElementsAre("end"));
  EXPECT_EQ(differences_[0].from, summary.second.end);
  EXPECT_EQ(differences_[0].to, store_.end());
  EXPECT_EQ(differences_[0].messages, 5);
  EXPECT_THAT(differences_[0].message, HasSubstr("second store's log ends"));
  EXPECT_EQ(summary.first_divergence, -1);
  EXPECT_FALSE(summary.equal);
}

TEST_F(Compare, ExpiryIsABeginAndNoDivergence) {
  store_.expire(3);
  const CompareSummary summary = compare();
  EXPECT_THAT(kinds_, ElementsAre("begin"));
  EXPECT_EQ(differences_[0].to, summary.first.begin);
  EXPECT_GT(summary.first.begin, 0);
  EXPECT_EQ(summary.first_divergence, -1);
}

TEST_F(Compare, AMissingFileIsItsMessages) {
  std::filesystem::remove(copied(store_.log_file(BusyStore::kLogFileSize)));
  const CompareSummary summary = compare();
  EXPECT_EQ(kinds_.back(), "range");
  EXPECT_EQ(summary.ranges, 1);
  EXPECT_EQ(summary.first_divergence, BusyStore::kLogFileSize);
  EXPECT_GT(summary.damaged_second, 50);
  EXPECT_EQ(summary.damaged_second, std::ssize(kinds_) - 1);
}

TEST_F(Compare, FilesOfOtherSizesHoldTheSameLog) {
  // The same bytes in files of twice the size.
  const std::string folder = copy_ + "/commitlog";
  std::filesystem::remove_all(folder);
  for (std::int64_t start = 0; start < store_.end(); start += BusyStore::kLogFileSize) {
    const std::int64_t whole = start / (2 * BusyStore::kLogFileSize) * 2 * BusyStore::kLogFileSize;
    testing::WritableMap map(folder + "/" + format::mapped_file_name(whole), 2 * BusyStore::kLogFileSize);
    std::ifstream in(store_.log_file(start), std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    std::memcpy(map.data() + (start - whole), bytes.data(), bytes.size());
  }
  EXPECT_TRUE(compare().equal);
}

TEST_F(Compare, APlaceholderIsNamedAsOne) {
  recovery::BridgeRecord stand_in;
  stand_in.kind = recovery::BridgeRecord::Kind::placeholder;
  stand_in.log_offset = offset(50);
  stand_in.size = offset(51) - offset(50);
  stand_in.slot = {"Topic", 0, 25, 1, false};
  const auto bytes = recovery::encode_bridge(stand_in, 1'700'000'000'000);
  std::fstream file(copied(store_.log_file(offset(50))), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(offset(50));
  file.write(as_text(bytes).data(), std::ssize(bytes));
  file.close();
  compare();
  EXPECT_THAT(kinds_, ElementsAre("record", "range"));
  EXPECT_THAT(differences_[0].message, HasSubstr("in the second a placeholder stands"));
  EXPECT_EQ(differences_[0].uniq_key, "u50");
}

TEST_F(Compare, OneRecordAgainstTwoIsOnOneSideOnly) {
  // The copy has one long record where the first has two.
  recovery::BridgeRecord filler;
  filler.log_offset = offset(60);
  filler.size = offset(62) - offset(60);
  const auto bytes = recovery::encode_bridge(filler, 1'700'000'000'000);
  std::fstream file(copied(store_.log_file(offset(60))), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(offset(60));
  file.write(as_text(bytes).data(), std::ssize(bytes));
  file.close();
  const CompareSummary summary = compare();
  EXPECT_THAT(kinds_, ElementsAre("onlyFirst", "onlyFirst", "onlySecond", "range"));
  EXPECT_EQ(summary.only_first, 2);
  EXPECT_EQ(summary.only_second, 1);
  EXPECT_EQ(summary.ranges, 1);
  EXPECT_THAT(differences_[0].message, HasSubstr("placeholders or fillers"));
}

TEST_F(Compare, WhatLiesBehindABlankIsNothing) {
  // Behind the BLANK's eight bytes nobody reads.
  store_.damage(copied(store_.log_file(0)), BusyStore::kLogFileSize - 1);
  EXPECT_TRUE(compare().equal);
}

TEST_F(Compare, QueuesAreComparedAsFarAsTheyLeadIntoBothLogs) {
  const std::string queue = copied(store_.root() + "/consumequeue/Topic/1/" + format::mapped_file_name(0));
  store_.damage(queue, 3 * 20 + 19);  // the tags code of unit 3
  const CompareSummary summary = compare();
  EXPECT_THAT(kinds_, ElementsAre("queue"));
  EXPECT_EQ(differences_[0].queue_id, 1);
  EXPECT_EQ(differences_[0].queue_offset, 3);
  EXPECT_EQ(differences_[0].from, offset(7));
  EXPECT_EQ(summary.units, 1);
  EXPECT_EQ(summary.first_divergence, -1);
}

TEST_F(Compare, AQueueOfOneSideIsADifference) {
  std::filesystem::remove_all(copy_ + "/consumequeue/Topic/1");
  const CompareSummary summary = compare();
  EXPECT_THAT(kinds_, ElementsAre("queue"));
  EXPECT_EQ(summary.units, 200);
  EXPECT_THAT(differences_[0].message, HasSubstr("nowhere in the second"));
}

TEST_F(Compare, AWildFileNameOnBothSidesCostsNothing) {
  const std::string wild =
      store_.root() + "/commitlog/" + format::mapped_file_name((std::int64_t{1} << 59) / 4096 * 4096);
  std::filesystem::copy(store_.log_file(0), wild);
  std::filesystem::copy(store_.log_file(0), copied(wild));
  std::filesystem::copy(store_.log_file(0), copied(store_.root() + "/consumequeue/Topic/0/" +
                                                   format::mapped_file_name(400'000'000'000)));
  const CompareSummary summary = compare();
  EXPECT_EQ(summary.first_divergence, -1);
  EXPECT_LT(summary.bytes_expected, 1 << 20);
}

TEST_F(Compare, OtherStoresHaveNothingInCommon) {
  BusyStore other;
  for (int i = 0; i < 300; ++i) other.put("Other", 0, 80);
  copy_ = other.root();
  const CompareSummary summary = compare();
  EXPECT_EQ(summary.first_divergence, 3);  // the first records' sizes differ in their last byte
  EXPECT_GT(summary.only_first, 100);
  EXPECT_GT(summary.only_second, 100);
}

TEST_F(Compare, StateFilesThatDifferAreToldAndNoDifference) {
  store_.write_state("config/topics.json", "{}");
  std::filesystem::create_directories(copy_ + "/config");
  std::ofstream(copy_ + "/config/topics.json") << "{\"a\":1}";
  const CompareSummary summary = compare();
  EXPECT_THAT(summary.config, ElementsAre("topics.json"));
  EXPECT_TRUE(summary.equal);
}

}  // namespace
}  // namespace rmq::forensics
