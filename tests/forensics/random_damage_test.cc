// Whole stores, damaged at random: whatever the damage, every level of verify, both forecasts and every dump end soon,
// contradict neither themselves nor the bytes, and do not depend on the number of threads.
// RMQ_SEED is the first seed, RMQ_SEEDS how many of them; a failure names the seed that repeats it. RMQ_ORACLE_DIR names
// a directory where the reference stores are unpacked already.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "libstore/base/saturate.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/dump.h"
#include "libstore/forensics/finding_table.h"
#include "libstore/forensics/verify.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/json/json_value.h"
#include "libstore/preflight/preflight.h"
#include "libstore/scan/commit_log_walker.h"
#include "libstore/testing/memory_file_system.h"
#include "libstore/testing/store_damage.h"
#include "tests/scan/oracle_store.h"

namespace rmq::forensics {
namespace {

using testing::DamagedRange;
using testing::MemoryFile;
using testing::MemoryFileSystem;

constexpr std::array<std::string_view, 18> kStores{
    "base",      "plain-rmq4",    "lmq",         "batch-inner", "batch-flat", "cq-ext",        "index",        "recreated",
    "multipath", "expired-front", "crash-kill9", "stale-tail",  "broker-pop", "broker-config", "broker-timer", "ha-epoch",
    "dledger",   "compaction"};
// Of larger files, what was never written is loaded as a hole: the timer wheel, the DLedger index.
constexpr std::size_t kLargestRead = 4 << 20;
// Far more than any seed needs, in the slowest build; a run that hangs reaches it all the same.
constexpr std::chrono::seconds kLongestSeed{20};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct LoadedStore {
  std::string name;
  std::string root;
  MemoryFileSystem files;
  std::vector<DamagedRange> unused;  // bytes that mean nothing to anybody
  std::vector<DamagedRange> sealed;  // bytes of live records that a checksum or a second copy vouches for
};

// What the header and the checksum of a live record vouch for: its size, magic, CRC, queue id, its own place, its body.
void add_log_ranges(LoadedStore& store, const scan::MappedFile& file, std::int64_t file_size, bool dledger) {
  const auto opened = store.files.open(file.path);
  scan::CommitLogWalker::Options options;
  options.records_start = file.start;
  options.file_size = file_size;
  options.dledger = dledger;
  scan::CommitLogWalker walker(**opened, options);
  while (const auto item = walker.next()) {
    const std::int64_t at = item->position;
    if (item->kind == scan::LogItemKind::blank) {
      store.unused.push_back({file.path, at + format::kBlankSize, at + item->length});
    } else if (item->kind == scan::LogItemKind::record) {
      store.sealed.push_back({file.path, at, at + 8});
      const auto own = at + static_cast<std::int64_t>(format::kRecordPhysicalOffsetOffset);
      store.sealed.push_back({file.path, own, own + 8});
      const std::int64_t body = at + (item->message.body.data() - item->bytes.data());
      store.sealed.push_back({file.path, body, body + std::ssize(item->message.body)});
    }
  }
}

std::unique_ptr<LoadedStore> load(std::string_view name) {
  const testing::OracleStore oracle(testing::oracle_stores() / name, testing::unpacked_oracle_stores());
  auto store = std::make_unique<LoadedStore>();
  store->name = name;
  store->root = oracle.root().string();
  store->files.load(store->root);
  for (auto& [path, file] : store->files.files) {
    if (file.bytes.size() <= kLargestRead) continue;
    const auto used = std::find_if(file.bytes.rbegin(), file.bytes.rend(), [](std::byte b) { return b != std::byte{0}; });
    file.hole = used - file.bytes.rbegin();
    file.bytes.resize(file.bytes.size() - static_cast<std::size_t>(file.hole));
  }
  scan::StoreConfig config;
  config.root = store->root;
  const auto survey = scan::survey_store(store->files, config);
  if (!survey) return store;
  for (const scan::MappedFile& file : survey->commit_log.files) {
    add_log_ranges(*store, file, survey->commit_log.file_size, survey->commit_log_is_dledger);
  }
  constexpr std::int64_t kCheckpointUsed = 40;
  if (survey->checkpoint) store->unused.push_back({survey->checkpoint->path, kCheckpointUsed, format::kCheckpointFileSize});
  if (survey->lock) store->unused.push_back({survey->lock->path, 0, survey->lock->size});
  return store;
}

const std::vector<std::unique_ptr<LoadedStore>>& stores() {
  static const auto loaded = [] {
    std::vector<std::unique_ptr<LoadedStore>> all;
    for (const std::string_view name : kStores) all.push_back(load(name));
    return all;
  }();
  return loaded;
}

class Lines final : public ByteSink {
 public:
  bool write(std::string_view more) override {
    text += more;
    return true;
  }
  std::string text;
};

class Observer final : public RunObserver {
 public:
  void expect(std::int64_t) override {}
  void advance(std::int64_t) override {}
  bool cancelled() const override { return false; }
};

using FindingKey = std::tuple<std::string, int, std::string, std::int64_t, std::int64_t, std::string>;

struct Verdict {
  VerifySummary summary;
  std::vector<FindingKey> findings;
};

Verdict judge(const MemoryFileSystem& files, const scan::StoreSurvey& survey, VerifyLevel level, std::size_t jobs) {
  Verdict verdict;
  VerifyOptions options;
  options.level = level;
  options.jobs = jobs;
  verdict.summary = run_verify(files, survey, options, [&](const Finding& finding) {
    EXPECT_NE(find_finding(finding.code), nullptr) << finding.code;
    EXPECT_GE(finding.offset, 0) << finding.code << " " << finding.message;
    EXPECT_GE(finding.length, 0) << finding.code << " " << finding.message;
    EXPECT_FALSE(finding.message.empty()) << finding.code;
    verdict.findings.emplace_back(finding.code, static_cast<int>(finding.severity), finding.file, finding.offset,
                                  finding.length, finding.message);
  });
  const VerifySummary& summary = verdict.summary;
  EXPECT_LE(summary.bytes_checked, summary.bytes_expected) << "level " << static_cast<int>(level);
  EXPECT_GE(summary.bytes_checked, 0);
  // What the exit code is made of, and nothing else, decides whether a store is clean.
  EXPECT_EQ(summary.clean, summary.worst == Severity::benign && !summary.unclean_stop && !summary.read_errors)
      << "level " << static_cast<int>(level) << ", worst " << to_string(summary.worst) << ", "
      << summary.bytes_checked << " of " << summary.bytes_expected << " bytes checked";
  return verdict;
}

bool overlaps(const DamagedRange& a, const DamagedRange& b) {
  return a.path == b.path && a.from < b.to && b.from < a.to;
}

class Case {
 public:
  Case(const LoadedStore& store, MemoryFileSystem files) : store_(store), files_(std::move(files)) {}

  // False: nothing of a store is left.
  bool survey() {
    scan::StoreConfig config;
    config.root = store_.root;
    auto result = scan::survey_store(files_, config);
    if (result) survey_ = *std::move(result);
    else EXPECT_FALSE(result.error().message().empty());
    return static_cast<bool>(result);
  }

  void verify(const LoadedStore& pristine, const std::vector<DamagedRange>& damage) {
    std::map<VerifyLevel, Verdict> verdicts;
    for (const auto level : {VerifyLevel::quick, VerifyLevel::normal, VerifyLevel::deep, VerifyLevel::paranoid}) {
      verdicts[level] = judge(files_, survey_, level, 1);
      const Verdict again = judge(files_, survey_, level, 2);
      EXPECT_EQ(verdicts[level].findings, again.findings) << "level " << static_cast<int>(level) << ", one job or two";
      EXPECT_EQ(verdicts[level].summary.records, again.summary.records);
      EXPECT_EQ(verdicts[level].summary.bytes_checked, again.summary.bytes_checked);
    }
    EXPECT_EQ(verdicts[VerifyLevel::normal].summary.records, verdicts[VerifyLevel::paranoid].summary.records);
    if (damage.size() != 1 || !damage.front().in_place) return;
    const DamagedRange& only = damage.front();
    const auto touches = [&](const DamagedRange& range) { return overlaps(range, only); };
    const auto holds = [&](const DamagedRange& range) {
      return range.path == only.path && range.from <= only.from && only.to <= range.to;
    };
    const Verdict whole = judge(pristine.files, survey_, VerifyLevel::paranoid, 1);
    if (std::ranges::any_of(pristine.unused, holds)) {
      EXPECT_EQ(verdicts[VerifyLevel::paranoid].findings, whole.findings) << "in unused space";
    }
    if (whole.summary.clean && std::ranges::any_of(pristine.sealed, touches) && sealed_bytes_changed(pristine, only)) {
      EXPECT_FALSE(verdicts[VerifyLevel::deep].summary.clean) << "sealed bytes were changed";
    }
  }

  void forecast(bool assume_abort) {
    for (const auto version : {preflight::StockVersion::v4_9, preflight::StockVersion::v5_3}) {
      preflight::PreflightOptions options;
      options.version = version;
      if (assume_abort) options.assume_abort = true;
      const auto result = preflight::run_preflight(files_, survey_, options);
      if (!result) {
        EXPECT_NE(result.error().code, ErrorCode::cancelled);
        EXPECT_FALSE(result.error().message().empty());
        continue;
      }
      EXPECT_GE(result->messages_lost, 0);
      EXPECT_GE(result->misplaced, 0);
      EXPECT_TRUE(result->starts || !result->reason.empty());
      for (const preflight::QueueForecast& queue : result->queues) {
        // RocketMQ itself may come to a minimum above the maximum (correctMinOffset of a damaged batch queue).
        const std::int64_t offsets = std::max<std::int64_t>(saturated_sub(queue.max_offset, queue.min_offset), 0);
        EXPECT_LE(queue.readable, offsets) << queue.topic << "/" << queue.queue_id;
        EXPECT_GE(queue.readable, 0);
      }
    }
  }

  void dump() {
    using Verb = Result<DumpSummary> (*)(const DumpInput&, const DumpOptions&, ByteSink&);
    DumpOptions options;
    options.format = OutputFormat::json;
    options.hash = options.join = options.all = options.chains = true;
    options.strict_names = false;
    options.memory = 8 << 20;
    std::string one_job;
    for (const std::int32_t jobs : {1, 2}) {
      options.jobs = jobs;
      const std::string log = lines_of("log", dump_log, options);
      if (jobs == 2) {
        EXPECT_EQ(log, one_job) << "dump log, one job or two";
      }
      one_job = log;
    }
    check_log_lines(one_job);
    lines_of("cq", dump_queues, options);
    lines_of("index", dump_index, options);
    lines_of("config", dump_config, options);
    const Verb state = [](const DumpInput& input, const DumpOptions& how, ByteSink& out) {
      return dump_state(input, how, LockState{}, out);
    };
    lines_of("state", state, options);
    options.key = "key1";
    lines_of("key", dump_key, options);
    options.key = "4711";
    lines_of("msg", dump_message, options);
    options.format = OutputFormat::text;
    lines_of("log", dump_log, options);
    lines_of("index", dump_index, options);
  }

 private:
  // The mutation may have written what was there before.
  [[nodiscard]] bool sealed_bytes_changed(const LoadedStore& pristine, const DamagedRange& damage) const {
    const auto& before = pristine.files.files.at(damage.path).bytes;
    const auto& after = files_.files.at(damage.path).bytes;
    for (const DamagedRange& range : pristine.sealed) {
      if (!overlaps(range, damage)) continue;
      if (!std::equal(before.begin() + range.from, before.begin() + range.to, after.begin() + range.from)) return true;
    }
    return false;
  }

  template <class Verb>
  std::string lines_of(const char* name, Verb verb, const DumpOptions& options) {
    Observer observer;
    Lines lines;
    const auto summary = verb({files_, survey_, observer}, options, lines);
    if (!summary) {
      EXPECT_FALSE(summary.error().message().empty()) << name;
    } else {
      EXPECT_LE(summary->bytes_checked, summary->bytes_expected) << "dump " << name;
    }
    return std::move(lines.text);
  }

  // Every line is JSON; every record lies where its line says.
  void check_log_lines(const std::string& text) const {
    std::int64_t last_end = 0;
    std::string last_file;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      ASSERT_NE(end, std::string::npos) << "an unfinished line";
      const std::string_view line = std::string_view(text).substr(at, end - at);
      at = end + 1;
      const auto value = json::parse(line);
      ASSERT_TRUE(value) << line;
      const auto number = [&](const char* field) { return value->find(field)->as_int64().value_or(-1); };
      const std::string& file = *value->find("file")->if_string();
      const bool record = *value->find("kind")->if_string() == "record";
      const std::int64_t from = number(record ? "phyOffset" : "from");
      const std::int64_t to = record ? from + number("size") : number("to");
      EXPECT_LT(from, to) << line;
      if (file == last_file && survey_.config.commit_log_directories.empty()) {
        EXPECT_GE(from, last_end) << line;
      }
      last_end = to;
      last_file = file;
      if (record) {
        EXPECT_TRUE(lies_there(file, from, number("size"))) << line;
      }
    }
  }

  [[nodiscard]] bool lies_there(const std::string& file, std::int64_t phy_offset, std::int64_t size) const {
    for (const scan::MappedFile& mapped : survey_.commit_log.files) {
      if (mapped.name != file) continue;
      const auto& bytes = files_.files.at(mapped.path).bytes;
      const std::int64_t position = phy_offset - mapped.start;
      if (position < 0 || position + size > std::ssize(bytes) || size < format::kMinRecordSize) continue;
      const std::byte* record = bytes.data() + position;
      const auto magic = load_be<std::int32_t>(record + format::kRecordMagicOffset);
      if (load_be<std::int32_t>(record) == size && (magic == format::kMagicV1 || magic == format::kMagicV2)) return true;
    }
    return false;
  }

  const LoadedStore& store_;
  MemoryFileSystem files_;
  scan::StoreSurvey survey_;
};

TEST(RandomDamage, NothingCrashesHangsOrContradictsItself) {
  const std::uint64_t first = from_environment("RMQ_SEED", 1);
  const std::uint64_t count = from_environment("RMQ_SEEDS", 150);
  std::chrono::nanoseconds slowest{0};
  std::uint64_t slowest_seed = first;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const LoadedStore& store = *stores()[seed % stores().size()];
    ASSERT_FALSE(store.files.files.empty()) << store.name;
    MemoryFileSystem files = store.files;
    const int mutations = static_cast<int>(1 + seed / stores().size() % 6);
    const testing::StoreDamage damage = testing::StoreDamager(seed).damage(files, mutations);
    SCOPED_TRACE("RMQ_SEED=" + std::to_string(seed) + " RMQ_SEEDS=1, store " + store.name + "\n" + damage.description);
    const auto started = std::chrono::steady_clock::now();
    Case damaged(store, std::move(files));
    if (damaged.survey()) {
      damaged.verify(store, damage.ranges);
      damaged.forecast(seed % 2 == 0);
      damaged.dump();
    }
    const std::chrono::nanoseconds taken = std::chrono::steady_clock::now() - started;
    EXPECT_LT(taken, kLongestSeed);
    if (taken > slowest) {
      slowest = taken;
      slowest_seed = seed;
    }
    if (::testing::Test::HasFailure() && std::getenv("RMQ_KEEP_GOING") == nullptr) break;
  }
  std::printf("seeds %llu to %llu; the slowest, %llu, took %lld ms\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + count - 1), static_cast<unsigned long long>(slowest_seed),
              static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(slowest).count()));
}

}  // namespace
}  // namespace rmq::forensics
