// The simulation's own promises: a power loss keeps what was synced and may keep or tear the rest, a kill
// keeps what was written, a failed sync is final. What it shares with the operating system's files:
// tests/io/file_system_test.cc.
#include "libstore/testing/simulated_file_system.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <thread>

#include "libstore/bytes/big_endian.h"

namespace rmq::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using End = SimulatedFileSystem::End;
using Unsynced = SimulatedFileSystem::Unsynced;

constexpr std::int64_t kPage = 4096;
constexpr std::uint64_t kSeeds = 120;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string text(const SimulatedFileSystem& disk, const std::string& path) {
  const auto bytes = io::read_all(disk, path, 1 << 30);
  if (!bytes) return "error: " + bytes.error().message();
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

std::vector<std::string> names(const SimulatedFileSystem& disk, const std::string& directory) {
  std::vector<std::string> found;
  const auto entries = disk.list(directory);
  if (!entries) return {"error: " + entries.error().message()};
  for (const io::DirectoryEntry& entry : *entries) found.push_back(entry.name);
  return found;
}

std::unique_ptr<io::WriteFile> create(SimulatedFileSystem& disk, const std::string& path, std::int64_t size,
                                      std::string_view head = "") {
  auto file = disk.create(path, size, bytes_of(head));
  if (!file) throw std::runtime_error(file.error().message());
  return std::move(*file);
}

std::string pages(char letter, std::int64_t count) {
  return std::string(static_cast<std::size_t>(count * kPage), letter);
}

void lose_power_and_restart(SimulatedFileSystem& disk, Unsynced unsynced = Unsynced::by_chance) {
  disk.lose_power(unsynced);
  disk.restart();
}

TEST(SimulatedFileSystemTest, APowerLossKeepsWhatWasSyncedAndPerhapsMore) {
  std::map<std::string, int> fates;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem disk(seed);
    const auto file = create(disk, "/a", 6 * kPage);
    const auto map = file->map(3 * kPage, 3 * kPage);
    ASSERT_TRUE(map);
    ASSERT_TRUE(file->write_at(0, bytes_of(pages('s', 1))));
    ASSERT_TRUE(file->sync());
    ASSERT_TRUE(file->write_durable(kPage, bytes_of(pages('d', 1))));
    std::ranges::fill((*map)->bytes(), std::byte{'m'});
    ASSERT_TRUE((*map)->sync(0, kPage));
    ASSERT_TRUE(file->write_at(2 * kPage, bytes_of(pages('u', 1))));
    lose_power_and_restart(disk);
    const std::string after = text(disk, "/a");
    ASSERT_EQ(after.size(), 6 * kPage);
    EXPECT_EQ(after.substr(0, kPage), pages('s', 1));
    EXPECT_EQ(after.substr(kPage, kPage), pages('d', 1));
    EXPECT_EQ(after.substr(3 * kPage, kPage), pages('m', 1));
    for (const auto& [page, letter] : {std::pair{2, 'u'}, std::pair{4, 'm'}, std::pair{5, 'm'}}) {
      // Each sector is the old one or the new one.
      std::string fate;
      for (int sector = 0; sector < 8; ++sector) {
        const std::string found = after.substr(static_cast<std::size_t>(page * kPage + sector * 512), 512);
        ASSERT_TRUE(found == std::string(512, '\0') || found == std::string(512, letter)) << "seed " << seed;
        fate += found[0] == '\0' ? '-' : '+';
      }
      ++fates[fate == "--------" ? "lost" : fate == "++++++++" ? "kept" : "torn"];
    }
  }
  for (const char* fate : {"lost", "kept", "torn"}) EXPECT_GT(fates[fate], 40) << fate;
}

TEST(SimulatedFileSystemTest, TheWorstAndTheBestPowerLoss) {
  for (const Unsynced unsynced : {Unsynced::lost, Unsynced::kept}) {
    SimulatedFileSystem disk(1);
    disk.set_write_back(0);
    const auto file = create(disk, "/a", 2 * kPage, "head");
    ASSERT_TRUE(disk.lock("/lock"));  // makes a name without syncing it
    ASSERT_TRUE(file->write_at(0, bytes_of("HEAD")));
    ASSERT_TRUE(file->write_at(2 * kPage, bytes_of("tail")));
    lose_power_and_restart(disk, unsynced);
    const bool kept = unsynced == Unsynced::kept;
    EXPECT_EQ(text(disk, "/a").substr(0, 4), kept ? "HEAD" : "head");
    EXPECT_EQ(text(disk, "/a").size(), 2 * kPage + (kept ? 4U : 0U));
    EXPECT_EQ(names(disk, "/").size(), kept ? 2U : 1U);
  }
}

TEST(SimulatedFileSystemTest, TheKernelWritesBackWhenItLikes) {
  int early = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem disk(seed);
    const auto file = create(disk, "/a", 4 * kPage);
    for (int page = 0; page < 4; ++page) ASSERT_TRUE(file->write_at(page * kPage, bytes_of("x")));
    lose_power_and_restart(disk, Unsynced::lost);
    const std::string after = text(disk, "/a");
    early += static_cast<int>(std::ranges::count(after, 'x'));
  }
  EXPECT_GT(early, 20);
  EXPECT_LT(early, 240);
}

TEST(SimulatedFileSystemTest, AFileThatGrewKeepsItsSyncedLength) {
  std::set<std::size_t> lengths;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem disk(seed);
    const auto file = create(disk, "/a", 0);
    ASSERT_TRUE(file->write_durable(0, bytes_of("synced")));
    ASSERT_TRUE(file->write_at(6, bytes_of(pages('x', 3))));
    lose_power_and_restart(disk);
    const std::string after = text(disk, "/a");
    EXPECT_EQ(after.substr(0, 6), "synced");
    EXPECT_TRUE(std::ranges::all_of(after.substr(6), [](char byte) { return byte == 'x' || byte == 0; }));
    lengths.insert(after.size());
  }
  EXPECT_THAT(lengths, IsSupersetOf({std::size_t{6}, std::size_t{kPage}, std::size_t{2 * kPage},
                                     std::size_t{3 * kPage + 6}}));
  EXPECT_LE(*lengths.rbegin(), static_cast<std::size_t>(3 * kPage + 6));
}

TEST(SimulatedFileSystemTest, AKillKeepsTheCache) {
  SimulatedFileSystem disk(1);
  auto file = create(disk, "/a", 2 * kPage);
  auto map = file->map(0, 2 * kPage);
  ASSERT_TRUE(map);
  const auto lock = disk.lock("/lock");
  ASSERT_TRUE(lock);
  ASSERT_TRUE(file->write_at(0, bytes_of("written")));
  std::memcpy((*map)->bytes().data() + kPage, "mapped", 6);
  disk.kill();
  EXPECT_TRUE(disk.ended());
  // The dead process does no more.
  std::memcpy((*map)->bytes().data(), "ghost", 5);
  EXPECT_EQ(file->write_at(0, bytes_of("ghost")).error().os_errno, SimulatedFileSystem::kEnded);
  EXPECT_EQ(disk.replace("/b", bytes_of("ghost")).error().os_errno, SimulatedFileSystem::kEnded);
  EXPECT_EQ(disk.open("/a").error().os_errno, SimulatedFileSystem::kEnded);
  disk.restart();
  EXPECT_EQ(file->sync().error().os_errno, SimulatedFileSystem::kEnded);  // nor later
  EXPECT_EQ((*map)->sync(0, 1).error().os_errno, SimulatedFileSystem::kEnded);
  EXPECT_EQ(text(disk, "/a").substr(0, 8), std::string("written\0", 8));
  EXPECT_EQ(text(disk, "/a").substr(kPage, 6), "mapped");
  EXPECT_TRUE(disk.lock("/lock"));
  EXPECT_THAT(names(disk, "/"), ElementsAre("a", "lock"));
  map->reset();
  file.reset();
  // And the bytes are still dirty.
  disk.set_write_back(0);
  lose_power_and_restart(disk, Unsynced::lost);
  EXPECT_EQ(text(disk, "/a"), pages('\0', 2));
}

TEST(SimulatedFileSystemTest, UnmappedBytesStayDirty) {
  for (const bool sync : {false, true}) {
    SimulatedFileSystem disk(1);
    disk.set_write_back(0);
    const auto file = create(disk, "/a", kPage);
    auto map = file->map(0, kPage);
    ASSERT_TRUE(map);
    (*map)->bytes()[0] = std::byte{'m'};
    map->reset();
    if (sync) {
      ASSERT_TRUE(file->sync());
    }
    lose_power_and_restart(disk, Unsynced::lost);
    EXPECT_EQ(text(disk, "/a")[0], sync ? 'm' : '\0');
  }
}

TEST(SimulatedFileSystemTest, AFailedSyncIsFinal) {
  const std::map<std::string, std::function<Status(io::WriteFile&, io::WriteMap&)>> syncs = {
      {"sync", [](auto& file, auto&) { return file.sync(); }},
      {"map", [](auto&, auto& map) { return map.sync(0, kPage); }},
      {"durable", [](auto& file, auto&) { return file.write_durable(0, bytes_of("x")); }}};
  for (const auto& [name, sync] : syncs) {
    SimulatedFileSystem disk(1);
    disk.set_write_back(0);
    const auto file = create(disk, "/a", kPage);
    auto map = file->map(0, kPage);
    ASSERT_TRUE(map);
    (*map)->bytes()[0] = std::byte{'x'};
    (*map)->bytes()[1] = std::byte{'y'};
    disk.fail_syncs(EIO);
    EXPECT_EQ(sync(*file, **map).error().os_errno, EIO) << name;
    disk.fail_syncs(0);
    EXPECT_TRUE(file->sync());  // and says so, but the pages were taken for clean
    EXPECT_EQ(text(disk, "/a").substr(0, 2), "xy");
    map->reset();
    disk.evict();
    EXPECT_EQ(text(disk, "/a"), pages('\0', 1)) << name;
    ASSERT_TRUE(file->write_at(1, bytes_of("z")));  // a page that is written again is written whole
    ASSERT_TRUE(file->sync());
    lose_power_and_restart(disk, Unsynced::kept);
    EXPECT_EQ(text(disk, "/a").substr(0, 2), std::string("\0z", 2)) << name;
  }
}

TEST(SimulatedFileSystemTest, FailedSyncsLoseWhatComesAfterThemToo) {
  SimulatedFileSystem disk(1);
  const auto file = create(disk, "/a", kPage, "old");
  ASSERT_TRUE(disk.replace("/b", bytes_of("old")));
  disk.fail_syncs(EIO);
  EXPECT_EQ(disk.create("/c", kPage, {}).error().os_errno, EIO);
  EXPECT_EQ(disk.replace("/b", bytes_of("new")).error().os_errno, EIO);
  EXPECT_EQ(text(disk, "/b"), "old");
  EXPECT_EQ(disk.make_directories("/d").error().os_errno, EIO);
  EXPECT_EQ(disk.remove("/a").error().os_errno, EIO);
  EXPECT_THAT(names(disk, "/"), ElementsAre("b", "d"));
  lose_power_and_restart(disk, Unsynced::lost);
  EXPECT_THAT(names(disk, "/"), ElementsAre("a", "b"));
}

TEST(SimulatedFileSystemTest, WhatIsWrittenAgainAfterAFailedSyncIsDirtyAgain) {
  SimulatedFileSystem disk(1);
  disk.set_write_back(0);
  const auto file = create(disk, "/a", 2 * kPage);
  ASSERT_TRUE(file->write_at(0, bytes_of("same")));
  ASSERT_TRUE(file->write_at(kPage, bytes_of("first")));
  disk.fail_syncs(EIO);
  EXPECT_FALSE(file->sync());
  disk.fail_syncs(0);
  ASSERT_TRUE(file->write_at(0, bytes_of("same")));
  ASSERT_TRUE(file->write_at(kPage, bytes_of("other")));
  disk.evict();
  EXPECT_EQ(text(disk, "/a").substr(0, 4), "same");
  EXPECT_EQ(text(disk, "/a").substr(kPage, 5), "other");
  ASSERT_TRUE(file->sync());
  lose_power_and_restart(disk, Unsynced::lost);
  EXPECT_EQ(text(disk, "/a").substr(0, 4), "same");
  EXPECT_EQ(text(disk, "/a").substr(kPage, 5), "other");
}

TEST(SimulatedFileSystemTest, TheTimeOfModificationIsDurableWithTheFile) {
  SimulatedFileSystem disk(1);
  disk.set_time(1'000);
  const auto file = create(disk, "/a", kPage);
  disk.set_time(2'000);
  ASSERT_TRUE(file->write_durable(0, bytes_of("x")));
  EXPECT_EQ(disk.stat("/a")->modified_ms, 2'000);
  ASSERT_TRUE(disk.set_modified("/a", 500));
  lose_power_and_restart(disk, Unsynced::lost);
  EXPECT_EQ(disk.stat("/a")->modified_ms, 2'000);
  ASSERT_TRUE(disk.set_modified("/a", 500));
  ASSERT_TRUE((*disk.open_for_write("/a"))->sync());
  lose_power_and_restart(disk, Unsynced::lost);
  EXPECT_EQ(disk.stat("/a")->modified_ms, 500);
}

// The lock's name is not synced when it is made; a rename takes it along, and it is not in two places.
TEST(SimulatedFileSystemTest, ARenameBringsWhatCameBefore) {
  SimulatedFileSystem disk(1);
  ASSERT_TRUE(disk.make_directories("/d"));
  ASSERT_TRUE(disk.make_directories("/e"));
  ASSERT_TRUE(disk.lock("/d/x"));
  ASSERT_TRUE(disk.rename("/d/x", "/e/y"));
  lose_power_and_restart(disk, Unsynced::kept);
  EXPECT_THAT(names(disk, "/d"), IsEmpty());
  EXPECT_THAT(names(disk, "/e"), ElementsAre("y"));
}

TEST(SimulatedFileSystemTest, WhatCameAfterALostRenameIsLost) {
  std::set<std::vector<std::string>> outcomes;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem disk(seed);
    disk.put("/x", bytes_of("first"));
    disk.fail_syncs(EIO);
    EXPECT_FALSE(disk.rename("/x", "/y"));
    EXPECT_TRUE(disk.lock("/x"));  // a new file where the old one was
    lose_power_and_restart(disk);
    const std::vector<std::string> found = names(disk, "/");
    EXPECT_EQ(text(disk, found.back() == "y" ? "/y" : "/x"), "first");
    outcomes.insert(found);
  }
  EXPECT_THAT(outcomes, ElementsAre(ElementsAre("x"), ElementsAre("x", "y"), ElementsAre("y")));
}

// Every call of a small history fails once, or is where the process or the machine ends.
class SimulatedHistory {
 public:
  // Returns when something failed. Each step that returned adds to `promised`.
  void run(SimulatedFileSystem& disk) {
    if (!disk.make_directories("/s/q")) return;
    promised = 1;
    auto file = disk.create("/s/q/0", 2 * kPage, bytes_of("head"));
    if (!file) return;
    promised = 2;
    if (!disk.replace("/s/state", bytes_of("one"))) return;
    promised = 3;
    if (!(*file)->write_durable(kPage, bytes_of(pages('d', 1)))) return;
    promised = 4;
    if (!disk.replace("/s/state", bytes_of("two"))) return;
    promised = 5;
    if (!disk.rename("/s/q/0", "/s/0")) return;
    promised = 6;
    if (!disk.remove("/s/q")) return;
    promised = 7;
  }

  void check(const SimulatedFileSystem& disk) const {
    const std::vector<std::string> root = names(disk, "/");
    if (promised >= 1) {
      ASSERT_THAT(names(disk, "/"), ElementsAre("s"));
    }
    if (root.empty()) return;
    const std::vector<std::string> found = names(disk, "/s");
    const bool in_q =
        std::ranges::count(found, "q") == 1 && names(disk, "/s/q") == std::vector<std::string>{"0"};
    const bool in_s = std::ranges::count(found, "0") == 1;
    EXPECT_FALSE(in_q && in_s);
    if (promised >= 2) {
      ASSERT_TRUE(in_q || in_s);
    }
    if (promised >= 6) {
      EXPECT_TRUE(in_s);
    }
    if (promised <= 4) {
      EXPECT_FALSE(in_s);
    }
    if (in_q || in_s) {
      const std::string file = text(disk, in_q ? "/s/q/0" : "/s/0");
      ASSERT_EQ(file.size(), 2 * kPage);
      EXPECT_EQ(file.substr(0, 4), "head");
      if (promised >= 4) {
        EXPECT_EQ(file.substr(kPage), pages('d', 1));
      }
    }
    const bool state = std::ranges::count(found, "state") == 1;
    if (promised >= 3) {
      EXPECT_TRUE(state);
    }
    if (promised < 2) {
      EXPECT_FALSE(state);
    }
    if (state) {
      EXPECT_THAT(text(disk, "/s/state"), ::testing::AnyOf("one", "two"));
    }
    if (state && promised >= 5) {
      EXPECT_EQ(text(disk, "/s/state"), "two");
    }
    if (promised >= 7) {
      EXPECT_FALSE(std::ranges::count(found, "q"));
    }
    for (const std::string& name : found) {
      EXPECT_TRUE(name == "q" || name == "0" || name == "state" || name.starts_with(".state.")) << name;
    }
  }

  int promised = 0;
};

TEST(SimulatedFileSystemTest, AtEveryCallAnEndKeepsWhatWasPromised) {
  std::set<std::string> strays;
  std::set<std::pair<std::uint64_t, std::string>> outcomes;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (std::uint64_t call = 1; call <= 8; ++call) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", call " + std::to_string(call));
      for (const End end : {End::kill, End::power_loss}) {
        SimulatedFileSystem disk(seed);
        disk.end_at(call, end);
        SimulatedHistory history;
        history.run(disk);
        ASSERT_EQ(history.promised, static_cast<int>(std::min<std::uint64_t>(call - 1, 7)));
        ASSERT_EQ(disk.ended(), call <= 7);
        disk.restart();
        history.check(disk);
        const auto found = names(disk, "/s");
        outcomes.insert(
            {call, std::accumulate(found.begin(), found.end(), std::string(),
                                   [](const auto& all, const auto& name) { return all + name[0] + ' '; })});
        lose_power_and_restart(disk);
        history.check(disk);
      }
    }
  }
  // What may happen does.
  EXPECT_THAT(outcomes, IsSupersetOf(std::set<std::pair<std::uint64_t, std::string>>{{1, "e "},
                                                                                     {1, ""},
                                                                                     {3, "q "},
                                                                                     {3, ". q "},
                                                                                     {3, "q s "},
                                                                                     {6, "q s "},
                                                                                     {6, "0 q s "},
                                                                                     {7, "0 q s "},
                                                                                     {7, "0 s "}}));
}

TEST(SimulatedFileSystemTest, AtEveryCallAFailureIsTold) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (std::uint64_t call = 1; call <= 7; ++call) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", call " + std::to_string(call));
      SimulatedFileSystem disk(seed);
      disk.fail_call(call, EIO);
      SimulatedHistory history;
      history.run(disk);
      ASSERT_EQ(history.promised, static_cast<int>(call - 1));
      ASSERT_FALSE(disk.ended());
      history.check(disk);
      EXPECT_FALSE(std::ranges::any_of(names(disk, "/s"), [](const auto& name) { return name[0] == '.'; }));
      if (call == 2) {
        EXPECT_THAT(names(disk, "/s/q"), IsEmpty());  // create leaves nothing
      }
      lose_power_and_restart(disk);
      history.check(disk);
    }
  }
}

TEST(SimulatedFileSystemTest, AnInterruptedWriteHasComeToSomePage) {
  std::set<std::size_t> lengths;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem disk(seed);
    const auto file = create(disk, "/a", 4 * kPage);
    disk.end_at(1, End::kill);
    EXPECT_EQ(file->write_at(100, bytes_of(pages('x', 3))).error().os_errno, SimulatedFileSystem::kEnded);
    disk.restart();
    const std::string after = text(disk, "/a");
    const auto length = static_cast<std::size_t>(std::ranges::count(after, 'x'));
    EXPECT_TRUE(after.substr(100, length) == std::string(length, 'x'));
    lengths.insert(length);
  }
  EXPECT_THAT(lengths, ElementsAre(0, kPage - 100, 2 * kPage - 100, 3 * kPage - 100, 3 * kPage));
}

TEST(SimulatedFileSystemTest, ADirectoryLeftByAKillBecomesDurableWhenItIsAskedForAgain) {
  int left = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem disk(seed);
    disk.end_at(1, End::kill);
    EXPECT_FALSE(disk.make_directories("/a/b"));
    disk.restart();
    left += static_cast<int>(names(disk, "/a").size());
    EXPECT_TRUE(disk.make_directories("/a/b"));
    lose_power_and_restart(disk, Unsynced::lost);
    EXPECT_THAT(names(disk, "/a"), ElementsAre("b"));
  }
  EXPECT_GT(left, 20);
}

TEST(SimulatedFileSystemTest, ReadsFailWhenTold) {
  SimulatedFileSystem disk(1);
  disk.put("/d/a", bytes_of("text"));
  const auto file = disk.open("/d/a");
  ASSERT_TRUE(file);
  EXPECT_EQ(disk.reads(), 1U);
  EXPECT_EQ(disk.calls(), 0U);
  disk.fail_read(2, EIO);
  EXPECT_TRUE(disk.list("/d"));
  std::vector<std::byte> bytes(4);
  EXPECT_EQ((*file)->read_at(0, bytes).error().os_errno, EIO);
  EXPECT_TRUE((*file)->read_at(0, bytes));
  disk.fail_read(1, EACCES);
  EXPECT_EQ(disk.stat("/d/a").error().code, ErrorCode::permission_denied);
}

TEST(SimulatedFileSystemTest, AFullDiskRefusesAndHeals) {
  SimulatedFileSystem disk(1);
  disk.set_capacity(4 * kPage);
  const auto file = create(disk, "/a", 2 * kPage);
  EXPECT_EQ(disk.space("/")->free, 2 * kPage);
  EXPECT_EQ(disk.create("/b", 3 * kPage, {}).error().os_errno, ENOSPC);
  EXPECT_EQ(disk.replace("/b", std::vector<std::byte>(3 * kPage)).error().os_errno, ENOSPC);
  EXPECT_THAT(names(disk, "/"), ElementsAre("a"));
  EXPECT_TRUE(file->write_at(0, bytes_of(pages('x', 2))));  // what is allocated can be written
  EXPECT_EQ(file->write_at(kPage, bytes_of(pages('y', 4))).error().os_errno, ENOSPC);
  EXPECT_EQ(disk.stat("/a")->size, 4 * kPage);  // as far as it went
  EXPECT_EQ(disk.space("/")->free, 0);
  EXPECT_EQ(disk.replace("/b", bytes_of("x")).error().os_errno, ENOSPC);
  disk.set_capacity(5 * kPage);
  EXPECT_TRUE(disk.replace("/b", bytes_of("x")));
  ASSERT_TRUE(disk.remove("/a"));
  EXPECT_EQ(disk.space("/")->free, 0);  // still open
}

TEST(SimulatedFileSystemTest, ASparseFileTakesWhatIsWritten) {
  SimulatedFileSystem disk(1);
  disk.set_capacity(4 * kPage);
  const std::vector<io::NewFile> wanted{{"/q/a", 100 * kPage, {}}};
  ASSERT_TRUE(disk.create_sparse(wanted).front());
  EXPECT_EQ(disk.space("/")->free, 4 * kPage);
  auto file = disk.open_for_write("/q/a");
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->write_at(50 * kPage, bytes_of(pages('x', 3))));
  EXPECT_TRUE((*file)->write_at(50 * kPage, bytes_of(pages('y', 3))));  // in place
  EXPECT_EQ(disk.space("/")->free, kPage);
  EXPECT_EQ((*file)->write_at(60 * kPage, bytes_of(pages('z', 2))).error().os_errno, ENOSPC);
  EXPECT_EQ(disk.space("/")->free, 0);
  EXPECT_EQ(disk.create_sparse(std::vector<io::NewFile>{{"/q/b", kPage, bytes_of("head")}})
                .front()
                .error()
                .os_errno,
            ENOSPC);
  EXPECT_EQ(disk.stat("/q/a")->size, 100 * kPage);
  file->reset();
  ASSERT_TRUE(disk.remove("/q/a"));
  EXPECT_EQ(disk.space("/")->free, 4 * kPage);
}

TEST(SimulatedFileSystemTest, TheFileSystemsSyncReachesEveryFile) {
  SimulatedFileSystem disk(1);
  disk.set_write_back(0);
  const auto a = create(disk, "/a", kPage);
  const auto b = create(disk, "/b", kPage);
  ASSERT_TRUE(a->write_at(0, bytes_of("aa")));
  ASSERT_TRUE(b->write_at(0, bytes_of("bb")));
  ASSERT_TRUE(disk.sync_file_system("/"));
  disk.fail_syncs(EIO);
  ASSERT_TRUE(b->write_at(2, bytes_of("lost")));
  EXPECT_EQ(disk.sync_file_system("/").error().os_errno, EIO);
  disk.lose_power(SimulatedFileSystem::Unsynced::lost);
  disk.restart();
  std::vector<std::byte> bytes(6);
  ASSERT_TRUE((*disk.open("/a"))->read_at(0, bytes));
  EXPECT_EQ(as_text(bytes).substr(0, 2), "aa");
  ASSERT_TRUE((*disk.open("/b"))->read_at(0, bytes));
  EXPECT_EQ(as_text(bytes), std::string_view("bb\0\0\0\0", 6));
}

TEST(SimulatedFileSystemTest, SpaceComesBackWithTheLastDescriptor) {
  SimulatedFileSystem disk(1);
  disk.set_capacity(4 * kPage);
  auto file = create(disk, "/a", 4 * kPage);
  ASSERT_TRUE(disk.remove("/a"));
  EXPECT_EQ(disk.space("/")->free, 0);
  file.reset();
  EXPECT_EQ(disk.space("/")->free, 4 * kPage);
}

TEST(SimulatedFileSystemTest, AFileRemovedBeneathIsGoneAndUsable) {
  SimulatedFileSystem disk(1);
  disk.put("/s/q/0", bytes_of("text"));
  const auto file = disk.open_for_write("/s/q/0");
  ASSERT_TRUE(file);
  disk.remove_beneath("/s/q");
  EXPECT_TRUE((*file)->removed());
  EXPECT_TRUE((*file)->write_durable(0, bytes_of("more")));
  EXPECT_THAT(names(disk, "/s"), IsEmpty());
  lose_power_and_restart(disk, Unsynced::kept);
  EXPECT_THAT(names(disk, "/s"), IsEmpty());
}

TEST(SimulatedFileSystemTest, TheSeedDecidesAlone) {
  const auto history = [](std::uint64_t seed) {
    SimulatedFileSystem disk(seed);
    const auto file = create(disk, "/a", 64 * kPage);
    for (int page = 0; page < 64; ++page) {
      if (!file->write_at(page * kPage, bytes_of(pages('x', 1)))) throw std::runtime_error("write");
    }
    disk.lose_power();
    disk.restart();
    return text(disk, "/a");
  };
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    EXPECT_EQ(history(seed), history(seed));
    EXPECT_NE(history(seed), history(seed + 1));
  }
}

TEST(SimulatedFileSystemTest, StoresInOtherThreadsGoOnThroughAnEnd) {
  SimulatedFileSystem disk(1);
  disk.set_write_back(1000);
  const auto file = create(disk, "/a", 16 * kPage);
  const auto map = file->map(0, 16 * kPage);
  ASSERT_TRUE(map);
  std::atomic<bool> stop = false;
  {
    const std::jthread thread([&] {
      for (std::size_t at = 0; !stop; at = (at + 1) % static_cast<std::size_t>(16 * kPage)) {
        (*map)->bytes()[at] = std::byte{'x'};
      }
    });
    for (int round = 0; round < 200; ++round) EXPECT_TRUE(file->sync());
    disk.kill();
    disk.lose_power();
    disk.restart();
    stop = true;
  }
  EXPECT_EQ(text(disk, "/a").size(), 16 * kPage);
}

}  // namespace
}  // namespace rmq::testing
