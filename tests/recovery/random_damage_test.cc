// A small store, damaged at random, then opened: it opens or is refused; what was whole and in its place
// still is, nothing is left to do, and nothing is left to find. RMQ_SEED: the first seed; RMQ_SEEDS: how many
// (default 120).
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "libstore/bytes/big_endian.h"
#include "libstore/engine/message_store.h"
#include "libstore/forensics/verify.h"
#include "libstore/recovery/plan_text.h"
#include "libstore/testing/simulated_file_system.h"
#include "libstore/testing/store_damage.h"

namespace rmq::recovery {
namespace {

using engine::MessageStore;
using rmq::testing::MemoryFileSystem;
using rmq::testing::SimulatedFileSystem;

constexpr int kMessages = 80;

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

engine::StoreOptions options() {
  engine::StoreOptions all;
  all.config.root = "/store";
  all.config.commit_log_file_size = 8 << 10;
  all.config.consume_queue_file_size = 20 * 8;
  all.config.index_slots = 16;
  all.config.index_entries = 40;
  all.check = Depth::full;
  all.background = false;
  all.jobs = 1;
  return all;
}

// Log offset and the record's bytes.
using Records = std::map<std::int64_t, std::vector<std::byte>>;

Records fill(SimulatedFileSystem& files) {
  auto store = MessageStore::open(files, options());
  EXPECT_TRUE(store);
  Records records;
  for (int i = 0; i < kMessages; ++i) {
    const std::string body(static_cast<std::size_t>(100 + 5 * i), static_cast<char>('a' + i % 26));
    const std::string properties = "TAGS\1t\2UNIQ_KEY\1u" + std::to_string(i) + "\2";
    const std::array<std::byte, 4> address{};
    format::MessageView message;
    message.topic = i % 3 == 0 ? "Payments" : "Orders";
    message.queue_id = i % 2;
    message.body = as_bytes(body);
    message.properties = properties;
    message.born_host = message.store_host = {address, 1};
    const engine::PutResult put = (*store)->put(message);
    EXPECT_TRUE(put.ok());
    records[put.log_offset] = *(*store)->look_up(put.log_offset);
  }
  EXPECT_TRUE((*store)->close());
  return records;
}

void copy(const SimulatedFileSystem& from, const std::string& directory, MemoryFileSystem& to) {
  const auto entries = from.list(directory);
  ASSERT_TRUE(entries);
  for (const auto& entry : *entries) {
    const std::string path = io::join_path(directory, entry.name);
    if (entry.kind == io::EntryKind::directory) {
      copy(from, path, to);
    } else {
      to.files[path].bytes = *io::read_all(from, path, 64 << 20);
    }
  }
}

void run(std::uint64_t seed) {
  SimulatedFileSystem before(seed);
  const Records records = fill(before);
  MemoryFileSystem damaged;
  copy(before, "/store", damaged);
  rmq::testing::StoreDamager damager(seed);
  const rmq::testing::StoreDamage damage = damager.damage(damaged, 1 + static_cast<int>(seed % 3));
  SimulatedFileSystem files(seed);
  for (const auto& [path, file] : damaged.files) {
    std::vector<std::byte> bytes = file.bytes;
    bytes.resize(bytes.size() + static_cast<std::size_t>(std::min<std::int64_t>(file.hole, 100'000)));
    files.put(path, bytes);
  }
  SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + damage.description);
  auto store = MessageStore::open(files, options());
  if (!store) {
    EXPECT_NE(store.error().message(), "");
    if (std::getenv("RMQ_TELL") != nullptr) printf("%lu: %s\n", seed, store.error().message().c_str());
    return;
  }
  // A record whose bytes lie whole in the log before is there afterwards, and its queue leads to it.
  for (const auto& [offset, record] : records) {
    const std::string path = "/store/commitlog/" +
                             std::string(20 - std::to_string(offset / 8192 * 8192).size(), '0') +
                             std::to_string(offset / 8192 * 8192);
    const auto file = damaged.files.find(path);
    if (file == damaged.files.end()) continue;
    const auto position = static_cast<std::size_t>(offset % 8192);
    const auto& bytes = file->second.bytes;
    if (bytes.size() < position + record.size()) continue;
    if (!std::equal(record.begin(), record.end(), bytes.begin() + static_cast<std::ptrdiff_t>(position)))
      continue;
    const auto message = *format::MessageView::parse(record);
    if (offset >= (*store)->report().plan.log_end) continue;  // the log ends before it: told by the plan
    const auto found = (*store)->look_up(offset);
    EXPECT_TRUE(found && *found == record) << "record at " << offset;
    engine::GetOptions one;
    one.max_messages = 1;
    const auto got = (*store)->get(message.topic, message.queue_id, message.queue_offset, one);
    EXPECT_TRUE(got && got->messages.size() == 1 && got->bytes == record) << "message at " << offset;
  }
  ASSERT_TRUE((*store)->close());
  scan::StoreConfig config;
  config.root = "/store";
  const auto survey = scan::survey_store(files, config);
  ASSERT_TRUE(survey);
  forensics::VerifyOptions verify;
  verify.level = forensics::VerifyLevel::paranoid;
  (void)forensics::run_verify(files, *survey, verify, [](const forensics::Finding& finding) {
    if (finding.severity != forensics::Severity::benign)
      ADD_FAILURE() << finding.code << ' ' << finding.file << ' ' << finding.offset << ' ' << finding.message;
  });
  auto again = MessageStore::open(files, options());
  ASSERT_TRUE(again) << again.error().message();
  for (const std::string& step : steps_as_text((*again)->report().plan)) ADD_FAILURE() << "again: " << step;
}

TEST(RandomDamage, OpensOrRefuses) {
  const std::uint64_t first = number_from("RMQ_SEED", 1);
  const std::uint64_t count = number_from("RMQ_SEEDS", 120);
  for (std::uint64_t seed = first; seed < first + count; ++seed) run(seed);
}

}  // namespace
}  // namespace rmq::recovery
