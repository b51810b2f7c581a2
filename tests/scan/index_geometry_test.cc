#include "libstore/scan/index_geometry.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "libstore/json/json_value.h"
#include "libstore/scan/store_survey.h"
#include "tests/scan/oracle_store.h"

namespace rmq::scan {
namespace {

using testing::fs::path;

// What store.json says was configured; stock's defaults where it says nothing.
IndexGeometry configured(const path& directory) {
  IndexGeometry geometry{format::kDefaultIndexSlots, format::kDefaultIndexEntries, false};
  const auto json = json::parse(testing::text_file(directory / "store.json"));
  const json::Value* config = json ? json->find("storeConfig") : nullptr;
  const auto number = [&](const char* key, std::int64_t& value) {
    const json::Value* found = config != nullptr ? config->find(key) : nullptr;
    if (found != nullptr && found->if_string() != nullptr) value = std::stoll(*found->if_string());
  };
  number("maxHashSlotNum", geometry.slots);
  number("maxIndexNum", geometry.entries);
  return geometry;
}

StoreSurvey survey_of(const path& root) {
  StoreConfig config;
  config.root = root.string();
  auto survey = survey_store(io::posix_read_file_system(), config);
  return survey ? *std::move(survey) : StoreSurvey();
}

TEST(IndexGeometryOracle, FindsWhatEveryReferenceStoreWasConfiguredWith) {
  int files = 0;
  for (const std::string& name : testing::oracle_store_names()) {
    const testing::OracleStore store(testing::oracle_stores() / name, testing::unpacked_oracle_stores());
    const StoreSurvey survey = survey_of(store.root());
    const auto geometries = infer_index_geometries(io::posix_read_file_system(), survey);
    ASSERT_EQ(geometries.size(), survey.index_files.size()) << name;
    const IndexGeometry expected = configured(store.directory());
    for (std::size_t i = 0; i < geometries.size(); ++i, ++files) {
      EXPECT_EQ(geometries[i].slots, expected.slots) << name << " " << survey.index_files[i].shown;
      EXPECT_EQ(geometries[i].entries, expected.entries) << name << " " << survey.index_files[i].shown;
      EXPECT_FALSE(geometries[i].ambiguous) << name << " " << survey.index_files[i].shown;
    }
  }
  EXPECT_GT(files, 100);
}

}  // namespace
}  // namespace rmq::scan
