// Every store of testdata that RocketMQ wrote and nobody damaged: what a reindex makes of its log is what a
// serial rebuild makes, which derive's own test holds against RocketMQ's files byte for byte; with one thread
// and with several, with memory for everything and with next to none.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "libstore/recovery/undo_journal.h"
#include "libstore/reindex/reindex.h"
#include "tests/derive/golden_rebuild.h"

namespace rmq::reindex {
namespace {

using derive::Rebuilt;
using derive::Settings;
using rmq::testing::OracleStore;
using rmq::testing::SimulatedFileSystem;

// Reads a store where it lies, and writes to a disk in memory, below /new.
class Overlay final : public io::FileSystem {
 public:
  explicit Overlay(SimulatedFileSystem& disk) : disk_(disk) {}
  [[nodiscard]] Result<std::unique_ptr<io::ReadFile>> open(const std::string& path) const override {
    return below(path).open(path);
  }
  [[nodiscard]] Result<std::vector<io::DirectoryEntry>> list(const std::string& path) const override {
    return below(path).list(path);
  }
  [[nodiscard]] Result<io::DirectoryEntry> stat(const std::string& path) const override {
    return below(path).stat(path);
  }
  Result<std::unique_ptr<io::WriteFile>> open_for_write(const std::string& path) override {
    return disk_.open_for_write(path);
  }
  Result<std::unique_ptr<io::WriteFile>> create(const std::string& path, std::int64_t size,
                                                std::span<const std::byte> head) override {
    return disk_.create(path, size, head);
  }
  std::vector<Status> create_sparse(std::span<const io::NewFile> files) override {
    return disk_.create_sparse(files);
  }
  Status sync_file_system(const std::string& path) override { return disk_.sync_file_system(path); }
  Status replace(const std::string& path, std::span<const std::byte> bytes) override {
    return disk_.replace(path, bytes);
  }
  Status make_directories(const std::string& path) override { return disk_.make_directories(path); }
  Status rename(const std::string& from, const std::string& to) override { return disk_.rename(from, to); }
  Status remove(const std::string& path) override { return disk_.remove(path); }
  Status set_modified(const std::string& path, std::int64_t ms) override {
    return disk_.set_modified(path, ms);
  }
  Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override { return disk_.lock(path); }
  [[nodiscard]] Result<io::Space> space(const std::string& path) const override { return disk_.space(path); }

 private:
  [[nodiscard]] const io::ReadFileSystem& below(const std::string& path) const {
    if (path.starts_with("/new")) return disk_;
    return io::posix_read_file_system();
  }
  SimulatedFileSystem& disk_;
};

struct File {
  std::vector<std::byte> bytes;
  std::int64_t modified_ms = 0;
  bool operator==(const File&) const = default;
};
using Tree = std::map<std::string, File>;

// Index files by their number: their names are those of the moment.
void add_tree(const io::ReadFileSystem& files, const std::string& directory, const std::string& shown,
              Tree& tree) {
  const auto entries = files.list(directory);
  if (!entries) return;
  int number = 0;
  for (const io::DirectoryEntry& entry : *entries) {
    const std::string name = shown == "/index" ? std::to_string(number++) : entry.name;
    const std::string path = directory + "/" + entry.name;
    if (entry.kind == io::EntryKind::directory) {
      add_tree(files, path, shown + "/" + name, tree);
    } else {
      auto bytes = io::read_all(files, path, 1 << 29);
      ASSERT_TRUE(bytes) << path;
      tree[shown + "/" + name] = {*std::move(bytes), entry.modified_ms};
    }
  }
}

Tree tree_of(const io::ReadFileSystem& files) {
  Tree tree;
  add_tree(files, "/new", "", tree);
  return tree;
}

Result<ReindexReport> reindex(SimulatedFileSystem& disk, const scan::StoreSurvey& survey, std::size_t jobs,
                              std::int64_t memory) {
  Overlay files(disk);
  ReindexOptions options;
  options.queues = true;
  options.index = survey.config.message_index_enable;
  options.out = "/new";
  options.jobs = jobs;
  options.memory_limit = memory;
  options.now_ms = 2'000'000'000'000;
  return run_reindex(files, survey, options);
}

void expect_equal(const Tree& ours, const Tree& serial) {
  for (const auto& [path, file] : serial) {
    const auto mine = ours.find(path);
    if (mine == ours.end()) {
      ADD_FAILURE() << path << " is missing";
      continue;
    }
    EXPECT_TRUE(mine->second.bytes == file.bytes) << path;
    EXPECT_EQ(mine->second.modified_ms, file.modified_ms) << path;
  }
  for (const auto& [path, file] : ours) EXPECT_TRUE(serial.contains(path)) << path << " is too many";
}

TEST(ReindexGolden, EveryStoreAsTheSerialRebuild) {
  int stores = 0;
  int refused = 0;
  std::size_t files = 0;
  for (const std::string& name : rmq::testing::oracle_store_names()) {
    if (std::filesystem::exists(rmq::testing::oracle_stores() / name / "damage.json")) continue;
    SCOPED_TRACE(name);
    const OracleStore store(rmq::testing::oracle_stores() / name, rmq::testing::unpacked_oracle_stores());
    const Settings settings = derive::settings_of(store);
    const auto survey = scan::survey_store(io::posix_read_file_system(), settings.config);
    ASSERT_TRUE(survey) << survey.error().message();
    SimulatedFileSystem parallel_disk(1);
    const auto parallel = reindex(parallel_disk, *survey, 4, 64 << 20);
    ASSERT_TRUE(parallel) << parallel.error().message();
    if (!parallel->refusals.empty()) {
      EXPECT_TRUE(tree_of(parallel_disk).empty());
      std::cout << "[ refused  ] " << name << ": " << parallel->refusals.front() << '\n';
      ++refused;
      continue;
    }
    // Records of before a truncation that follow on the log's end without a gap are records to whoever has
    // only the log, to RocketMQ too.
    if (settings.ends_stale) continue;
    SimulatedFileSystem serial_disk(1);
    const Rebuilt rebuilt = derive::rebuild(serial_disk, *survey, settings);
    const Tree ours = tree_of(parallel_disk);
    expect_equal(ours, tree_of(serial_disk));
    if (settings.deletions.empty()) {
      EXPECT_EQ(parallel->units, rebuilt.report.units);
    }
    EXPECT_EQ(parallel->keys, rebuilt.report.keys);
    EXPECT_EQ(parallel->unusable, rebuilt.report.unusable);
    SimulatedFileSystem small_disk(1);
    const auto small = reindex(small_disk, *survey, 2, 0);
    ASSERT_TRUE(small) << small.error().message();
    EXPECT_TRUE(tree_of(small_disk) == ours) << "with little memory";
    SimulatedFileSystem one_disk(1);
    ASSERT_TRUE(reindex(one_disk, *survey, 1, 64 << 20));
    EXPECT_TRUE(tree_of(one_disk) == ours) << "with one thread";
    ++stores;
    files += ours.size();
  }
  EXPECT_GT(stores, 40);
  EXPECT_LT(refused, 12);
  EXPECT_GT(files, 300U);
}

}  // namespace
}  // namespace rmq::reindex
