// Random damage in each of the store's smaller parts: every byte that is changed, every file that is cut,
// zeroed or gone is named, at its file and above benign; what may stay unnamed is listed here, with the
// reason. RMQ_SEED is the first seed, RMQ_SEEDS how many bytes are changed in each part.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/scan/commit_log_walker.h"
#include "tests/forensics/part_testing.h"

namespace rmq::forensics {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Part {
  const char* store;
  const char* directory;  // files below it, or one file
};

void PrintTo(const Part& part, std::ostream* out) { *out << part.store << ' ' << part.directory; }

const Part kParts[] = {
    {"broker-timer", "timerwheel"},
    {"broker-timer", "timerlog/"},
    {"broker-timer", "config/timercheck"},
    {"dledger", "dledger-n0/index/"},
    {"dledger", "dledger-n0/checkpoint"},
    {"compaction", "compaction/compactionLog/"},
    {"compaction", "compaction/compactionCq/"},
    {"ha-epoch", "epochFileCheckpoint"},
    {"broker-trans", "consumequeue/RMQ_SYS_TRANS_HALF_TOPIC/"},
    {"broker-trans", "consumequeue/RMQ_SYS_TRANS_OP_HALF_TOPIC/"},
    {"broker-pop", "consumequeue/rmq_sys_REVIVE_LOG_"},
    {"broker-pop-kv", "kvStore/"},
    {"rocksdb-cq", "consumequeue/"},
    {"rocksdb-double", "consumequeue/"},
    {"broker-rocksdb", "consumequeue/"},
    {"broker-rocksdb", "config/topics/"},
    {"broker-rocksdb", "config/subscriptionGroups/"},
    {"broker-rocksdb", "config/consumerOffsets/"},
    {"broker-config-v2", "config/rdb/"},
};

// RocksDB's own notes for people and tools: it opens the database without them.
bool is_note(const std::string& file) {
  return file.find("/OPTIONS-") != std::string::npos || file.ends_with("/IDENTITY");
}

// Fields that no checksum and no second copy vouches for, of a compaction log's record: those of the commit
// log's (tags, keys and the like are vouched for where a queue or an index says them again).
bool is_unsealed_record_byte(PartStore& store, const std::string& file, std::size_t at) {
  if (!file.starts_with("compaction/compactionLog/")) return false;
  const auto& bytes = store.bytes(file);
  scan::CommitLogWalker::Options options;
  options.records_start = 0;
  options.file_size = std::ssize(bytes);
  const auto opened = store.files.open(store.path(file));
  scan::CommitLogWalker walker(**opened, options);
  while (const auto item = walker.next()) {
    const auto from = static_cast<std::size_t>(item->position);
    if (at < from || at >= from + static_cast<std::size_t>(item->length)) continue;
    if (item->kind != scan::LogItemKind::record) return false;
    const std::size_t field = at - from;
    const auto body = static_cast<std::size_t>(item->message.body.data() - item->bytes.data());
    const auto topic = static_cast<std::size_t>(as_bytes(item->message.topic).data() - item->bytes.data());
    const bool flag = field >= 16 && field < 20;
    const bool behind_own_place = field >= 36 && field < body - 4;  // system flag, times, hosts, retries
    const bool properties = field >= topic + item->message.topic.size() + 2;
    return flag || behind_own_place || properties;
  }
  return false;
}

bool means_nothing(PartStore& store, const std::string& file, std::size_t at) {
  // How far the timer was is said by a broker now and then: an earlier number is as good. Behind it, a data
  // version.
  if (file == "config/timercheck") return at >= 8;
  return is_note(file) || is_unsealed_record_byte(store, file, at);
}

// A write-ahead log whose entries are in tables by now; the next start deletes it.
bool is_flushed_log(const std::string& file) { return file == "config/subscriptionGroups/000004.log"; }

// A store that never had it looks the same: a backup, how far a DLedger broker knew its
// entries to be committed, the files of a queue that RocksDB has as well, the
// first file of a log (expiry).
bool is_optional(const std::string& file) {
  return file.ends_with(".bak") || file == "dledger-n0/checkpoint" ||
         file.starts_with("consumequeue/DblA/0/");
}

class PartDamage : public ::testing::TestWithParam<Part> {
 protected:
  PartDamage() : store_(GetParam().store), whole_(store_.judge()) {
    const std::string prefix = store_.path(GetParam().directory);
    for (const auto& [path, file] : store_.files.files) {
      if (path.starts_with(prefix) && !file.bytes.empty())
        files_.push_back(path.substr(store_.path("").size()));
    }
  }

  // A finding that is not made of the whole store, at the file, its directory or its database.
  [[nodiscard]] bool names(const Judgement& judgement, const std::string& file) const {
    std::set<std::string> places{file};
    for (std::string path = file; path.find('/') != std::string::npos;) {
      path.resize(path.find_last_of('/'));
      places.insert(path);
      places.insert(path + "/CURRENT");
    }
    return std::ranges::any_of(judgement.findings, [&](const Finding& finding) {
      const bool is_new = std::ranges::none_of(whole_.findings, [&](const Finding& before) {
        return before.code == finding.code && before.file == finding.file &&
               before.message == finding.message;
      });
      return is_new && (places.contains(finding.file) || places.contains(finding.expected_file));
    });
  }

  [[nodiscard]] static std::string describe(const Judgement& judgement) {
    std::string text;
    for (const Finding& finding : judgement.findings) text += "\n  " + ::testing::PrintToString(finding);
    return text;
  }

  PartStore store_;
  Judgement whole_;
  std::vector<std::string> files_;
};

TEST_P(PartDamage, EveryChangedByteIsNamed) {
  ASSERT_FALSE(files_.empty());
  const std::uint64_t count = from_environment("RMQ_SEEDS", 20);
  std::mt19937_64 random(from_environment("RMQ_SEED", 1));
  std::vector<std::pair<std::string, std::size_t>> used;
  for (const std::string& file : files_) {
    const auto& bytes = store_.bytes(file);
    for (std::size_t at = 0; at < bytes.size(); ++at)
      if (bytes[at] != std::byte{0}) used.emplace_back(file, at);
  }
  ASSERT_FALSE(used.empty());
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto& [file, at] = used[random() % used.size()];
    const std::byte flip = std::byte{1} << (random() % 8);
    std::byte& byte = store_.bytes(file)[at];
    byte ^= flip;
    const Judgement judgement = store_.judge_unreadable();
    byte ^= flip;
    EXPECT_TRUE(names(judgement, file) || means_nothing(store_, file, at))
        << file << ", byte " << at << " ^ " << std::to_integer<int>(flip) << ':' << describe(judgement);
  }
}

TEST_P(PartDamage, FilesThatAreCutZeroedOrGoneAreNamed) {
  for (const std::string& file : files_) {
    if (is_note(file)) continue;
    const testing::MemoryFile kept = store_.files.files.at(store_.path(file));
    const auto expect_named = [&](const char* what) {
      const Judgement judgement = store_.judge_unreadable();
      EXPECT_TRUE(names(judgement, file)) << file << ' ' << what << ':' << describe(judgement);
    };
    const auto used =
        std::find_if(kept.bytes.rbegin(), kept.bytes.rend(), [](std::byte b) { return b != std::byte{0}; });
    const auto half = static_cast<std::size_t>(kept.bytes.rend() - used) / 2;
    store_.resize(file, half);
    expect_named("cut");
    store_.files.files[store_.path(file)] = kept;
    std::ranges::fill(store_.bytes(file), std::byte{0});
    if (!is_flushed_log(file)) expect_named("zeroed");
    store_.remove(file);
    if (!is_flushed_log(file) && !is_optional(file)) expect_named("gone");
    store_.files.files[store_.path(file)] = kept;
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, PartDamage, ::testing::ValuesIn(kParts));

}  // namespace
}  // namespace rmq::forensics
