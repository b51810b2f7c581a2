#include "libstore/forensics/verify_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "libstore/json/json_value.h"
#include "libstore/scan/index_geometry.h"
#include "libstore/scan/store_survey.h"
#include "tests/scan/oracle_store.h"

namespace rmq::forensics {
namespace {

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

}  // namespace
}  // namespace rmq::forensics
