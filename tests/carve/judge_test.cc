// Which found records belong to one log.
#include "libstore/carve/judge.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "libstore/carve/layout.h"
#include "tests/carve/found_log.h"

namespace rmq::carve {
namespace {

struct Judged {
  testing::MemoryFileSystem files;
  std::vector<Source> sources;
  FoundRecords found;
  Judgement judgement;

  void run(JudgeOptions options = {}) {
    sources.clear();
    for (const auto& [path, file] : files.files) sources.push_back({path, path, std::ssize(file.bytes)});
    found = *find_records(files, sources, {});
    judgement = *judge(files, sources, found, options);
    std::int64_t records = judgement.duplicates;
    for (const Log& log : judgement.logs) records += log.records;
    EXPECT_EQ(records, found.records);  // nothing gets lost
  }
  [[nodiscard]] const Log& log(std::size_t number) const { return judgement.logs.at(number); }
};

TEST(Judge, PartsOfOneLogInAnyOrder) {
  LogWriter log;
  Judged judged;
  judged.files.files["/c"].bytes = log.records(5, 100);
  judged.files.files["/a"].bytes = log.records(5, 100);
  (void)log.records(3, 100);  // lost
  judged.files.files["/b"].bytes = log.records(5, 100);
  judged.run();
  ASSERT_EQ(judged.judgement.logs.size(), 1U);
  EXPECT_EQ(judged.log(0).records, 15);
  ASSERT_EQ(judged.log(0).pieces.size(), 3U);
  EXPECT_EQ(judged.sources[judged.log(0).pieces[0].source].path, "/c");
  EXPECT_GT(judged.log(0).missing_bytes, 300);
  EXPECT_EQ(judged.log(0).pieces[2].confidence, Confidence::high);
}

TEST(Judge, CopiesCountOnce) {
  LogWriter log;
  const Bytes all = log.records(20, 100);
  Judged judged;
  judged.files.files["/a"].bytes = all;
  Bytes part = noise(13, 1);
  const Bytes head = LogWriter().records(3, 100);
  part.insert(part.end(), all.begin() + std::ssize(head), all.end());
  append(part, log.records(2, 100));
  judged.files.files["/b"].bytes = part;
  judged.run();
  EXPECT_EQ(judged.judgement.duplicates, 17);
  EXPECT_EQ(judged.judgement.contested, 0);
  ASSERT_EQ(judged.judgement.logs.size(), 1U);
  EXPECT_EQ(judged.log(0).records, 22);
}

TEST(Judge, TheNewerOfTwoGenerations) {
  LogWriter before;
  Judged judged;
  judged.files.files["/before"].bytes = before.records(50, 100);
  LogWriter now;
  now.time = kBeginning + 1'000'000;
  judged.files.files["/now"].bytes = now.records(20, 90);
  judged.run();
  ASSERT_EQ(judged.judgement.logs.size(), 2U);
  EXPECT_EQ(judged.log(0).records, 20);
  EXPECT_EQ(judged.log(0).first_time, kBeginning + 1'000'000);
  EXPECT_EQ(judged.log(1).records, 50);
  EXPECT_EQ(judged.log(1).apart, Apart::older);
  EXPECT_GT(judged.judgement.contested, 20);
}

// A copy made before the log was cut back and written on.
TEST(Judge, WhatIsAlikeInBothIsShared) {
  LogWriter log;
  const Bytes shared = log.records(10, 100);
  LogWriter other = log;
  Judged judged;
  judged.files.files["/old"].bytes = shared;
  append(judged.files.files["/old"].bytes, log.records(10, 100));
  other.time += 1'000'000;
  judged.files.files["/new"].bytes = shared;
  append(judged.files.files["/new"].bytes, other.records(4, 120));
  judged.run();
  ASSERT_EQ(judged.judgement.logs.size(), 2U);
  EXPECT_EQ(judged.judgement.duplicates, 10);
  EXPECT_EQ(judged.log(0).records, 14);
  EXPECT_EQ(judged.log(0).begin(), 0);
  EXPECT_EQ(judged.log(1).records, 10);
}

TEST(Judge, RemainsOfATruncation) {
  LogWriter log;
  Bytes file = log.records(10, 100);
  LogWriter stale = log;
  const Bytes gone = stale.record(std::size_t{300});  // half of it was written over
  const Bytes left = stale.records(5, 100);
  log.time += 1000;
  append(file, log.records(2, 50));
  const auto cut = static_cast<std::size_t>(std::ssize(file)) - LogWriter().records(10, 100).size();
  file.insert(file.end(), gone.begin() + static_cast<std::ptrdiff_t>(std::min(cut, gone.size())), gone.end());
  append(file, left);
  Judged judged;
  judged.files.files["/f"].bytes = file;
  judged.run();
  ASSERT_EQ(judged.judgement.logs.size(), 2U);
  EXPECT_EQ(judged.log(0).records, 12);
  EXPECT_EQ(judged.log(1).records, 5);
  EXPECT_EQ(judged.log(1).apart, Apart::older);
}

TEST(Judge, TwoBrokers) {
  LogWriter one;
  LogWriter other;
  other.port = 20911;
  Judged judged;
  append(judged.files.files["/disk"].bytes, one.records(7, 100));
  append(judged.files.files["/disk"].bytes, other.records(30, 100));
  append(judged.files.files["/disk"].bytes, one.records(7, 100));
  judged.run();
  ASSERT_EQ(judged.judgement.logs.size(), 2U);
  EXPECT_EQ(judged.log(0).records, 30);
  EXPECT_EQ(judged.log(1).records, 14);
  EXPECT_EQ(judged.log(1).apart, Apart::other_store);
}

TEST(Judge, ABrokerWithANewAddress) {
  LogWriter log;
  Judged judged;
  append(judged.files.files["/f"].bytes, log.records(7, 100));
  log.port = 20911;
  append(judged.files.files["/f"].bytes, log.records(7, 100));
  judged.run();
  ASSERT_EQ(judged.judgement.logs.size(), 1U);
  EXPECT_EQ(judged.log(0).hosts.size(), 2U);
}

TEST(Judge, WhatMayHaveBeenABody) {
  LogWriter inner;
  inner.log_offset = 777;
  LogWriter log;
  Bytes bytes = log.records(3, 40);
  const auto damaged = bytes.size();
  append(bytes, log.record(inner.records(2, 40)));
  bytes[damaged + 4] ^= std::byte{1};
  append(bytes, log.records(3, 40));
  Judged judged;
  judged.files.files["/f"].bytes = bytes;
  judged.run();
  ASSERT_EQ(judged.judgement.logs.size(), 2U);
  EXPECT_EQ(judged.log(0).records, 6);
  EXPECT_EQ(judged.log(1).apart, Apart::inside);
  EXPECT_FALSE(judged.log(1).one_store);
}

TEST(Judge, TooFarApart) {
  LogWriter log;
  Judged judged;
  judged.files.files["/a"].bytes = log.records(9, 100);
  log.log_offset += 1 << 20;
  judged.files.files["/b"].bytes = log.records(3, 100);
  JudgeOptions options;
  options.longest_gap = 1 << 19;
  judged.run(options);
  ASSERT_EQ(judged.judgement.logs.size(), 2U);
  EXPECT_EQ(judged.log(0).records, 3);  // where the log goes on
  EXPECT_EQ(judged.log(1).apart, Apart::far);
}

TEST(Judge, VeryManyGenerationsEndInAHeap) {
  Judged judged;
  for (int i = 0; i < 30; ++i) {
    LogWriter log;
    log.time += i * 10'000;
    judged.files.files["/" + std::to_string(i)].bytes = log.records(3, static_cast<std::size_t>(50 + i));
  }
  judged.run();
  ASSERT_EQ(judged.judgement.logs.size(), 17U);
  EXPECT_FALSE(judged.judgement.logs.back().one_store);
}

// ---- the size of the log's files

Bytes file_of(LogWriter& log, std::int64_t size, std::size_t body) {
  Bytes file;
  while (true) {
    LogWriter next = log;
    const Bytes record = next.record(body);
    const std::int64_t left = size - std::ssize(file);
    if (std::ssize(record) + format::kBlankSize > left) {
      append(file, format::encode_blank(static_cast<std::int32_t>(left)));
      file.resize(static_cast<std::size_t>(size));
      log.log_offset += left;
      return file;
    }
    log = next;
    append(file, record);
  }
}

TEST(FileSizeOf, TheFilesThemselves) {
  LogWriter log;
  Judged judged;
  for (const char* name : {"/x", "/y"}) judged.files.files[name].bytes = file_of(log, 10'000, 100);
  judged.run();
  const auto size = choose_file_size(judged.sources, judged.log(0), {});
  ASSERT_TRUE(size);
  EXPECT_EQ(size->bytes, 10'000);
}

TEST(FileSizeOf, WhereBlanksEndFiles) {
  LogWriter log;
  Judged judged;
  Bytes& disk = judged.files.files["/disk"].bytes;
  disk = noise(123, 1);
  for (int i = 0; i < 3; ++i) append(disk, file_of(log, 10'000, 100));
  judged.run();
  const auto size = choose_file_size(judged.sources, judged.log(0), {});
  ASSERT_TRUE(size);
  EXPECT_EQ(size->bytes, 10'000);
  EXPECT_FALSE(choose_file_size(judged.sources, judged.log(0), 9'000));
  EXPECT_TRUE(choose_file_size(judged.sources, judged.log(0), 10'000));
}

TEST(FileSizeOf, TheDefaultWhereNothingTells) {
  LogWriter log;
  log.log_offset = 5 * kDefaultFileSize + 4711;
  Judged judged;
  judged.files.files["/disk"].bytes = noise(123, 1);
  append(judged.files.files["/disk"].bytes, log.records(4, 100));
  judged.run();
  EXPECT_EQ(choose_file_size(judged.sources, judged.log(0), {})->bytes, kDefaultFileSize);
}

TEST(FileSizeOf, NoneWhereTooLittleIsMissing) {
  LogWriter log;
  Judged judged;
  for (int i = 0; i < 5; ++i) {
    append(judged.files.files["/disk"].bytes, Bytes(48));  // DLedger's entry header
    log.log_offset += 48;
    append(judged.files.files["/disk"].bytes, log.records(1, 100));
  }
  judged.run();
  EXPECT_FALSE(choose_file_size(judged.sources, judged.log(0), {}));
}

TEST(Summarize, ByQueue) {
  LogWriter log;
  Judged judged;
  judged.files.files["/a"].bytes = log.records(5, 100);
  log.topic = "Other";
  log.queue_offset = 70;
  append(judged.files.files["/a"].bytes, log.records(2, 100));
  judged.run();
  const auto summary = summarize(judged.files, judged.sources, judged.log(0), 2, {});
  ASSERT_TRUE(summary);
  ASSERT_EQ(summary->queues.size(), 2U);
  const QueueSummary& other = summary->queues.at({"Other", 1});
  EXPECT_EQ(other.records, 2);
  EXPECT_EQ(other.first_offset, 70);
  EXPECT_EQ(other.last_offset, 71);
}

}  // namespace
}  // namespace rmq::carve
