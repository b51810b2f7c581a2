// The walk over a commit log file: every byte belongs to one item, whatever is done to the file, and damage costs no
// record but the ones it touches.
#include "libstore/scan/commit_log_walker.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

#include "libstore/bytes/big_endian.h"
#include "libstore/testing/memory_file_system.h"

namespace rmq::scan {
namespace {

using format::MessageRecord;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kFileSize = 4096;
constexpr std::int64_t kStart = 3 * kFileSize;

struct Walked {
  std::vector<LogItem> items;  // without their borrowed parts
  std::set<std::int64_t> records;
  std::vector<std::pair<std::int64_t, std::int64_t>> gaps;
};

// Shows its bytes where they lie, as far as it likes to. `faded`: nothing of that can be read any more when
// it is looked at.
class ViewedFile final : public io::ReadFile {
 public:
  ViewedFile(const testing::MemoryFile& file, std::unique_ptr<io::ReadFile> copies, bool faded)
      : file_(file), copies_(std::move(copies)), faded_(faded), zeros_(faded ? file.bytes.size() : 0) {}

  std::span<const std::byte> view(std::int64_t position, std::int64_t length) const override {
    length = std::min({length, std::ssize(file_.bytes) - position, 300 + position % 700});
    const bool is_bad = std::ranges::any_of(
        file_.bad, [&](const auto& bad) { return position < bad.second && bad.first < position + length; });
    if (length <= 0 || is_bad || (position % 5 == 0 && !faded_)) return {};
    viewed_ = true;
    return std::span(faded_ ? zeros_ : file_.bytes)
        .subspan(static_cast<std::size_t>(position), static_cast<std::size_t>(length));
  }
  bool view_failed() const override { return faded_ && viewed_; }
  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    return copies_->read_at(position, out);
  }
  std::int64_t size() const override { return copies_->size(); }
  std::int64_t next_data(std::int64_t position) const override { return copies_->next_data(position); }
  std::int64_t next_hole(std::int64_t position) const override { return copies_->next_hole(position); }

 private:
  const testing::MemoryFile& file_;
  std::unique_ptr<io::ReadFile> copies_;
  bool faded_;
  std::vector<std::byte> zeros_;
  mutable bool viewed_ = false;
};

class WalkerTest : public ::testing::Test {
 protected:
  // Appends records of the given body sizes, from `store_time` on.
  void write(const std::vector<int>& bodies, std::int64_t store_time = 1000) {
    for (const int body : bodies) {
      MessageRecord record;
      record.topic = "Topic";
      record.physical_offset = kStart + end_;
      record.queue_offset = std::ssize(starts_);
      record.store_timestamp = store_time++;
      record.properties = std::string("TAGS\x01T\x02");
      record.body.assign(static_cast<std::size_t>(body), std::byte{0x5A});
      append(*format::encode(record));
    }
  }
  void append(std::span<const std::byte> bytes) {
    starts_.push_back(end_);
    std::ranges::copy(bytes, file_.bytes.begin() + end_);
    end_ += std::ssize(bytes);
  }
  void blank() { std::ranges::copy(format::encode_blank(static_cast<std::int32_t>(kFileSize - end_)), file_.bytes.begin() + end_); }

  // The same whether the bytes are copied or looked at, and where looking at them fails.
  Walked walk(std::int64_t from = 0) {
    fs_.files["/f"] = file_;
    const Walked walked = walk(**fs_.open("/f"), from);
    for (const bool faded : {false, true}) {
      const Walked viewed = walk(ViewedFile(file_, *fs_.open("/f"), faded), from);
      EXPECT_EQ(viewed.records, walked.records) << faded;
      EXPECT_EQ(viewed.gaps, walked.gaps) << faded;
      EXPECT_EQ(viewed.items.size(), walked.items.size()) << faded;
      for (std::size_t i = 0; i < std::min(viewed.items.size(), walked.items.size()); ++i) {
        EXPECT_EQ(viewed.items[i].kind, walked.items[i].kind) << faded << " " << i;
        EXPECT_EQ(viewed.items[i].look, walked.items[i].look) << faded << " " << i;
        EXPECT_EQ(viewed.items[i].stale_records, walked.items[i].stale_records) << faded << " " << i;
      }
    }
    return walked;
  }

  static Walked walk(const io::ReadFile& file, std::int64_t from) {
    CommitLogWalker::Options options;
    options.records_start = kStart;
    options.file_size = kFileSize;
    options.from = from;
    CommitLogWalker walker(file, options);
    Walked walked;
    std::int64_t at = from;
    while (auto item = walker.next()) {
      EXPECT_EQ(item->position, at);  // no byte is skipped, none is told twice
      EXPECT_GT(item->length, 0);
      at = item->position + item->length;
      if (item->kind == LogItemKind::record) walked.records.insert(item->position);
      if (item->kind == LogItemKind::gap) walked.gaps.emplace_back(item->position, item->length);
      walked.items.push_back(*item);
    }
    EXPECT_EQ(at, file.size());
    return walked;
  }

  testing::MemoryFile file_{std::vector<std::byte>(kFileSize), -1, {}};
  testing::MemoryFileSystem fs_;
  std::vector<std::int64_t> starts_;
  std::int64_t end_ = 0;
};

TEST_F(WalkerTest, RecordsThenBlank) {
  write({10, 0, 200});
  blank();
  const Walked walked = walk();
  EXPECT_THAT(walked.records, ElementsAre(starts_[0], starts_[1], starts_[2]));
  EXPECT_THAT(walked.gaps, IsEmpty());
  EXPECT_EQ(walked.items.back().kind, LogItemKind::blank);
  EXPECT_EQ(walked.items.back().position, end_);
}

TEST_F(WalkerTest, RecordsThenZeros) {
  write({10, 0, 200});
  EXPECT_EQ(walk().items.back().kind, LogItemKind::unwritten);
}

TEST_F(WalkerTest, EmptyAndTinyFiles) {
  EXPECT_EQ(walk().items.size(), 1U);
  for (const std::size_t size : {0U, 1U, 7U, 8U}) {
    file_.bytes.resize(size);
    EXPECT_EQ(walk().items.size(), size == 0 ? 0U : 1U);
  }
}

TEST_F(WalkerTest, EveryBitFlipCostsAtMostItsOwnRecord) {
  write({10, 0, 64, 3});
  blank();
  const auto good = file_.bytes;
  for (std::int64_t bit = 0; bit < end_ * 8; ++bit) {
    file_.bytes = good;
    file_.bytes[static_cast<std::size_t>(bit / 8)] ^= std::byte(1U << (bit % 8));
    const Walked walked = walk();
    for (std::size_t i = 0; i < starts_.size(); ++i) {
      const std::int64_t record_end = i + 1 < starts_.size() ? starts_[i + 1] : end_;
      const bool hit = bit / 8 >= starts_[i] && bit / 8 < record_end;
      EXPECT_TRUE(hit || walked.records.contains(starts_[i])) << "bit " << bit << " lost the record at " << starts_[i];
    }
    for (const std::int64_t record : walked.records) EXPECT_TRUE(std::ranges::count(starts_, record) == 1) << "bit " << bit;
  }
}

TEST_F(WalkerTest, EveryTruncationKeepsWhatIsWhole) {
  write({10, 0, 64, 3});
  blank();
  const auto good = file_.bytes;
  for (std::size_t size = 0; size < good.size(); size += 1) {
    file_.bytes.assign(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    const Walked walked = walk();
    for (std::size_t i = 0; i < starts_.size(); ++i) {
      const std::int64_t record_end = i + 1 < starts_.size() ? starts_[i + 1] : end_;
      EXPECT_EQ(walked.records.contains(starts_[i]), record_end <= static_cast<std::int64_t>(size));
    }
  }
}

TEST_F(WalkerTest, ZeroedBytesAreOneGapBetweenRecords) {
  write({100, 100, 100, 100, 100});
  std::fill(file_.bytes.begin() + starts_[1] + 50, file_.bytes.begin() + starts_[3] + 10, std::byte{0});
  const Walked walked = walk();
  EXPECT_THAT(walked.records, ElementsAre(starts_[0], starts_[4]));
  EXPECT_THAT(walked.gaps, ElementsAre(std::pair(starts_[1], starts_[4] - starts_[1])));
}

TEST_F(WalkerTest, MagicMadeBlankHidesNothingBehindIt) {
  write({100, 100, 100});
  store_be(file_.bytes.data() + starts_[1] + 4, format::kMagicBlank);
  const Walked walked = walk();
  EXPECT_THAT(walked.records, ElementsAre(starts_[0], starts_[2]));
}

TEST_F(WalkerTest, TornTailReachesToItsClaimedEnd) {
  write({100, 100});
  std::fill(file_.bytes.begin() + starts_[1] + 60, file_.bytes.begin() + end_, std::byte{0});
  const Walked walked = walk();
  EXPECT_THAT(walked.gaps, ElementsAre(std::pair(starts_[1], end_ - starts_[1])));
  EXPECT_EQ(walked.items.back().kind, LogItemKind::unwritten);
}

TEST_F(WalkerTest, OlderRecordsBehindTheEndAreStale) {
  write({100, 100, 100, 100}, 1000);
  const std::int64_t second = starts_[1];
  end_ = second;
  starts_.resize(1);
  write({20}, 5000);  // written over the second record after a truncation; the third and fourth are left over
  const Walked walked = walk();
  EXPECT_THAT(walked.records, ElementsAre(0, second));
  ASSERT_EQ(walked.gaps.size(), 1U);
  EXPECT_EQ(walked.items[2].look, GapLook::stale);
  EXPECT_EQ(walked.items[2].stale_records, 2);
}

TEST_F(WalkerTest, ClockThatWentBackMakesNothingStale) {
  write({100, 100}, 9000);
  write({100}, 1000);
  write({100}, 9500);
  std::fill(file_.bytes.begin() + starts_[1] + 4, file_.bytes.begin() + starts_[1] + 40, std::byte{7});
  EXPECT_THAT(walk().records, ElementsAre(starts_[0], starts_[2], starts_[3]));
}

TEST_F(WalkerTest, RecordsInsideABodyAreNoRecords) {
  write({40});
  MessageRecord inner;
  inner.topic = "Inner";
  inner.physical_offset = 77;  // any offset but the place where it will lie
  MessageRecord outer;
  outer.topic = "Outer";
  outer.physical_offset = kStart + end_;
  outer.store_timestamp = 2000;
  outer.body = *format::encode(inner);
  append(*format::encode(outer));
  write({40}, 3000);
  store_be(file_.bytes.data() + starts_[1], std::int32_t{1});  // the outer record's size
  EXPECT_THAT(walk().records, ElementsAre(starts_[0], starts_[2]));
}

TEST_F(WalkerTest, UnreadablePagesAreAGap) {
  file_.bytes.resize(4 * kFileSize);
  write({3000, 3000, 3000, 100});
  file_.bad = {{4096, 8192}};  // disks fail by pages: this one lies in the second and third record
  const Walked walked = walk();
  EXPECT_THAT(walked.records, ElementsAre(starts_[0], starts_[3]));
  ASSERT_EQ(walked.gaps.size(), 1U);
  EXPECT_EQ(walked.items[1].look, GapLook::unreadable);
}

TEST_F(WalkerTest, FileThatShrinksUnderTheReader) {
  write({100, 100, 100});
  file_.size_when_opened = kFileSize;
  file_.bytes.resize(static_cast<std::size_t>(starts_[2] + 10));
  const Walked walked = walk();
  EXPECT_THAT(walked.records, ElementsAre(starts_[0], starts_[1]));
  EXPECT_EQ(walked.items.back().kind, LogItemKind::gap);
}

TEST_F(WalkerTest, ForgedHeadersDoNotKeepItBusy) {
  file_.bytes.resize(8 << 20);
  for (std::size_t at = 0; at + 200 < file_.bytes.size(); at += 100) {
    store_be(file_.bytes.data() + at, static_cast<std::int32_t>(file_.bytes.size() - at - 1));
    store_be(file_.bytes.data() + at + 4, format::kMagicV1);
    store_be(file_.bytes.data() + at + 28, kStart + static_cast<std::int64_t>(at));
  }
  EXPECT_THAT(walk().records, IsEmpty());
}

TEST_F(WalkerTest, RandomDamageInventsNothing) {
  write({10, 200, 0, 300, 64, 3, 500, 90, 120});
  blank();
  const auto good = file_.bytes;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    std::mt19937 random(seed);
    file_.bytes = good;
    const auto from = static_cast<std::ptrdiff_t>(random() % static_cast<unsigned>(end_));
    const auto to = std::min<std::ptrdiff_t>(from + static_cast<std::ptrdiff_t>(random() % 300), end_);
    for (auto at = from; at < to; ++at) file_.bytes[static_cast<std::size_t>(at)] = static_cast<std::byte>(random());
    const Walked walked = walk();
    for (const std::int64_t record : walked.records) EXPECT_EQ(std::ranges::count(starts_, record), 1) << "seed " << seed;
    for (std::size_t i = 0; i < starts_.size(); ++i) {
      const std::int64_t record_end = i + 1 < starts_.size() ? starts_[i + 1] : end_;
      const bool hit = from < record_end && to > starts_[i];
      EXPECT_TRUE(hit || walked.records.contains(starts_[i])) << "seed " << seed << " lost " << starts_[i] << " to damage at " << from << ".." << to;
    }
  }
}

TEST_F(WalkerTest, RecordsTellWhereTheirFileBelongs) {
  write({10, 20, 30});
  fs_.files["/f"] = file_;
  EXPECT_EQ(records_start(**fs_.open("/f"), 99), kStart);
  std::fill_n(file_.bytes.begin(), 30, std::byte{1});  // even with the first record gone
  fs_.files["/f"] = file_;
  EXPECT_EQ(records_start(**fs_.open("/f"), 99), kStart);
  file_.bytes.assign(kFileSize, std::byte{0});
  fs_.files["/f"] = file_;
  EXPECT_EQ(records_start(**fs_.open("/f"), 99), std::nullopt);
}

TEST_F(WalkerTest, AFilesNameDecidesWhereTwoRecordsContradictEachOther) {
  write({10, 20});
  store_be(file_.bytes.data() + format::kRecordPhysicalOffsetOffset, std::int64_t{0});
  fs_.files["/f"] = file_;
  EXPECT_EQ(records_start(**fs_.open("/f"), kStart), kStart);
}

}  // namespace
}  // namespace rmq::scan
