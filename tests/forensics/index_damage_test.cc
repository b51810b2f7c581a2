// Index files written here the way stock writes them, then damaged one bit, one field, one page at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "libstore/forensics/verify_index.h"
#include "libstore/scan/index_geometry.h"
#include "libstore/testing/memory_file_system.h"

namespace rmq::forensics {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Bytes = std::vector<std::byte>;

struct Record {
  std::int64_t offset;
  std::int64_t timestamp;
  std::string unique_key;
  std::string keys;
};

void tell(const Record& record, IndexMatcher& matcher) {
  std::vector<std::int32_t> hashes;
  format::append_index_key_hashes(java_hash("#", java_hash("topic")), record.unique_key, record.keys, hashes);
  matcher.expect(record.offset, record.timestamp, hashes);
}

// IndexService and IndexFile, as far as they write.
class IndexWriter {
 public:
  IndexWriter(std::int32_t slots, std::int32_t entries) : slots_(slots), entries_(entries) {}

  void dispatch(const Record& record) {
    if (files.empty() || header_.index_count >= entries_) roll();
    if (record.offset < header_.end_phy_offset) return;
    put(record, record.unique_key);
    for (std::size_t at = 0; at < record.keys.size();) {
      const std::size_t end = std::min(record.keys.find(' ', at), record.keys.size());
      if (end > at) put(record, record.keys.substr(at, end - at));
      at = end + 1;
    }
  }

  std::vector<Bytes> files;

 private:
  void roll() {
    const format::IndexHeader before = header_;
    header_ = {};
    if (!files.empty()) {
      header_.begin_phy_offset = header_.end_phy_offset = before.end_phy_offset;
      header_.begin_timestamp = header_.end_timestamp = before.end_timestamp;
    }
    files.emplace_back(static_cast<std::size_t>(format::index_entry_position(slots_, entries_)));
    header_.store(files.back().data());
  }

  void put(const Record& record, const std::string& key) {
    if (header_.index_count >= entries_) roll();
    Bytes& file = files.back();
    const std::int32_t hash = format::index_key_hash("topic", key);
    std::byte* slot = file.data() + format::index_slot_position(hash % slots_);
    auto head = load_be<std::int32_t>(slot);
    if (head <= 0 || head > header_.index_count) head = 0;
    format::IndexEntry{hash, record.offset,
                       format::index_time_diff(header_.begin_timestamp, record.timestamp), head}
        .store(file.data() + format::index_entry_position(slots_, header_.index_count));
    store_be(slot, header_.index_count);
    if (header_.index_count <= 1) {
      header_.begin_phy_offset = record.offset;
      header_.begin_timestamp = record.timestamp;
    }
    if (head == 0) ++header_.hash_slot_count;
    ++header_.index_count;
    header_.end_phy_offset = record.offset;
    header_.end_timestamp = record.timestamp;
    header_.store(file.data());
  }

  std::int32_t slots_;
  std::int32_t entries_;
  format::IndexHeader header_;
};

// Records that lie 300 bytes apart from offset 1000 on, a second and a bit apart; each third has a key that
// users repeat, each fifth one more.
std::vector<Record> some_records(std::int64_t count) {
  std::vector<Record> records;
  for (std::int64_t i = 0; i < count; ++i) {
    std::string keys;
    if (i % 3 == 0 && i + 1 < count) keys = "order" + std::to_string(i / 6);
    if (i % 5 == 0 && i + 1 < count) keys += " customer" + std::to_string(i);
    records.push_back(
        {1000 + i * 300, 1'700'000'000'000 + i * 1100, "7F0000010000" + std::to_string(i * 7919), keys});
  }
  return records;
}

struct Verdict {
  std::vector<IndexFileCheck> checks;
  std::vector<IndexMatchReport> reports;
  std::vector<Finding> findings;
  std::int64_t dangling = 0;
  std::int64_t missing = 0;
};

struct World {
  testing::MemoryFileSystem files;
  scan::StoreSurvey survey;
  std::vector<Record> records;

  World(const std::vector<Bytes>& index, std::vector<Record> log) : records(std::move(log)) {
    for (std::size_t i = 0; i < index.size(); ++i) {
      scan::IndexFileInfo info;
      info.name = "2024010100000000" + std::to_string(i);
      info.shown = info.name;
      info.path = "/" + info.name;
      info.size = static_cast<std::int64_t>(index[i].size());
      files.files[info.path].bytes = index[i];
      survey.index_files.push_back(info);
    }
    survey.index_file_size = index.empty() ? 0 : static_cast<std::int64_t>(index.back().size());
  }

  Bytes& file(std::size_t i) { return files.files[survey.index_files[i].path].bytes; }

  // `cuts`: offsets at which a new part of the log begins.
  [[nodiscard]] Verdict judge(IndexDepth depth = IndexDepth::full,
                              const std::vector<std::int64_t>& cuts = {}) const {
    Verdict verdict;
    scan::StoreSurvey now = survey;
    for (scan::IndexFileInfo& info : now.index_files) {
      info.size = static_cast<std::int64_t>(files.files.at(info.path).bytes.size());
    }
    const auto geometries = scan::infer_index_geometries(files, now);
    for (std::size_t i = 0; i < now.index_files.size(); ++i) {
      verdict.checks.push_back(check_index_file(files, now.index_files[i], geometries[i], depth));
    }
    std::vector<std::int64_t> limits{0};
    limits.insert(limits.end(), cuts.begin(), cuts.end());
    limits.push_back(std::numeric_limits<std::int64_t>::max());
    for (std::size_t part = 0; part + 1 < limits.size(); ++part) {
      IndexMatcher matcher(files, verdict.checks, limits[part], limits[part + 1]);
      for (const Record& record : records) {
        if (record.offset < limits[part] || record.offset >= limits[part + 1]) continue;
        tell(record, matcher);
      }
      verdict.reports.push_back(matcher.finish());
    }
    verdict.findings = resolve_index_doubts(verdict.checks, verdict.reports);
    for (const IndexMatchReport& report : verdict.reports) {
      verdict.findings.insert(verdict.findings.end(), report.findings.begin(), report.findings.end());
      for (const DanglingIndexEntry& entry : report.dangling) verdict.dangling += entry.count;
      for (const MissingIndexRun& run : report.missing) verdict.missing += run.keys;
    }
    for (const IndexFileCheck& check : verdict.checks) {
      verdict.findings.insert(verdict.findings.end(), check.findings.begin(), check.findings.end());
    }
    return verdict;
  }
};

World two_files() {
  IndexWriter writer(13, 60);
  const auto records = some_records(60);
  for (const Record& record : records) writer.dispatch(record);
  EXPECT_EQ(writer.files.size(), 2U);
  return World(writer.files, records);
}

std::vector<std::string> shown(const std::vector<Finding>& findings) {
  std::vector<std::string> lines;
  for (const Finding& finding : findings) {
    lines.push_back(std::string(finding.code) + " " + finding.file.substr(15) + " " +
                    std::to_string(finding.offset) + "+" + std::to_string(finding.length) + " " +
                    finding.message);
  }
  return lines;
}

std::vector<std::string> placed(const std::vector<Finding>& findings) {
  std::vector<std::string> lines;
  for (const Finding& finding : findings) {
    lines.push_back(std::string(finding.code) + " " + finding.file.substr(15) + " " +
                    std::to_string(finding.offset) + "+" + std::to_string(finding.length));
  }
  std::ranges::sort(lines);
  return lines;
}

std::string at_entry(std::string_view code, int file, std::int64_t number, std::int64_t within,
                     std::int64_t length) {
  return std::string(code) + " 0" + std::to_string(file) + " " +
         std::to_string(format::index_entry_position(13, number) + within) + "+" + std::to_string(length);
}

TEST(IndexDamage, WhatStockWritesIsClean) {
  const World world = two_files();
  for (const std::vector<std::int64_t>& cuts :
       {std::vector<std::int64_t>{}, {1300}, {5000, 9000}, {1001}, {1000, 1300, 1600, 1900, 17000, 18000}}) {
    const Verdict verdict = world.judge(IndexDepth::full, cuts);
    EXPECT_THAT(shown(verdict.findings), IsEmpty());
    EXPECT_EQ(verdict.dangling, 0);
    EXPECT_EQ(verdict.missing, 0);
  }
}

// One flipped bit anywhere in what is used: named where it is, and nothing else is said, whether the log is
// read in one part or in several.
TEST(IndexDamage, EveryFlippedBitIsNamedAndNothingElse) {
  const World clean = two_files();
  int flips = 0;
  for (std::size_t f = 0; f < 2; ++f) {
    World world = clean;
    const auto header =
        *format::IndexHeader::parse(clean.files.files.at(clean.survey.index_files[f].path).bytes);
    const auto base = static_cast<std::size_t>(format::index_entry_position(13, 0));
    const std::size_t end = base + static_cast<std::size_t>(header.index_count) * 20;
    for (std::size_t at = 0; at < end; ++at) {
      if (at >= base && at < base + 20) continue;  // entry 0: nobody reads it
      // The oldest file's first entry counts its time from the end of a file that may have expired.
      if (f == 0 && at >= base + 32 && at < base + 36) continue;
      for (int bit = 0; bit < 8; ++bit, ++flips) {
        world.file(f)[at] ^= static_cast<std::byte>(1 << bit);
        for (const std::vector<std::int64_t>& cuts : {std::vector<std::int64_t>{}, {6100, 12'100}}) {
          const Verdict verdict = world.judge(IndexDepth::full, cuts);
          const std::string where = "file " + std::to_string(f) + " byte " + std::to_string(at) + " bit " +
                                    std::to_string(bit) + (cuts.empty() ? "" : " in parts");
          EXPECT_EQ(verdict.findings.size(), 1U)
              << where << ::testing::PrintToString(shown(verdict.findings));
          if (verdict.findings.size() != 1) continue;
          const Finding& finding = verdict.findings.front();
          const auto place = static_cast<std::int64_t>(at);
          EXPECT_TRUE(finding.offset <= place && place < finding.offset + finding.length)
              << where << ::testing::PrintToString(shown(verdict.findings));
          EXPECT_LE(finding.length, 20) << where;
          EXPECT_EQ(finding.file, clean.survey.index_files[f].shown) << where;
          EXPECT_EQ(verdict.dangling, 0) << where;
          EXPECT_EQ(verdict.missing, 0) << where;
        }
        world.file(f)[at] ^= static_cast<std::byte>(1 << bit);
      }
    }
  }
  EXPECT_GT(flips, 10'000);
}

struct Fields {
  World world = two_files();
  std::int64_t position(std::int64_t number) const { return format::index_entry_position(13, number); }
  format::IndexEntry entry(std::size_t file, std::int64_t number) {
    return format::IndexEntry::load(world.file(file).data() + position(number));
  }
  void set(std::size_t file, std::int64_t number, const format::IndexEntry& entry) {
    entry.store(world.file(file).data() + position(number));
  }
};

// A page of zeros, and one of noise: one finding over it, and the keys that it held are no second one.
TEST(IndexDamage, ALostPageIsOneFinding) {
  Fields fields;
  for (std::int64_t number = 20; number < 30; ++number) fields.set(0, number, {});
  const Verdict zeros = fields.world.judge(IndexDepth::full, {4000, 8000});
  EXPECT_THAT(placed(zeros.findings), ElementsAre(at_entry(kIndexEntry, 0, 20, 0, 200)));
  EXPECT_EQ(zeros.missing + zeros.dangling, 0);
  std::int64_t folded = 0;
  for (const IndexMatchReport& report : zeros.reports) folded += report.folded;
  EXPECT_EQ(folded, 10);

  for (std::int64_t number = 20; number < 30; ++number) fields.set(0, number, {-5, -1, 3, 99});
  const Verdict noise = fields.world.judge();
  EXPECT_THAT(placed(noise.findings), ElementsAre(at_entry(kIndexEntry, 0, 20, 0, 200)));
  EXPECT_EQ(noise.missing + noise.dangling, 0);
}

TEST(IndexDamage, SeveralWrongOffsetsInARowAreEachNamed) {
  Fields fields;
  std::vector<std::string> expected;
  for (std::int64_t number = 10; number < 22; ++number) {
    format::IndexEntry entry = fields.entry(1, number);
    entry.phy_offset = number % 2 == 0 ? entry.phy_offset + 1'000'000'000 : 17;
    fields.set(1, number, entry);
    expected.push_back(at_entry(kIndexOffset, 1, number, 0, 20));
  }
  std::ranges::sort(expected);
  for (const std::vector<std::int64_t>& cuts : {std::vector<std::int64_t>{}, {14'000}}) {
    const Verdict verdict = fields.world.judge(IndexDepth::full, cuts);
    EXPECT_THAT(placed(verdict.findings), ::testing::ElementsAreArray(expected));
    EXPECT_EQ(verdict.missing + verdict.dangling, 0);
  }
}

// The wrong offset of the last entry of one part, whose record is the first of the next.
TEST(IndexDamage, AnOffsetThatPointsIntoAnotherPartIsNamed) {
  Fields fields;
  format::IndexEntry entry = fields.entry(0, 30);
  const std::int64_t right = entry.phy_offset;
  entry.phy_offset = right + 150;  // still in order, but in the other part
  fields.set(0, 30, entry);
  const Verdict verdict = fields.world.judge(IndexDepth::full, {right + 100});
  EXPECT_THAT(placed(verdict.findings), ElementsAre(at_entry(kIndexOffset, 0, 30, 0, 20)));
  EXPECT_EQ(verdict.missing + verdict.dangling, 0);
}

// A start dispatches the last record again (offsets below endPhyOffset only are skipped).
TEST(IndexDamage, RecordsThatAreIndexedTwiceAreFine) {
  const auto records = some_records(40);
  IndexWriter writer(13, 100);
  for (const Record& record : records) {
    writer.dispatch(record);
    if (record.offset % 7 == 0) writer.dispatch(record);
  }
  const World world(writer.files, records);
  const Verdict verdict = world.judge(IndexDepth::full, {5000});
  EXPECT_THAT(shown(verdict.findings), IsEmpty());
  EXPECT_EQ(verdict.missing + verdict.dangling, 0);
  std::int64_t duplicates = 0;
  for (const IndexMatchReport& report : verdict.reports) duplicates += report.duplicates;
  EXPECT_GT(duplicates, 4);
}

TEST(IndexDamage, OneKeyTwiceInARecordIsTwoEntries) {
  auto records = some_records(10);
  records[4].keys = "a  b a  a";
  IndexWriter writer(13, 100);
  for (const Record& record : records) writer.dispatch(record);
  const Verdict verdict = World(writer.files, records).judge();
  EXPECT_THAT(shown(verdict.findings), IsEmpty());
  EXPECT_EQ(verdict.missing + verdict.dangling, 0);
}

TEST(IndexDamage, RecordsThatWereNeverIndexedAreOneRun) {
  const auto records = some_records(60);
  IndexWriter writer(13, 100);
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (i < 20 || i >= 37) writer.dispatch(records[i]);
  }
  const Verdict verdict = World(writer.files, records).judge();
  EXPECT_THAT(shown(verdict.findings), IsEmpty());
  EXPECT_EQ(verdict.dangling, 0);
  ASSERT_EQ(verdict.reports.front().missing.size(), 1U);
  EXPECT_EQ(verdict.reports.front().missing.front().first_offset, records[20].offset);
  EXPECT_EQ(verdict.reports.front().missing.front().last_offset, records[36].offset);
  EXPECT_EQ(verdict.reports.front().missing.front().records, 17);
}

TEST(IndexDamage, EntriesOfRecordsThatAreGoneDangle) {
  World world = two_files();
  std::erase_if(world.records,
                [](const Record& record) { return record.offset >= 4000 && record.offset < 4600; });
  const Verdict verdict = world.judge();
  EXPECT_THAT(shown(verdict.findings), IsEmpty());
  EXPECT_EQ(verdict.missing, 0);
  ASSERT_EQ(verdict.reports.front().dangling.size(), 1U);
  EXPECT_EQ(verdict.reports.front().dangling.front().phy_offset, 4000);
  EXPECT_EQ(verdict.reports.front().dangling.front().last_phy_offset, 4300);
  EXPECT_FALSE(verdict.reports.front().dangling.front().at_record);
}

// Entries below the log's first record belong to files that have expired.
TEST(IndexDamage, ExpiredRecordsAreNoDamage) {
  World world = two_files();
  std::erase_if(world.records, [](const Record& record) { return record.offset < 7000; });
  std::vector<IndexFileCheck> checks = world.judge().checks;
  IndexMatcher matcher(world.files, checks, 7000, 100'000);
  for (const Record& record : world.records) {
    tell(record, matcher);
  }
  std::vector<IndexMatchReport> reports;
  reports.push_back(matcher.finish());
  EXPECT_THAT(shown(resolve_index_doubts(checks, reports)), IsEmpty());
  EXPECT_EQ(reports.front().matched, reports.front().keys);
  EXPECT_TRUE(reports.front().dangling.empty());
}

// A copy of an index file beside it: each key is found twice, nothing is wrong with either.
TEST(IndexDamage, OverlappingFilesAreEachMatched) {
  IndexWriter writer(13, 60);
  const auto records = some_records(60);
  for (const Record& record : records) writer.dispatch(record);
  const World world({writer.files[0], writer.files[0], writer.files[1]}, records);
  const Verdict verdict = world.judge(IndexDepth::full, {5000});
  EXPECT_EQ(verdict.missing + verdict.dangling, 0);
  std::int64_t dropped = 0;
  for (const IndexMatchReport& report : verdict.reports) dropped += report.dropped;
  EXPECT_EQ(dropped, 0);
}

// The put that a kill interrupted: entry and slot are written, the header is not.
TEST(IndexDamage, AnUncountedEntryIsNoDamage) {
  Fields fields;
  auto header = *format::IndexHeader::parse(fields.world.file(1));
  const format::IndexEntry before = fields.entry(1, header.index_count - 2);
  --header.index_count;
  header.end_phy_offset = before.phy_offset;
  header.end_timestamp = fields.world.records[fields.world.records.size() - 2].timestamp;
  header.store(fields.world.file(1).data());
  fields.world.records.pop_back();
  const Verdict verdict = fields.world.judge();
  EXPECT_THAT(shown(verdict.findings), IsEmpty());
  EXPECT_TRUE(verdict.checks[1].uncounted_entry);
}

TEST(IndexDamage, QuickLooksAtTheHeader) {
  World world = two_files();
  EXPECT_THAT(shown(world.judge(IndexDepth::quick).checks[0].findings), IsEmpty());
  auto header = *format::IndexHeader::parse(world.file(1));
  const std::int32_t count = header.index_count;
  for (const std::int32_t wrong : {2, count - 2, count + 1, 61, -7}) {
    header.index_count = wrong;
    header.store(world.file(1).data());
    const scan::IndexGeometry geometry{13, 60, false};
    const auto check =
        check_index_file(world.files, world.survey.index_files[1], geometry, IndexDepth::quick);
    ASSERT_FALSE(check.findings.empty()) << wrong;
    EXPECT_EQ(check.findings.back().code, kIndexCount) << wrong;
  }
}

TEST(IndexDamage, EveryLengthIsAFindingAndKeepsWhatIsLeft) {
  const World clean = two_files();
  const std::size_t full = clean.files.files.at("/" + clean.survey.index_files[0].shown).bytes.size();
  for (std::size_t length = 0; length < full + 50; length += 3) {
    if (length == full) continue;
    World world = clean;
    world.file(0).resize(length);
    const Verdict verdict = world.judge();
    EXPECT_THAT(placed(verdict.findings),
                ElementsAre("IX-SIZE 00 0+" + std::to_string(std::max(length, full))))
        << length;
    EXPECT_EQ(verdict.missing + verdict.dangling, 0) << length;
  }
}

TEST(IndexDamage, AFileThatCannotBeReadIsSaidSo) {
  World world = two_files();
  world.files.files["/" + world.survey.index_files[0].shown].bad = {{500, 600}};
  const Verdict verdict = world.judge();
  ASSERT_FALSE(verdict.findings.empty());
  EXPECT_TRUE(verdict.checks[0].error);
  EXPECT_TRUE(
      std::ranges::any_of(verdict.findings, [](const Finding& f) { return f.code == kIndexUnreadable; }));
}

// Whatever stands in the file: no crash, no endless loop, bounded output.
TEST(IndexDamage, NoiseIsSurvived) {
  const World clean = two_files();
  std::mt19937_64 random(20'240'101);
  for (int round = 0; round < 600; ++round) {
    World world = clean;
    Bytes& bytes = world.file(static_cast<std::size_t>(round % 2));
    const std::size_t from = random() % bytes.size();
    const std::size_t count = round % 3 == 0 ? bytes.size() : 1 + random() % 200;
    for (std::size_t i = from; i < std::min(bytes.size(), from + count); ++i) {
      bytes[i] = static_cast<std::byte>(round % 5 == 0 ? 0xFFU : random());
    }
    if (round % 7 == 0) bytes.resize(random() % (bytes.size() + 1));
    const Verdict verdict = world.judge(round % 4 == 0 ? IndexDepth::quick : IndexDepth::full, {6000});
    EXPECT_LE(verdict.findings.size(), 400U) << round;
    for (const Finding& finding : verdict.findings) {
      EXPECT_GE(finding.offset, 0) << round;
      EXPECT_GE(finding.length, 0) << round;
    }
  }
}

}  // namespace
}  // namespace rmq::forensics
