#include "libstore/rocks/pop_states.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/rocks/rocks_testing.h"

namespace rmq::rocks {
namespace {

scan::StoreSurvey store() {
  scan::StoreSurvey survey;
  survey.root = "/store";
  return survey;
}

struct Read {
  PopStateTable table;
  std::vector<format::PopState> states;
};

Read read(const testing::MemoryFileSystem& files, PopStateDepth depth) {
  Read found;
  found.table = read_pop_states(files, store(), depth, [&](const format::PopState& state) {
    found.states.push_back(state);
    return true;
  });
  return found;
}

TEST(PopStates, ReadsWhatRocketMqWrote) {
  testing::MemoryFileSystem files;
  load_golden(files, "popState", "/store/kvStore");
  const Read found = read(files, PopStateDepth::entries);
  EXPECT_GT(found.table.bytes, 5000);
  EXPECT_EQ(found.table.fault, "");
  EXPECT_EQ(found.table.strange_entries, 0);
  ASSERT_EQ(found.states.size(), 11U);
  for (std::size_t i = 1; i < found.states.size(); ++i)
    EXPECT_LE(found.states[i - 1].visible_at(), found.states[i].visible_at());
  EXPECT_EQ(found.states.front().group, "pop_group");
  EXPECT_TRUE(read(files, PopStateDepth::open).states.empty());
}

TEST(PopStates, ADatabaseThatIsDamagedOrIncompleteIsAFault) {
  testing::MemoryFileSystem whole;
  load_golden(whole, "popState", "/store/kvStore");
  for (const char* name : {"CURRENT", "MANIFEST-000005", "000011.sst"}) {
    testing::MemoryFileSystem files = whole;
    files.files.erase(std::string("/store/kvStore/") + name);
    EXPECT_NE(read(files, PopStateDepth::open).table.fault, "") << name;
  }
  EXPECT_TRUE(is_pop_state_database(whole, store()));
  EXPECT_FALSE(is_pop_state_database(testing::MemoryFileSystem(), store()));
  EXPECT_EQ(read(testing::MemoryFileSystem(), PopStateDepth::entries).table.fault, "");
}

}  // namespace
}  // namespace rmq::rocks
