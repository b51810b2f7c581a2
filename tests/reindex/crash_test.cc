// A reindex on a simulated disk, cut off or refused within every call that changes something: whenever the
// end comes, whoever opens the store next serves every message, and so does a second reindex and whoever
// comes then.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libstore/engine/message_store.h"
#include "libstore/format/abort_file.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/format/store_lock.h"
#include "libstore/recovery/store_listing.h"
#include "libstore/recovery/undo.h"
#include "libstore/reindex/reindex.h"
#include "libstore/testing/simulated_file_system.h"

namespace rmq::reindex {
namespace {

using engine::MessageStore;
using rmq::testing::SimulatedFileSystem;
using End = SimulatedFileSystem::End;

constexpr int kMessages = 40;
constexpr std::int64_t kNow = 1'900'000'000'000;

engine::StoreOptions options() {
  engine::StoreOptions all;
  all.config.root = "/store";
  all.config.commit_log_file_size = 8 << 10;
  all.config.consume_queue_file_size = 20 * 8;
  all.config.index_slots = 16;
  all.config.index_entries = 20;
  all.check = recovery::Depth::full;
  all.background = false;
  all.jobs = 1;
  return all;
}

// A store of a few small files, closed cleanly: two queues of one topic.
void fill(SimulatedFileSystem& files) {
  auto store = MessageStore::open(files, options());
  ASSERT_TRUE(store) << store.error().message();
  for (int i = 0; i < kMessages; ++i) {
    const std::string body(static_cast<std::size_t>(100 + i), static_cast<char>('a' + i % 26));
    const std::string properties = "TAGS\1t\2UNIQ_KEY\1u" + std::to_string(i) + "\2";
    const std::array<std::byte, 4> address{};
    format::MessageView message;
    message.topic = "Orders";
    message.queue_id = i % 2;
    message.body = as_bytes(body);
    message.properties = properties;
    message.born_host = message.store_host = {address, 1};
    ASSERT_TRUE((*store)->put(message).ok());
  }
  ASSERT_TRUE((*store)->close());
}

void damage(SimulatedFileSystem& files) {
  const std::string unit_file = "/store/consumequeue/Orders/0/" + format::mapped_file_name(0);
  auto queue = files.open_for_write(unit_file);
  ASSERT_TRUE(queue);
  ASSERT_TRUE((*queue)->write_at(60, std::vector<std::byte>(20, std::byte{0x11})));
  ASSERT_TRUE((*queue)->sync());
}

std::map<std::string, std::string> tree_of(const SimulatedFileSystem& files, const std::string& directory) {
  std::map<std::string, std::string> tree;
  const auto entries = files.list(directory);
  if (!entries) return tree;
  for (const io::DirectoryEntry& entry : *entries) {
    const std::string path = directory + "/" + entry.name;
    if (entry.name == recovery::kLostAndFound || entry.name == format::kStoreLockFileName) continue;
    if (entry.kind == io::EntryKind::directory) {
      tree.merge(tree_of(files, path));
    } else {
      const auto bytes = io::read_all(files, path, 1 << 24);
      tree[path] = bytes ? std::string(as_text(*bytes)) : "?";
    }
  }
  return tree;
}

// As the command does it.
Result<ReindexReport> reindex(SimulatedFileSystem& files, Mode mode = Mode::rebuild) {
  const auto lock = files.lock("/store/lock");
  if (!lock) return lock.error();
  scan::StoreConfig config = options().config;
  if (const auto told = take_back_earlier_runs(files, config); !told) return told.error();
  RMQ_TRY(survey, scan::survey_store(files, config));
  ReindexOptions wanted;
  wanted.mode = mode;
  wanted.queues = wanted.index = true;
  wanted.now_ms = kNow;
  return run_reindex(files, survey, wanted);
}

// The engine opens it, and finds every message by its queue offset and by its key.
void serves_everything(SimulatedFileSystem& files) {
  auto store = MessageStore::open(files, options());
  ASSERT_TRUE(store) << store.error().message();
  for (int i = 0; i < kMessages; ++i) {
    engine::GetOptions one;
    one.max_messages = 1;
    const auto got = (*store)->get("Orders", i % 2, i / 2, one);
    ASSERT_TRUE(got);
    ASSERT_EQ(got->messages.size(), 1U) << "message " << i;
    const auto message = format::MessageView::parse(got->bytes);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->queue_offset, i / 2);
    const auto found = (*store)->query("Orders", "u" + std::to_string(i));
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, std::vector<std::int64_t>{message->physical_offset}) << "key of message " << i;
  }
  EXPECT_EQ((*store)->max_offset("Orders", 0), kMessages / 2);
  ASSERT_TRUE((*store)->close());
}

// All is as the log says, and nothing of the run is left but what it keeps.
void is_whole(SimulatedFileSystem& files) {
  const auto compared = reindex(files, Mode::verify);
  ASSERT_TRUE(compared) << compared.error().message();
  EXPECT_FALSE(compared->problems_left());
  EXPECT_EQ(compared->units, kMessages);
  EXPECT_EQ(compared->keys, kMessages);
  EXPECT_FALSE(files.stat("/store/" + std::string(format::kAbortFileName)));
}

class ReindexCrash : public ::testing::TestWithParam<std::tuple<End, bool>> {};

// The end within each call; then either the engine opens what is there, or the command is run again.
TEST_P(ReindexCrash, AnyCallMayBeTheLast) {
  const auto [end, engine_first] = GetParam();
  for (std::uint64_t call = 1; !HasFailure(); ++call) {
    SCOPED_TRACE((end == End::kill ? "killed in call " : "power lost in call ") + std::to_string(call));
    SimulatedFileSystem files(call);
    fill(files);
    damage(files);
    files.end_at(call, end);
    (void)reindex(files);
    const bool ended = files.ended();
    files.restart();
    if (engine_first) serves_everything(files);
    const auto again = reindex(files);
    ASSERT_TRUE(again) << again.error().message();
    is_whole(files);
    serves_everything(files);
    if (!ended) {  // it came through
      EXPECT_GT(call, 60U);
      break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ends, ReindexCrash,
                         ::testing::Combine(::testing::Values(End::kill, End::power_loss),
                                            ::testing::Bool()));

// A call that fails, whichever: the store is as it was, at once or after the next run.
TEST(Reindex, AFailedCallChangesNothing) {
  for (std::uint64_t call = 2; !HasFailure(); ++call) {  // the first one takes the lock
    SCOPED_TRACE("call " + std::to_string(call));
    SimulatedFileSystem files(call);
    fill(files);
    damage(files);
    files.set_write_back(0);
    const auto before = tree_of(files, "/store");
    const std::uint64_t calls = files.calls();
    files.fail_call(call, ENOSPC);
    const auto done = reindex(files);
    const bool came_through = files.calls() - calls < call;
    files.restart();
    if (done) {
      is_whole(files);
    } else {
      const auto told = take_back_earlier_runs(files, options().config);
      ASSERT_TRUE(told) << told.error().message();
      EXPECT_TRUE(tree_of(files, "/store") == before);
    }
    serves_everything(files);
    if (came_through) {
      EXPECT_GT(call, 60U);
      break;
    }
  }
}

TEST(Reindex, AFullDiskIsRefusedBeforehand) {
  SimulatedFileSystem files(1);
  fill(files);
  damage(files);
  const auto before = tree_of(files, "/store");
  const auto space = files.space("/store");
  ASSERT_TRUE(space);
  files.set_capacity(space->used + 8192);
  const auto refused = reindex(files);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().os_errno, ENOSPC);
  EXPECT_TRUE(tree_of(files, "/store") == before);
  EXPECT_FALSE(files.stat("/store/lost+found/x"));
}

TEST(Reindex, AnUndoGivesBackEveryByte) {
  SimulatedFileSystem files(1);
  fill(files);
  damage(files);
  const auto before = tree_of(files, "/store");
  const auto report = reindex(files);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_FALSE(tree_of(files, "/store") == before);
  is_whole(files);
  ASSERT_TRUE(recovery::undo(files, report->kept_in));
  EXPECT_TRUE(tree_of(files, "/store") == before);
}

TEST(Reindex, MissingUnitsAreFilledAndTheOthersStay) {
  SimulatedFileSystem files(1);
  fill(files);
  const auto before = tree_of(files, "/store");
  const std::string unit_file = "/store/consumequeue/Orders/0/" + format::mapped_file_name(0);
  {
    auto queue = files.open_for_write(unit_file);
    ASSERT_TRUE(queue);
    ASSERT_TRUE((*queue)->write_at(20, std::vector<std::byte>(60, std::byte{0})));
  }
  files.remove_beneath("/store/consumequeue/Orders/1");
  const auto seen = reindex(files, Mode::verify);
  ASSERT_TRUE(seen) << seen.error().message();
  ASSERT_EQ(seen->queues.size(), 2U);
  EXPECT_EQ(seen->queues[0].missing, 3);
  EXPECT_EQ(seen->queues[1].missing, kMessages / 2);
  EXPECT_TRUE(seen->problems_left());
  const auto filled = reindex(files, Mode::fill);
  ASSERT_TRUE(filled) << filled.error().message();
  EXPECT_FALSE(filled->problems_left());
  is_whole(files);
  EXPECT_TRUE(tree_of(files, "/store") == before);
}

// Messages below the floor are history; so are those that the engine was told to delete.
TEST(Reindex, HistoryStaysHistory) {
  SimulatedFileSystem files(1);
  fill(files);
  {
    auto store = MessageStore::open(files, options());
    ASSERT_TRUE(store);
    ASSERT_TRUE((*store)->delete_topics(std::vector<std::string>{"Orders"}));
    const std::array<std::byte, 4> address{};
    format::MessageView message;
    message.topic = "Orders";
    message.born_host = message.store_host = {address, 1};
    ASSERT_TRUE((*store)->put(message).ok());
    ASSERT_TRUE((*store)->close());
  }
  for (const bool queues_there : {true, false}) {
    if (!queues_there) files.remove_beneath("/store/consumequeue");
    const auto report = reindex(files);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->units, 1);
    auto store = MessageStore::open(files, options());
    ASSERT_TRUE(store) << store.error().message();
    EXPECT_EQ((*store)->max_offset("Orders", 0), 1);
    EXPECT_EQ((*store)->max_offset("Orders", 1).value_or(0), 0);
    ASSERT_TRUE((*store)->close());
  }
}

// What the log itself lacks is not a reindex's to mend.
TEST(Reindex, ADamagedLogIsLeftAlone) {
  SimulatedFileSystem files(1);
  fill(files);
  {
    auto log = files.open_for_write("/store/commitlog/" + format::mapped_file_name(0));
    ASSERT_TRUE(log);
    ASSERT_TRUE((*log)->write_at(600, std::vector<std::byte>(40, std::byte{0x55})));
  }
  const auto before = tree_of(files, "/store");
  const auto report = reindex(files);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_FALSE(report->refusals.empty());
  EXPECT_TRUE(report->problems_left());
  EXPECT_TRUE(tree_of(files, "/store") == before);
}

}  // namespace
}  // namespace rmq::reindex
