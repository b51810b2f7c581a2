// The proof: for every store of testdata that RocketMQ wrote and nobody damaged, queues and index made anew
// from its commit log are those that RocketMQ made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libstore/derive/rebuild.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/consume_queue_ext_unit.h"
#include "libstore/format/index_file.h"
#include "libstore/json/json_value.h"
#include "libstore/scan/commit_log_walker.h"
#include "libstore/scan/store_survey.h"
#include "libstore/testing/simulated_file_system.h"
#include "tests/derive/golden_rebuild.h"

namespace rmq::derive {
namespace {

std::vector<std::byte> bytes_of(const io::ReadFileSystem& files, const std::string& path) {
  auto bytes = io::read_all(files, path, 1 << 29);
  return bytes ? *std::move(bytes) : std::vector<std::byte>();
}

std::int64_t tags_code_of_ext(const scan::Queue& queue, std::int64_t offset) {
  for (const scan::MappedFile& file : queue.ext.files) {
    if (offset < file.start || offset >= file.start + file.size) continue;
    const auto bytes = bytes_of(io::posix_read_file_system(), file.path);
    const auto unit = format::ConsumeQueueExtUnit::parse(
        std::span(bytes).subspan(static_cast<std::size_t>(offset - file.start)));
    if (unit) return unit->tags_code;
  }
  return 0;
}

// The store time of the last message in a queue file.
std::int64_t queue_file_time(const std::vector<std::byte>& file, bool batch, const Rebuilt& rebuilt) {
  std::int64_t last = 0;
  for (std::size_t at = 0, size = batch ? 46 : 20; at + size <= file.size(); at += size) {
    const auto unit = format::ConsumeQueueEntry::load(file.data() + at);  // a batch unit begins alike
    if (unit.is_used() && !unit.is_pre_blank()) last = unit.commit_log_offset;
  }
  return rebuilt.store_timestamps.at(last);
}

bool is_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte(); });
}

// What a rebuild can know of a queue file: no units of messages that have expired, none that a truncation
// left behind, and of those that lead to an ext unit the tags code that stands there.
void leave_out_what_the_log_does_not_say(std::vector<std::byte>& file, const scan::Queue& queue,
                                         const Rebuilt& rebuilt, const Settings& settings) {
  if (queue.kind == scan::QueueKind::batch) return;
  for (std::size_t at = 0; at + 20 <= file.size(); at += 20) {
    auto unit = format::ConsumeQueueEntry::load(file.data() + at);
    if (!unit.is_used() || unit.is_pre_blank()) continue;
    if (format::is_ext_address(unit.tags_code))
      unit.tags_code = tags_code_of_ext(queue, format::ext_offset(unit.tags_code));
    if (unit.commit_log_offset < rebuilt.log_begin) {
      unit = format::kPreBlankEntry;
    } else if (settings.ends_stale && !rebuilt.store_timestamps.contains(unit.commit_log_offset)) {
      unit = {};
    }
    unit.store(file.data() + at);
  }
}

bool is_blank(std::span<const std::byte> file) {
  for (std::size_t at = 0; at + 20 <= file.size(); at += 20) {
    if (!format::ConsumeQueueEntry::load(file.data() + at).is_pre_blank()) return false;
  }
  return true;
}

// Every file of every queue, byte for byte.
int compare_queues(const SimulatedFileSystem& disk, const scan::StoreSurvey& survey, const Rebuilt& rebuilt,
                   const Settings& settings) {
  int compared = 0;
  for (const scan::Queue& queue : survey.queues) {
    for (const scan::MappedFile& file : queue.files.files) {
      const bool batch = queue.kind == scan::QueueKind::batch;
      const std::string path = (batch ? "/new/batchconsumequeue/" : "/new/consumequeue/") + queue.topic +
                               "/" + std::to_string(queue.queue_id) + "/" + file.name;
      auto stock = bytes_of(io::posix_read_file_system(), file.path);
      leave_out_what_the_log_does_not_say(stock, queue, rebuilt, settings);
      const auto ours = bytes_of(disk, path);
      // Made ahead, or with nothing but expired units, of which the last may lie within it.
      const std::size_t used =
          stock.size() -
          static_cast<std::size_t>(std::distance(
              stock.rbegin(), std::ranges::find_if(stock.rbegin(), stock.rend(),
                                                   [](std::byte b) { return b != std::byte(); })));
      if (ours.empty() && (is_zero(stock) || (!batch && is_blank(std::span(stock).first(used / 20 * 20)))))
        continue;
      // A process that was killed may not have come to the last messages.
      const std::size_t length = survey.abort ? used : stock.size();
      EXPECT_TRUE(stock.size() == ours.size() &&
                  std::equal(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(length), stock.begin()))
          << file.shown << ": " << ours.size() << " of " << stock.size();
      EXPECT_EQ(disk.stat(path)->modified_ms, queue_file_time(ours, batch, rebuilt)) << path;
      ++compared;
    }
  }
  return compared;
}

// Every key hash and log offset, of messages that are there and lie before a truncation: what lay behind it,
// stock's index still has.
using Keys = std::set<std::pair<std::int64_t, std::int32_t>>;
void add_keys(Keys& keys, const std::vector<std::byte>& file, std::int32_t slots, const Rebuilt& rebuilt,
              std::int64_t before) {
  const auto header = *format::IndexHeader::parse(file);
  for (std::int32_t number = 1; number < header.index_count; ++number) {
    const auto entry = format::IndexEntry::load(file.data() + format::index_entry_position(slots, number));
    if (rebuilt.store_timestamps.contains(entry.phy_offset) && entry.phy_offset < before)
      keys.emplace(entry.phy_offset, entry.key_hash);
  }
}

// Every index file, byte for byte, in the order of their names. Not where files at the front have expired,
// and with them the beginning of the count; nor where a process was killed or the log truncated: stock then
// puts the last message's keys twice, and none of those that come before the old end again. There every key
// of stock's must be in ours.
int compare_index(const SimulatedFileSystem& disk, const scan::StoreSurvey& survey, const Rebuilt& rebuilt,
                  const Settings& settings) {
  const std::int32_t slots = settings.config.index_slots.value_or(format::kDefaultIndexSlots);
  std::vector<std::string> ours;
  if (const auto entries = disk.list("/new/index"))
    for (const io::DirectoryEntry& entry : *entries) ours.push_back("/new/index/" + entry.name);
  if (survey.abort || settings.ends_stale || rebuilt.log_begin > 0) {
    Keys stock_keys;
    Keys our_keys;
    for (const auto& file : survey.index_files)
      add_keys(stock_keys, bytes_of(io::posix_read_file_system(), file.path), slots, rebuilt,
               settings.truncated_at);
    for (const std::string& path : ours)
      add_keys(our_keys, bytes_of(disk, path), slots, rebuilt, settings.truncated_at);
    EXPECT_TRUE(std::ranges::includes(our_keys, stock_keys));
    if (rebuilt.log_begin > 0) {
      EXPECT_EQ(our_keys, stock_keys);
    }
    return 0;
  }
  EXPECT_EQ(ours.size(), survey.index_files.size());
  for (std::size_t i = 0; i < std::min(ours.size(), survey.index_files.size()); ++i) {
    auto stock = bytes_of(io::posix_read_file_system(), survey.index_files[i].path);
    const auto mine = bytes_of(disk, ours[i]);
    auto header = *format::IndexHeader::parse(stock);
    if (header.index_count == 0) header.index_count = 1;  // 4.9 writes it with the first entry only
    header.store(stock.data());
    EXPECT_EQ(header, *format::IndexHeader::parse(mine)) << survey.index_files[i].shown;
    EXPECT_TRUE(stock == mine) << survey.index_files[i].shown;
    EXPECT_EQ(disk.stat(ours[i])->modified_ms, header.end_timestamp);
  }
  return static_cast<int>(ours.size());
}

TEST(DeriveGolden, QueuesAndIndexOfEveryStore) {
  int stores = 0;
  int queue_files = 0;
  int index_files = 0;
  for (const std::string& name : rmq::testing::oracle_store_names()) {
    if (std::filesystem::exists(rmq::testing::oracle_stores() / name / "damage.json")) continue;
    SCOPED_TRACE(name);
    const OracleStore store(rmq::testing::oracle_stores() / name, rmq::testing::unpacked_oracle_stores());
    const Settings settings = settings_of(store);
    const auto survey = scan::survey_store(io::posix_read_file_system(), settings.config);
    ASSERT_TRUE(survey) << survey.error().message();
    SimulatedFileSystem disk(1);
    const Rebuilt rebuilt = rebuild(disk, *survey, settings);
    EXPECT_EQ(rebuilt.report.holes, 0)
        << (rebuilt.report.first_holes.empty() ? "" : rebuilt.report.first_holes[0].topic);
    EXPECT_EQ(rebuilt.report.undispatchable, 0);
    const int compared = compare_queues(disk, *survey, rebuilt, settings);
    const int indexes = compare_index(disk, *survey, rebuilt, settings);
    ++stores;
    queue_files += compared;
    index_files += indexes;
  }
  EXPECT_GT(stores, 40);
  EXPECT_GT(queue_files, 300);
  EXPECT_GT(index_files, 60);
}

}  // namespace
}  // namespace rmq::derive
