// What is changed through a journal comes back, byte for byte and name for name, whenever the process that
// changed it was killed or lost its power, and whenever the one that undoes it was.
#include "libstore/recovery/undo_journal.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "libstore/recovery/store_listing.h"
#include "libstore/recovery/undo.h"
#include "libstore/testing/simulated_file_system.h"
#include "tests/recovery/file_tree.h"

namespace rmq::recovery {
namespace {

using rmq::testing::SimulatedFileSystem;
using End = SimulatedFileSystem::End;

constexpr std::int64_t kNow = 1'700'000'000'123;

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

UndoOptions options() {
  UndoOptions all;
  all.root = "/store";
  all.directory = lost_and_found_directory(SimulatedFileSystem(1), "/store", kNow);
  all.purpose = "a test";
  all.plan = "p";
  return all;
}

void set_scene(SimulatedFileSystem& files) {
  files.set_time(kNow - 100'000);
  std::string content(20'000, 'a');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i % 23);
  for (const char* path : {"/store/commitlog/0", "/store/commitlog/1", "/store/config/topics.json",
                           "/store/consumequeue/T/0/0", "/store/checkpoint"})
    files.put(path, as_bytes(content));
  files.put("/store/consumequeue/T/1/0", std::vector<std::byte>(30'000));
  files.set_time(kNow);
}

// A few changes of every kind, by chance; stops at the first that fails.
Status change_things(io::FileSystem& files, std::mt19937_64& random) {
  std::vector<std::string> there = {"/store/commitlog/0",        "/store/commitlog/1",
                                    "/store/config/topics.json", "/store/consumequeue/T/0/0",
                                    "/store/checkpoint",         "/store/consumequeue/T/1/0"};
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (int i = 0; i < 12; ++i) {
    const std::string fresh = "/store/new" + std::to_string(i);
    const std::size_t pick = below(there.size());
    switch (below(8)) {
      case 0:
      case 1: {
        RMQ_TRY(file, files.open_for_write(there[pick]));
        const auto length = static_cast<std::int64_t>(1 + below(5000));
        if (file->size() <= length) break;
        const auto at = static_cast<std::int64_t>(below(static_cast<std::size_t>(file->size() - length)));
        RMQ_CHECK(file->write_at(at, std::vector<std::byte>(static_cast<std::size_t>(length), std::byte{9})));
        RMQ_CHECK(file->sync());
        break;
      }
      case 2: {
        RMQ_TRY(file, files.open_for_write(there[pick]));
        RMQ_TRY(map, file->map(0, file->size()));
        map->bytes()[below(map->bytes().size())] = std::byte{77};
        RMQ_CHECK(map->sync(0, file->size()));
        break;
      }
      case 3:
        RMQ_CHECK(files.rename(there[pick], fresh));
        there[pick] = fresh;
        break;
      case 4:
        if (there.size() < 3) break;
        RMQ_CHECK(files.remove(there[pick]));
        if (below(2) == 0) {
          RMQ_CHECK(files.create(there[pick], 100, {}));
        } else {
          there.erase(there.begin() + static_cast<std::ptrdiff_t>(pick));
        }
        break;
      case 5: RMQ_CHECK(files.replace(there[pick], as_bytes("{\"replaced\":true}"))); break;
      case 6: {
        const std::string path = "/store/consumequeue/N" + std::to_string(i) + "/0/0";
        const io::NewFile file{path, 6000, {}};
        RMQ_CHECK(files.create_sparse({&file, 1}).front());
        there.push_back(path);
        break;
      }
      default: RMQ_CHECK(files.set_modified(there[pick], kNow - 5)); break;
    }
  }
  return {};
}

Status change_all(SimulatedFileSystem& files, std::uint64_t seed, bool finish) {
  UndoJournal journal(files, options());
  const auto held = journal.lock("/store/lock");
  if (!held) return held.error();
  RMQ_CHECK(journal.begin());
  std::mt19937_64 random(seed);
  RMQ_CHECK(change_things(journal, random));
  return finish ? journal.end() : Status{};
}

// A topic may be as long as a file name, and the name in lost+found has its directories in front.
TEST(UndoJournal, ANameThatIsTooLongIsShortened) {
  SimulatedFileSystem files(1);
  const std::string topic(240, 'T');
  for (const char* queue : {"0", "1"}) {
    const std::string directory = "/store/consumequeue/" + topic + "/" + queue;
    ASSERT_TRUE(files.make_directories(directory));
    files.put(directory + "/00000000000000000000", std::vector<std::byte>(100, std::byte{7}));
  }
  const Tree before = tree_of(files);
  {
    UndoJournal journal(files, options());
    ASSERT_TRUE(journal.lock("/store/lock"));
    ASSERT_TRUE(journal.begin());
    ASSERT_TRUE(journal.remove("/store/consumequeue/" + topic + "/0/00000000000000000000"));
    ASSERT_TRUE(journal.remove("/store/consumequeue/" + topic + "/1/00000000000000000000"));
    ASSERT_TRUE(journal.end());
  }
  for (const auto& entry : *files.list(options().directory)) EXPECT_LE(entry.name.size(), 220U) << entry.name;
  ASSERT_TRUE(undo(files, options().directory));
  EXPECT_EQ(difference(tree_of(files), before), "");
}

TEST(UndoJournal, EverythingComesBack) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SimulatedFileSystem files(seed);
    set_scene(files);
    const Tree before = tree_of(files);
    const Status done = change_all(files, seed, seed % 2 == 0);
    ASSERT_TRUE(done) << seed << ": " << done.error().message();
    ASSERT_NE(difference(tree_of(files), before), "");
    const auto summary = read_undo(files, options().directory);
    ASSERT_TRUE(summary);
    EXPECT_EQ(summary->finished, seed % 2 == 0);
    EXPECT_EQ(unfinished_undos(files, "/store", "p").size(), seed % 2);
    const Status undone = undo(files, options().directory);
    ASSERT_TRUE(undone) << seed << ": " << undone.error().message();
    EXPECT_EQ(difference(tree_of(files), before), "") << "seed " << seed;
  }
}

TEST(UndoJournal, AfterAnEndAtEveryCall) {
  for (const End end : {End::kill, End::power_loss}) {
    for (std::uint64_t call = 1;; ++call) {
      SimulatedFileSystem files(call);
      set_scene(files);
      const Tree before = tree_of(files);
      files.end_at(call, end);
      const Status done = change_all(files, 1000 + call % 7, call % 2 == 0);
      if (!files.ended()) break;
      files.restart();
      if (!files.stat(io::join_path(options().directory, "manifest.ndjson")))
        continue;  // nothing was changed
      const Status undone = undo(files, options().directory);
      ASSERT_TRUE(undone) << "call " << call << ": " << undone.error().message();
      EXPECT_EQ(difference(tree_of(files), before), "")
          << "call " << call << (end == End::kill ? " killed" : " power");
    }
  }
}

TEST(UndoJournal, AnUndoMayEndAtEveryCall) {
  for (const End end : {End::kill, End::power_loss}) {
    for (std::uint64_t call = 1;; ++call) {
      SimulatedFileSystem files(call);
      set_scene(files);
      const Tree before = tree_of(files);
      ASSERT_TRUE(change_all(files, 2000 + call % 5, call % 2 == 0));
      files.end_at(call, end);
      (void)undo(files, options().directory);
      const bool ended = files.ended();
      files.restart();
      if (files.stat(io::join_path(options().directory, "manifest.ndjson"))) {
        const Status undone = undo(files, options().directory);
        ASSERT_TRUE(undone) << "call " << call << ": " << undone.error().message();
      }
      Tree after = tree_of(files);
      if (ended)
        std::erase_if(after, [](const auto& one) { return one.first.starts_with("/store/lost+found"); });
      EXPECT_EQ(difference(after, before), "") << "call " << call;
      if (!ended) break;
    }
  }
}

TEST(UndoJournal, WhatWasWrittenSinceIsNotUndone) {
  for (const bool finished : {true, false}) {
    SimulatedFileSystem files(3);
    set_scene(files);
    ASSERT_TRUE(change_all(files, 5, finished));
    files.put("/store/commitlog/2", as_bytes("a broker wrote this"));
    const Tree now = tree_of(files);
    const Status undone = undo(files, options().directory);
    ASSERT_FALSE(undone);
    EXPECT_NE(undone.error().message().find("written to since"), std::string::npos);
    EXPECT_EQ(difference(tree_of(files), now), "");
  }
}

TEST(UndoJournal, AManifestThatLeadsOutOfTheStoreIsRefused) {
  for (const char* path : {"/etc/passwd", "../outside", "commitlog/../../outside"}) {
    SimulatedFileSystem files(4);
    set_scene(files);
    const std::string manifest =
        "{\"undo\":\"begin\",\"version\":1,\"root\":\"/store\",\"others\":[],\"purpose\":\"\",\"plan\":\"\","
        "\"madeDirectories\":[]}\n{\"undo\":\"made\",\"path\":\"" +
        std::string(path) + "\",\"directory\":false}\n";
    files.put(io::join_path(options().directory, "manifest.ndjson"), as_bytes(manifest));
    const Status undone = undo(files, options().directory);
    ASSERT_FALSE(undone);
    EXPECT_NE(undone.error().message().find("leads out of the store"), std::string::npos);
  }
}

TEST(UndoJournal, ACancelledRunIsUndone) {
  SimulatedFileSystem files(6);
  set_scene(files);
  const Tree before = tree_of(files);
  {
    int asked = 0;
    UndoOptions stopping = options();
    stopping.cancelled = [&asked] { return ++asked > 6; };
    UndoJournal journal(files, stopping);
    ASSERT_TRUE(journal.begin());
    std::mt19937_64 random(9);
    const Status done = change_things(journal, random);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::cancelled);
  }
  ASSERT_TRUE(undo(files, options().directory));
  EXPECT_EQ(difference(tree_of(files), before), "");
}

}  // namespace
}  // namespace rmq::recovery
