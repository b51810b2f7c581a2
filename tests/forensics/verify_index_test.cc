#include "libstore/forensics/verify_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "libstore/format/message_properties.h"
#include "libstore/format/sys_flag.h"
#include "libstore/json/json_value.h"
#include "libstore/scan/commit_log_walker.h"
#include "libstore/scan/index_geometry.h"
#include "libstore/scan/store_survey.h"
#include "tests/scan/oracle_store.h"

namespace rmq::forensics {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using testing::fs::path;

struct Store {
  explicit Store(const path& root) {
    scan::StoreConfig config;
    config.root = root.string();
    if (auto result = scan::survey_store(io::posix_read_file_system(), config)) survey = *std::move(result);
    const auto geometries = scan::infer_index_geometries(io::posix_read_file_system(), survey);
    for (std::size_t i = 0; i < survey.index_files.size(); ++i) {
      checks.push_back(check_index_file(io::posix_read_file_system(), survey.index_files[i], geometries[i],
                                        IndexDepth::full));
    }
  }
  scan::StoreSurvey survey;
  std::vector<IndexFileCheck> checks;
};

std::vector<std::string> shown(const std::vector<Finding>& findings) {
  std::vector<std::string> lines;
  for (const Finding& finding : findings) {
    lines.push_back(std::string(finding.code) + " " + finding.file + " [" + std::to_string(finding.offset) +
                    "+" + std::to_string(finding.length) + "] " + finding.message);
  }
  return lines;
}

TEST(VerifyIndexOracle, NothingIsWrongWithIndexFilesThatNobodyDamaged) {
  int files = 0;
  for (const std::string& name : testing::oracle_store_names()) {
    if (name.starts_with("dmg-index")) continue;
    const testing::OracleStore oracle(testing::oracle_stores() / name, testing::unpacked_oracle_stores());
    const Store store(oracle.root());
    for (const IndexFileCheck& check : store.checks) {
      ++files;
      EXPECT_THAT(shown(check.findings), IsEmpty()) << name << " " << check.file.shown;
      EXPECT_TRUE(check.readable) << name;
      EXPECT_EQ(check.used, std::max(check.header.index_count, 1) - 1) << name << " " << check.file.shown;
      EXPECT_EQ(check.out_of_order, 0) << name << " " << check.file.shown;
      EXPECT_FALSE(check.begin_offset_in_doubt || check.end_offset_in_doubt || check.times_in_doubt) << name;
    }
  }
  EXPECT_GT(files, 100);
}

struct Place {
  std::string_view code;
  std::int64_t offset;
  std::int64_t length;
  bool operator==(const Place&) const = default;
  auto operator<=>(const Place&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Place& place) {
  return out << place.code << " [" << place.offset << "+" << place.length << "]";
}

std::vector<Place> places(const std::vector<Finding>& findings) {
  std::vector<Place> result;
  for (const Finding& finding : findings) result.push_back({finding.code, finding.offset, finding.length});
  std::ranges::sort(result);
  return result;
}

// What must be said of each damaged file: damage.json tells which bytes were changed, this table what they
// are. Of the others nothing may be said.
const std::map<std::string, std::vector<Place>, std::less<>> kDamage{
    {"dmg-index-chain", {{kIndexChain, 3912, 4}, {kIndexSlot, 44, 4}, {kIndexSlot, 48, 4}}},
    {"dmg-index-cycle",
     {{kIndexChain, 2252, 4}, {kIndexChain, 2972, 4}, {kIndexChain, 4612, 4}, {kIndexChain, 5012, 4}}},
    {"dmg-index-cycle-rmq4",
     {{kIndexChain, 3832, 4}, {kIndexChain, 4272, 4}, {kIndexChain, 4492, 4}, {kIndexChain, 6032, 4}}},
    {"dmg-index-header-count", {{kIndexCount, 36, 4}, {kIndexSlotCount, 32, 4}}},
    {"dmg-index-header-low", {{kIndexCount, 36, 4}}},
    {"dmg-index-header-time", {{kIndexTimes, 0, 16}}},
    {"dmg-index-missing", {}},
    {"dmg-index-missing-last", {}},
    {"dmg-index-self-loop", {{kIndexChain, 3912, 4}}},
    {"dmg-index-short", {{kIndexSize, 0, 6296}}},
    {"dmg-index-wrong-phy", {}},  // only the log knows
};

// The file that damage.json names, and where in it bytes were changed.
std::pair<std::string, std::vector<std::int64_t>> damaged_places(const path& directory) {
  std::pair<std::string, std::vector<std::int64_t>> result;
  const auto json = json::parse(testing::text_file(directory / "damage.json"));
  const json::Value* list = json ? json->find("places") : nullptr;
  if (list == nullptr || list->if_array() == nullptr) return result;
  for (const json::Value& place : list->if_array()->items) {
    result.first = *place.find("path")->if_string();
    result.second.push_back(place.find("fileOffset")->as_int64().value_or(-1));
  }
  return result;
}

TEST(VerifyIndexOracle, EveryDamageIsNamedWhereItLies) {
  int stores = 0;
  for (const std::string& name : testing::oracle_store_names()) {
    if (!name.starts_with("dmg-index")) continue;
    ++stores;
    const testing::OracleStore oracle(testing::oracle_stores() / name, testing::unpacked_oracle_stores());
    const Store store(oracle.root());
    const auto expected = kDamage.find(name);
    ASSERT_NE(expected, kDamage.end()) << name;
    const auto [file, offsets] = damaged_places(oracle.directory());
    for (const IndexFileCheck& check : store.checks) {
      const std::vector<Place> found = places(check.findings);
      if (check.file.shown != file) {
        EXPECT_THAT(found, IsEmpty()) << name << " " << check.file.shown;
        continue;
      }
      EXPECT_EQ(found, expected->second) << name;
      for (const Place& place : found) {
        EXPECT_TRUE(std::ranges::any_of(offsets,
                                        [&](std::int64_t offset) {
                                          return offset >= place.offset &&
                                                 (offset < place.offset + place.length);
                                        }))
            << name << " " << place;
      }
    }
  }
  EXPECT_GE(stores, 11);
}

// The log pass in short: each file of the log is one part, its records are told to a matcher.
struct Matched {
  std::vector<IndexMatchReport> reports;
  std::vector<Finding> findings;
};

void tell(const format::MessageView& message, std::int64_t offset, IndexMatcher& matcher) {
  if (!format::enters_index(message.sys_flag)) return;
  const auto properties = format::store_properties(message.properties);
  std::vector<std::int32_t> hashes;
  format::append_index_key_hashes(java_hash("#", java_hash(message.topic)), properties.uniq_key,
                                  properties.keys.value_or(""), hashes);
  matcher.expect(offset, message.store_timestamp, hashes);
}

Matched match(const Store& store) {
  Matched result;
  for (const scan::MappedFile& info : store.survey.commit_log.files) {
    auto file = io::posix_read_file_system().open(info.path);
    if (!file) continue;
    const std::int64_t start = scan::records_start(**file, info.start).value_or(info.start);
    scan::CommitLogWalker::Options options;
    options.records_start = start;
    options.file_size = store.survey.commit_log.file_size;
    options.dledger = store.survey.commit_log_is_dledger;
    IndexMatcher matcher(io::posix_read_file_system(), store.checks, start, start + info.size);
    scan::CommitLogWalker walker(**file, options);
    while (const auto item = walker.next()) {
      if (item->kind == scan::LogItemKind::record) tell(item->message, start + item->position, matcher);
    }
    result.reports.push_back(matcher.finish());
  }
  result.findings = resolve_index_doubts(store.checks, result.reports);
  for (const IndexMatchReport& report : result.reports) {
    result.findings.insert(result.findings.end(), report.findings.begin(), report.findings.end());
  }
  return result;
}

// Stores whose index and log must agree, but do not: what the writer's description says of them.
// Damage of the log shows as dangling entries; damage of the index is listed with its places.
struct Disagreement {
  std::int64_t dangling = 0;
  std::int64_t missing = 0;
  std::int64_t folded = 0;
  std::vector<Place> places;
};
const std::map<std::string, Disagreement, std::less<>> kDisagreements{
    {"dmg-index-short", {0, 0, 158, {}}},  // 299 entries, 141 of them before the cut
    {"dmg-index-wrong-phy", {0, 0, 0, {{kIndexOffset, 356, 20}, {kIndexOffset, 396, 20}}}},
    {"dmg-index-missing", {0, 772, 0, {}}},
    {"dmg-index-missing-last", {0, 174, 0, {}}},
    {"crash-index-behind", {0, 174, 0, {}}},
    {"no-index", {0, 135, 0, {}}},
    // Truncated and written again: stock does not index what lies below the last file's endPhyOffset.
    {"stale-tail", {22, 5, 0, {}}},
    {"stale-tail-exact", {1, 1, 0, {}}},
};

TEST(IndexMatcherOracle, RecordsAndIndexAgree) {
  std::int64_t all_keys = 0;
  for (const std::string& name : testing::oracle_store_names()) {
    const testing::OracleStore oracle(testing::oracle_stores() / name, testing::unpacked_oracle_stores());
    const Store store(oracle.root());
    const Matched matched = match(store);
    std::int64_t dangling = 0;
    std::int64_t missing = 0;
    std::int64_t folded = 0;
    std::int64_t keys = 0;
    std::int64_t found = 0;
    for (const IndexMatchReport& report : matched.reports) {
      for (const DanglingIndexEntry& entry : report.dangling) dangling += entry.count;
      for (const MissingIndexRun& run : report.missing) missing += run.keys;
      folded += report.folded;
      keys += report.keys;
      found += report.matched;
      EXPECT_FALSE(report.error) << name;
      EXPECT_EQ(report.dropped, 0) << name;
    }
    all_keys += keys;
    EXPECT_EQ(keys, found + missing + folded) << name;
    const auto known = kDisagreements.find(name);
    const Disagreement expected = known == kDisagreements.end() ? Disagreement() : known->second;
    EXPECT_THAT(places(matched.findings), ElementsAreArray(expected.places))
        << name << " " << ::testing::PrintToString(shown(matched.findings));
    // A killed writer may have stored a record, and not its keys.
    const bool killed = name.starts_with("crash-kill9");
    if (!killed) {
      EXPECT_EQ(missing, expected.missing) << name;
    }
    EXPECT_LE(missing, std::max<std::int64_t>(expected.missing, killed ? 4 : 0)) << name;
    EXPECT_EQ(folded, expected.folded) << name;
    // Entries that lead to nothing prove that the log has lost something: only where that is so.
    const bool log_damaged = name.starts_with("dmg-") || name.starts_with("crash-");
    if (!log_damaged || name.starts_with("dmg-index")) {
      EXPECT_EQ(dangling, expected.dangling) << name;
    }
  }
  EXPECT_GT(all_keys, 50'000);
}

// The entries of a store whose log is gone all dangle, and no record is needed to say so.
TEST(IndexMatcherOracle, EntriesIntoALogThatIsGoneDangle) {
  const testing::OracleStore oracle(testing::oracle_stores() / "base", testing::unpacked_oracle_stores());
  const Store store(oracle.root());
  IndexMatcher matcher(io::posix_read_file_system(), store.checks, 65'536, 131'072);
  const IndexMatchReport report = matcher.finish();
  std::int64_t entries = 0;
  for (const DanglingIndexEntry& entry : report.dangling) {
    entries += entry.count;
    EXPECT_GE(entry.phy_offset, 65'536);
    EXPECT_LT(entry.last_phy_offset, 131'072);
  }
  EXPECT_EQ(entries, 118);
  EXPECT_EQ(report.keys, 0);
}

}  // namespace
}  // namespace rmq::forensics
