// Every byte table of docs/format is the layout constant it names, row by row; every constant has its table.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/config_v2_key.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/consume_queue_ext_unit.h"
#include "libstore/format/dledger_entry.h"
#include "libstore/format/dledger_index_unit.h"
#include "libstore/format/index_file.h"
#include "libstore/format/pop_state.h"
#include "libstore/format/rocks_queue.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/format/timer_checkpoint.h"
#include "libstore/format/timer_log_unit.h"
#include "libstore/format/timer_slot.h"
#include "tests/paths/paths.h"

namespace rmq::format {
namespace {

const std::map<std::string, std::span<const LayoutField>> kLayouts = {
    {"kRecordLayout", kRecordLayout},
    {"kBlankLayout", kBlankLayout},
    {"kConsumeQueueEntryLayout", kConsumeQueueEntryLayout},
    {"kConsumeQueueExtUnitLayout", kConsumeQueueExtUnitLayout},
    {"kBatchConsumeQueueEntryLayout", kBatchConsumeQueueEntryLayout},
    {"kDledgerEntryLayout", kDledgerEntryLayout},
    {"kDledgerIndexUnitLayout", kDledgerIndexUnitLayout},
    {"kIndexHeaderLayout", kIndexHeaderLayout},
    {"kIndexEntryLayout", kIndexEntryLayout},
    {"kStoreCheckpointLayout", kStoreCheckpointLayout},
    {"kPopStateKeyLayout", kPopStateKeyLayout},
    {"kRocksQueueKeyLayout", kRocksQueueKeyLayout},
    {"kRocksQueueValueLayout", kRocksQueueValueLayout},
    {"kRocksOffsetKeyLayout", kRocksOffsetKeyLayout},
    {"kRocksOffsetValueLayout", kRocksOffsetValueLayout},
    {"kConfigV2NameKeyLayout", kConfigV2NameKeyLayout},
    {"kConfigV2OffsetKeyLayout", kConfigV2OffsetKeyLayout},
    {"kConfigV2DataVersionLayout", kConfigV2DataVersionLayout},
    {"kTimerCheckpointLayout", kTimerCheckpointLayout},
    {"kTimerLogUnitLayout", kTimerLogUnitLayout},
    {"kTimerLogBlankLayout", kTimerLogBlankLayout},
    {"kTimerSlotLayout", kTimerSlotLayout},
};

std::vector<std::string> cells(const std::string& row) {
  std::vector<std::string> found;
  for (std::size_t at = 1; at < row.size();) {
    const std::size_t end = std::min(row.find('|', at), row.size());
    std::string cell = row.substr(at, end - at);
    cell.erase(0, std::min(cell.find_first_not_of(' '), cell.size()));
    cell.erase(cell.find_last_not_of(' ') + 1);
    found.push_back(cell);
    at = end + 1;
  }
  return found;
}

TEST(LayoutDoc, TablesAndConstantsAreTheSame) {
  std::map<std::string, std::vector<LayoutField>> tables;
  std::vector<std::string> kept;  // owns what the fields point at
  kept.reserve(4096);
  for (const auto& page : std::filesystem::directory_iterator(tests::source_directory() + "/docs/format")) {
    std::ifstream in(page.path());
    std::string layout;
    bool in_table = false;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("Layout: ")) layout = line.substr(8);
      if (line == "| name | offset | size | type | meaning |") {
        ASSERT_TRUE(kLayouts.contains(layout)) << page.path() << ": table without a known layout: " << layout;
        ASSERT_FALSE(tables.contains(layout)) << page.path() << ": second table of " << layout;
        tables[layout];
        in_table = true;
        continue;
      }
      if (!line.starts_with('|')) in_table = false;
      if (!in_table || line.starts_with("|---")) continue;
      const auto row = cells(line);
      ASSERT_EQ(row.size(), 5U) << page.path() << ": " << line;
      const std::size_t first = kept.size();
      ASSERT_LE(first + 4, kept.capacity());
      kept.insert(kept.end(), row.begin(), row.begin() + 4);
      tables[layout].push_back({kept[first], kept[first + 1], kept[first + 2], kept[first + 3]});
    }
  }
  for (const auto& [name, fields] : kLayouts) {
    ASSERT_TRUE(tables.contains(name)) << name << " is on no page";
    ASSERT_EQ(tables[name].size(), fields.size()) << name;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      EXPECT_EQ(tables[name][i].name, fields[i].name) << name;
      EXPECT_EQ(tables[name][i].offset, fields[i].offset) << name << ' ' << fields[i].name;
      EXPECT_EQ(tables[name][i].size, fields[i].size) << name << ' ' << fields[i].name;
      EXPECT_EQ(tables[name][i].type, fields[i].type) << name << ' ' << fields[i].name;
    }
  }
}

}  // namespace
}  // namespace rmq::format
