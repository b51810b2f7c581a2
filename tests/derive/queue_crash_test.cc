// The end comes at every call that changes something: what is on disk then, and what comes of it when the log
// is dispatched again from where the last checkpoint could claim it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libstore/derive/queue_writer.h"
#include "libstore/testing/simulated_file_system.h"
#include "tests/derive/queue_model.h"

namespace rmq::derive {
namespace {

using derive::testing::expected_images;
using derive::testing::FileImages;
using derive::testing::images;
using derive::testing::LogOfMessages;
using derive::testing::small_options;
using derive::testing::some_log;
using rmq::testing::SimulatedFileSystem;

// Puts the log and flushes now and then, until the end; returns what was claimed last.
std::int64_t run(SimulatedFileSystem& disk, QueueWriter& queues, std::span<const DispatchRequest> left,
                 std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::int64_t claimed = left.empty() ? 0 : left.front().log_offset;
  bool failed = false;
  while (!disk.ended() && !failed) {
    const FlushLimit limit{static_cast<std::int64_t>(1 + random() % 900),
                           static_cast<std::int32_t>(1 + random() % 8)};
    switch (random() % 4) {
      case 0: failed = !queues.write_out(limit); break;
      case 1: failed = !queues.sync(limit); break;
      default: {
        const PutReport report = queues.put(left.first(std::min<std::size_t>(left.size(), 1 + random() % 8)));
        left = left.subspan(report.taken);
        failed = !report.status;
        if (left.empty()) failed = failed || !queues.flush();
      }
    }
    const DerivedUpTo durable = queues.durable();
    if (!disk.ended()) claimed = durable.log_offset;
    if (left.empty()) break;
  }
  return claimed;
}

// The end of a process: in every queue the units are those of a longer run, up to some unit, and behind it is
// nothing. The last one may be there in part.
void expect_prefixes(const FileImages& found, const FileImages& whole) {
  std::map<std::string, bool> ended;  // by directory, in the order of the files
  for (const auto& [path, bytes] : found) {
    const auto expected = whole.find(path);
    ASSERT_NE(expected, whole.end()) << path;
    ASSERT_EQ(bytes.size(), expected->second.size());
    bool& over = ended[path.substr(0, path.rfind('/'))];
    const auto differs = std::ranges::mismatch(bytes, expected->second);
    if (over) {
      ASSERT_TRUE(std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte(); }))
          << path;
      continue;
    }
    if (differs.in1 == bytes.end()) continue;
    over = true;
    ASSERT_TRUE(std::all_of(differs.in1, bytes.end(), [](std::byte b) { return b == std::byte(); }))
        << path << " from " << differs.in1 - bytes.begin();
  }
}

// What a reader needs who goes from file to file: all but a queue's last are as they were meant to be.
void expect_whole_files(const FileImages& found, const FileImages& whole) {
  for (auto file = found.begin(); file != found.end(); ++file) {
    const auto next = std::next(file);
    const std::string directory = file->first.substr(0, file->first.rfind('/'));
    if (next == found.end() || next->first.substr(0, next->first.rfind('/')) != directory) continue;
    ASSERT_EQ(file->second, whole.at(file->first)) << file->first;
  }
}

void go_on(SimulatedFileSystem& disk, const LogOfMessages& log, std::int64_t from, const FileImages& whole) {
  QueueWriter queues(disk, small_options());
  std::vector<std::string> failed;
  for (const auto& [queue, tail] : derive::testing::tails(disk, from, &failed))
    ASSERT_TRUE(queues.add_queue(queue.topic, queue.queue_id, tail));
  ASSERT_THAT(failed, ::testing::IsEmpty());
  std::span<const DispatchRequest> messages(log.messages());
  while (!messages.empty() && messages.front().log_offset < from) messages = messages.subspan(1);
  const PutReport report = queues.put(messages);
  ASSERT_TRUE(report.status) << report.status.error().message();
  ASSERT_THAT(report.holes, ::testing::IsEmpty());
  ASSERT_TRUE(queues.flush());
  ASSERT_EQ(images(disk, "/store"), whole);
}

class QueueCrashTest : public ::testing::TestWithParam<SimulatedFileSystem::End> {};

TEST_P(QueueCrashTest, EveryCall) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    std::mt19937_64 random(seed);
    const LogOfMessages log = some_log(random, 250);
    const FileImages whole = expected_images(log.messages(), small_options());
    std::uint64_t calls = 0;
    for (std::uint64_t end = 1; end == 1 || end <= calls; ++end) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", call " + std::to_string(end));
      SimulatedFileSystem disk(seed * 1000 + end);
      // What a survey takes for a store.
      ASSERT_TRUE(disk.make_directories("/store/commitlog"));
      const std::uint64_t before = disk.calls();
      disk.end_at(end, GetParam());
      std::int64_t claimed = 0;
      {
        QueueWriter queues(disk, small_options());
        claimed = run(disk, queues, log.messages(), seed);
      }
      if (!disk.ended()) {
        calls = disk.calls() - before;
        break;
      }
      calls = end + 1;
      disk.restart();
      if (GetParam() == SimulatedFileSystem::End::kill) expect_prefixes(images(disk, "/store"), whole);
      expect_whole_files(images(disk, "/store"), whole);
      go_on(disk, log, claimed, whole);
      if (HasFatalFailure()) return;
    }
    EXPECT_GT(calls, 150U);
  }
}

INSTANTIATE_TEST_SUITE_P(Ends, QueueCrashTest,
                         ::testing::Values(SimulatedFileSystem::End::kill,
                                           SimulatedFileSystem::End::power_loss),
                         [](const auto& end) {
                           return end.param == SimulatedFileSystem::End::kill ? "kill" : "power_loss";
                         });

}  // namespace
}  // namespace rmq::derive
