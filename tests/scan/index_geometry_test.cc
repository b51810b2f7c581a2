#include "libstore/scan/index_geometry.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "libstore/json/json_value.h"
#include "libstore/scan/store_survey.h"
#include "libstore/testing/memory_file_system.h"
#include "tests/scan/oracle_store.h"

namespace rmq::scan {

// For gtest.
static std::ostream& operator<<(std::ostream& out, const IndexGeometry& geometry) {
  return out << geometry.slots << "/" << geometry.entries << (geometry.ambiguous ? "?" : "");
}

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

// Index files as stock writes them, with random hashes; the first record lies at `begin`.
std::vector<std::byte> index_file(std::int64_t slots, std::int64_t entries, std::int32_t used,
                                  std::int64_t begin, std::uint32_t seed = 1) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(format::index_entry_position(slots, entries)));
  std::mt19937 random(seed);
  format::IndexHeader header;
  for (std::int32_t number = 1; number <= used; ++number) {
    const auto hash = static_cast<std::int32_t>(random() & 0x7FFFFFFFU);
    std::byte* slot = bytes.data() + format::index_slot_position(hash % slots);
    const auto head = load_be<std::int32_t>(slot);
    const std::int64_t offset = begin + (number - 1) * 200;
    format::IndexEntry{hash, offset, number / 10, head}.store(bytes.data() +
                                                              format::index_entry_position(slots, number));
    store_be(slot, number);
    header.hash_slot_count += head == 0 ? 1 : 0;
    header.end_phy_offset = offset;
  }
  header.begin_phy_offset = used > 0 ? begin : 0;
  header.begin_timestamp = header.end_timestamp = 1'700'000'000'000;
  header.index_count = used + 1;
  header.store(bytes.data());
  return bytes;
}

struct Files {
  testing::MemoryFileSystem memory;
  StoreSurvey survey;

  void add(std::vector<std::byte> bytes) {
    IndexFileInfo info;
    info.name = info.shown = "2024010100000000" + std::to_string(survey.index_files.size());
    info.path = "/" + info.name;
    info.size = static_cast<std::int64_t>(bytes.size());
    survey.index_file_size = std::max(survey.index_file_size, info.size);
    memory.files[info.path].bytes = std::move(bytes);
    survey.index_files.push_back(info);
  }
  std::vector<std::byte>& bytes(std::size_t i) { return memory.files[survey.index_files[i].path].bytes; }
  [[nodiscard]] std::vector<IndexGeometry> infer() {
    for (IndexFileInfo& info : survey.index_files) {
      info.size = static_cast<std::int64_t>(memory.files[info.path].bytes.size());
    }
    return infer_index_geometries(memory, survey);
  }
};

TEST(IndexGeometry, AnyNumberOfSlotsIsFound) {
  for (const std::int64_t slots : {1, 2, 3, 5, 7, 64, 100, 999, 5000}) {
    for (const std::int64_t entries : {2, 3, 40, 401, 3000}) {
      for (const std::int64_t begin : {std::int64_t{0}, std::int64_t{123'456'789}}) {
        for (const std::int64_t used : {std::int64_t{1}, entries / 2, entries - 1}) {
          if (used < 1) continue;
          Files files;
          files.add(index_file(slots, entries, static_cast<std::int32_t>(used), begin));
          EXPECT_EQ(files.infer().front(), (IndexGeometry{slots, entries, false}))
              << slots << "/" << entries << " used " << used << " begin " << begin;
        }
      }
    }
  }
}

TEST(IndexGeometry, AHeaderThatLiesDoesNotHideTheSlots) {
  for (const std::int64_t damage : {0, 16, 24, 32, 36}) {  // each field
    Files files;
    files.add(index_file(97, 500, 300, 4096));
    store_be(files.bytes(0).data() + damage, std::int32_t{0x5A5A5A5A});
    EXPECT_EQ(files.infer().front(), (IndexGeometry{97, 500, false})) << damage;
  }
  Files nothing_true;
  nothing_true.add(index_file(97, 500, 300, 4096));
  std::fill_n(nothing_true.bytes(0).begin(), 40, std::byte{0x77});
  EXPECT_EQ(nothing_true.infer().front(), (IndexGeometry{97, 500, false}));
}

TEST(IndexGeometry, ADamagedFirstEntryDoesNotHideTheSlots) {
  Files files;
  files.add(index_file(97, 500, 300, 4096));
  std::fill_n(files.bytes(0).begin() + format::index_entry_position(97, 1), 20, std::byte{0x33});
  EXPECT_EQ(files.infer().front(), (IndexGeometry{97, 500, false}));
}

// Cut where the rest would still pass for a smaller file; lengthened; cut anywhere; noise: the other files
// know.
TEST(IndexGeometry, DamagedFilesHaveTheGeometryOfTheOthers) {
  const IndexGeometry right{97, 500, false};
  for (const int change : {-20 * 100, -20 * 300, -4, -7, -9000, 20, 400}) {
    Files files;
    for (std::uint32_t seed = 1; seed <= 3; ++seed)
      files.add(index_file(97, 500, 300, 4096 + seed * 100'000, seed));
    files.bytes(1).resize(files.bytes(1).size() + static_cast<std::size_t>(change));
    for (const IndexGeometry& geometry : files.infer()) EXPECT_EQ(geometry, right) << change;
  }
  Files noise;
  for (std::uint32_t seed = 1; seed <= 3; ++seed) noise.add(index_file(97, 500, 300, 4096, seed));
  std::mt19937 random(7);
  for (std::byte& byte : noise.bytes(2)) byte = static_cast<std::byte>(random());
  EXPECT_EQ(noise.infer()[2], right);
}

TEST(IndexGeometry, EmptyFilesNeedNoneOrTakeTheOthers) {
  Files alone;
  alone.add(index_file(97, 500, 0, 0));
  EXPECT_EQ(alone.infer().front(), IndexGeometry{});
  Files files;
  files.add(index_file(97, 500, 499, 4096));
  files.add(index_file(97, 500, 0, 0));
  EXPECT_EQ(files.infer()[1], (IndexGeometry{97, 500, false}));
}

TEST(IndexGeometry, BrokerConfWins) {
  Files files;
  files.add(index_file(97, 500, 300, 4096));
  files.survey.config.index_slots = 64;
  files.survey.config.index_entries = 400;
  EXPECT_EQ(files.infer().front(), (IndexGeometry{64, 400, false}));
  files.survey.config.index_entries.reset();
  files.survey.config.index_slots = 97;
  EXPECT_EQ(files.infer().front(), (IndexGeometry{97, 500, false}));
  files.survey.config.index_slots.reset();
  files.survey.config.index_entries = 500;
  EXPECT_EQ(files.infer().front(), (IndexGeometry{97, 500, false}));
}

// Two keys of the log's first record, in slots 0 and 6 of 16: slot 6 reads as the first entry of a file with
// one slot, and only the header's end offset would tell them apart.
TEST(IndexGeometry, TwoNumbersOfSlotsThatFitAreSaidToBeAmbiguous) {
  Files files;
  files.add(std::vector<std::byte>(static_cast<std::size_t>(format::index_entry_position(16, 20))));
  std::byte* bytes = files.bytes(0).data();
  format::IndexEntry{32, 0, 0, 0}.store(bytes + format::index_entry_position(16, 1));
  format::IndexEntry{22, 0, 0, 0}.store(bytes + format::index_entry_position(16, 2));
  store_be(bytes + format::index_slot_position(0), std::int32_t{1});
  store_be(bytes + format::index_slot_position(6), std::int32_t{2});
  format::IndexHeader{1000, 1000, 0, 0, 2, 3}.store(bytes);
  EXPECT_EQ(files.infer().front(), (IndexGeometry{16, 20, false}));
  format::IndexHeader{1000, 1000, 0, 999, 2, 3}.store(bytes);
  EXPECT_TRUE(files.infer().front().ambiguous);
}

TEST(IndexGeometry, NoiseProvesNothing) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    Files files;
    std::vector<std::byte> bytes(random() % 5000);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    files.add(bytes);
    const IndexGeometry geometry = files.infer().front();
    EXPECT_TRUE(!geometry.known() || geometry.ambiguous) << round << " " << geometry;
  }
}

}  // namespace
}  // namespace rmq::scan
