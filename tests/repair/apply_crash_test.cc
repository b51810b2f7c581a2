// rmq-repair on a simulated disk: killed, cut off from power, refused by the disk, or stopped, in every call
// that changes something. Run again it ends as it would have; undone, the store is what it was.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "libstore/format/index_file.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/recovery/store_listing.h"
#include "libstore/recovery/undo.h"
#include "libstore/repair/repair_apply.h"
#include "tests/recovery/damaged_store.h"
#include "tests/recovery/file_tree.h"

namespace rmq::repair {
namespace {

using recovery::difference;
using recovery::Message;
using recovery::Scene;
using recovery::scenes;
using recovery::SimulatedFileSystem;
using recovery::Tree;
using recovery::tree_of;
using End = SimulatedFileSystem::End;

constexpr std::int64_t kNow = 1'700'000'000'123;

std::string undo_directory() {
  return recovery::lost_and_found_directory(SimulatedFileSystem(1), "/store", kNow);
}

ApplyOptions apply_options(const io::ReadFileSystem& files) {
  ApplyOptions options;
  options.config.root = "/store";
  options.config.index_slots = recovery::options().config.index_slots;
  options.config.index_entries = recovery::options().config.index_entries;
  options.now_ms = kNow;
  const auto survey = scan::survey_store(files, options.config);
  EXPECT_TRUE(survey);
  const auto plan = plan_repair(files, *survey, options.request);
  EXPECT_TRUE(plan);
  EXPECT_FALSE(plan->changes_nothing());
  options.plan_hash = plan->hash;
  return options;
}

struct Stage {
  SimulatedFileSystem files;
  std::vector<Message> messages;
  std::vector<std::size_t> gone;
  Tree before;
  ApplyOptions options;

  Stage(const Scene& scene, std::uint64_t seed) : files(seed) {
    messages = recovery::fill(files);
    gone = scene.damage(files, messages);
    before = tree_of(files);
    options = apply_options(files);
  }
  [[nodiscard]] bool has_manifest() const {
    return files.stat(io::join_path(undo_directory(), "manifest.ndjson")).has_value();
  }
};

class RepairCrash : public ::testing::TestWithParam<std::size_t> {
 protected:
  [[nodiscard]] const Scene& scene() const { return scenes()[GetParam()]; }
  // Of all calls in the first scene, of some in the others: each takes a store.
  [[nodiscard]] std::uint64_t step() const { return GetParam() == 0 ? 1 : 7; }
  // A repair that ends in a call, for every call; then `look`, told whether it ended before it was done.
  template <typename Look>
  void end_in_each_call(Look look) const {
    for (const End end : {End::kill, End::power_loss}) {
      for (std::uint64_t call = 1; !HasFailure(); call += step()) {
        SCOPED_TRACE(std::string(scene().name) + (end == End::kill ? ", killed" : ", power lost") +
                     " in call " + std::to_string(call));
        Stage stage(scene(), call);
        stage.files.end_at(call, end);
        (void)apply_repair(stage.files, stage.options);
        const bool ended = stage.files.ended();
        stage.files.restart();
        look(stage, ended);
        if (!ended) break;
      }
    }
  }
};

TEST_P(RepairCrash, RunAgainItEndsAsItWould) {
  end_in_each_call([](Stage& stage, bool ended) {
    if (ended) {
      const Applied again = apply_repair(stage.files, stage.options);
      // Where it had come to its end before the kill came, the store is another.
      const bool was_done = again.fault == ApplyFault::refused;
      ASSERT_TRUE(was_done || again.fault == ApplyFault::none)
          << (again.error ? again.error->message() : std::string());
    }
    recovery::check(stage.files, stage.messages, stage.gone);
  });
}

TEST_P(RepairCrash, UndoneItIsWhatItWas) {
  end_in_each_call([](Stage& stage, bool) {
    if (!stage.has_manifest()) return;
    const Status undone = recovery::undo(stage.files, undo_directory());
    ASSERT_TRUE(undone) << undone.error().message();
    EXPECT_EQ(difference(tree_of(stage.files), stage.before), "");
  });
}

TEST_P(RepairCrash, ADiskThatRefusesIsRolledBack) {
  for (const int fault : {ENOSPC, EIO}) {
    for (std::uint64_t call = 1; !HasFailure(); call += step()) {
      SCOPED_TRACE(std::string(scene().name) + ", error " + std::to_string(fault) + " in call " +
                   std::to_string(call));
      Stage stage(scene(), call);
      const std::uint64_t calls = stage.files.calls();
      stage.files.fail_call(call, fault);
      const Applied applied = apply_repair(stage.files, stage.options);
      const bool met = stage.files.calls() - calls >= call;
      stage.files.restart();  // what was planned and not met
      if (applied.fault == ApplyFault::none) {
        recovery::check(stage.files, stage.messages, stage.gone);
      } else {
        if (applied.fault == ApplyFault::stuck) {
          ASSERT_TRUE(recovery::undo(stage.files, undo_directory()));
        }
        Tree after = tree_of(stage.files);
        Tree before = stage.before;
        // A journal that could not begin leaves its directory.
        for (Tree* tree : {&after, &before}) {
          std::erase_if(*tree, [](const auto& one) { return one.first.starts_with("/store/lost+found"); });
          tree->erase("/store/lock");
        }
        EXPECT_EQ(difference(after, before), "");
      }
      if (!met) break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Scenes, RepairCrash, ::testing::Range<std::size_t>(0, 6));

TEST(Repair, StoppedItIsRolledBack) {
  for (int asks = 1;; asks += 5) {
    Stage stage(scenes()[3], 11);
    int asked = 0;
    stage.options.request.cancelled = [&] { return ++asked > asks; };
    const Applied applied = apply_repair(stage.files, stage.options);
    if (applied.fault == ApplyFault::none) break;
    EXPECT_EQ(applied.fault, ApplyFault::rolled_back);
    EXPECT_EQ(applied.error->code, ErrorCode::cancelled);
    EXPECT_EQ(difference(tree_of(stage.files), stage.before), "");
  }
}

// Stock begins index files that the checkpoint does not claim again after a crash, and only with the end of
// the log.
TEST(Repair, TheCheckpointClaimsTheWholeIndex) {
  SimulatedFileSystem files(3);
  (void)recovery::fill(files);
  ASSERT_TRUE(files.remove("/store/checkpoint"));
  const ApplyOptions options = apply_options(files);
  ASSERT_EQ(apply_repair(files, options).fault, ApplyFault::none);
  const auto bytes = io::read_all(files, "/store/checkpoint", format::kCheckpointFileSize);
  ASSERT_TRUE(bytes);
  const auto survey = scan::survey_store(files, options.config);
  ASSERT_TRUE(survey && !survey->index_files.empty());
  const auto index = io::read_all(files, survey->index_files.back().path, 1 << 20);
  ASSERT_TRUE(index);
  EXPECT_EQ(format::StoreCheckpoint::read(*bytes).index_msg_timestamp,
            format::IndexHeader::parse(*index)->end_timestamp);
  const auto again = plan_repair(files, *survey, options.request);
  EXPECT_TRUE(again && again->changes_nothing());
}

TEST(Repair, AFullDiskIsRefusedBeforeAnythingIsChanged) {
  Stage stage(scenes()[4], 12);
  const auto space = stage.files.space("/store");
  ASSERT_TRUE(space);
  stage.files.set_capacity(space->used + 8192);
  const Applied applied = apply_repair(stage.files, stage.options);
  EXPECT_EQ(applied.fault, ApplyFault::no_space);
  EXPECT_EQ(difference(tree_of(stage.files), stage.before), "");
}

TEST(Repair, AStoreThatChangedIsRefused) {
  Stage stage(scenes()[0], 13);
  stage.files.put("/store/commitlog/another", std::vector<std::byte>(10));
  const Tree now = tree_of(stage.files);
  const Applied applied = apply_repair(stage.files, stage.options);
  EXPECT_EQ(applied.fault, ApplyFault::refused);
  EXPECT_EQ(difference(tree_of(stage.files), now), "");
}

TEST(Repair, ALockedStoreIsRefused) {
  Stage stage(scenes()[0], 14);
  const auto held = stage.files.lock("/store/lock");
  ASSERT_TRUE(held);
  const Applied applied = apply_repair(stage.files, stage.options);
  EXPECT_EQ(applied.fault, ApplyFault::refused);
  EXPECT_NE(applied.error->message().find("locked"), std::string::npos);
}

}  // namespace
}  // namespace rmq::repair
