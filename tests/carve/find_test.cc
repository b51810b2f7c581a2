// What is found in bytes of any kind, and what never is.
#include "libstore/carve/find.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <tuple>

#include "libstore/bytes/big_endian.h"
#include "tests/carve/found_log.h"

namespace rmq::carve {
namespace {

using Place = std::tuple<std::size_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;

FoundRecords find(const testing::MemoryFileSystem& files, std::int64_t chunk = 16 << 20,
                  std::size_t jobs = 1) {
  std::vector<Source> sources;
  for (const auto& [path, file] : files.files) sources.push_back({path, path, std::ssize(file.bytes)});
  FindOptions options;
  options.chunk = chunk;
  options.jobs = jobs;
  return *find_records(files, sources, options);
}

FoundRecords find(const Bytes& bytes, std::int64_t chunk = 16 << 20, std::size_t jobs = 1) {
  testing::MemoryFileSystem files;
  files.files["/f"].bytes = bytes;
  return find(files, chunk, jobs);
}

std::vector<Place> places(const FoundRecords& found) {
  std::vector<Place> places;
  for (const carve::Run& run : found.runs)
    places.emplace_back(run.source, run.position, run.log_offset, run.length, run.records);
  return places;
}

TEST(Find, AtEveryPlace) {
  LogWriter log;
  log.log_offset = 1 << 20;
  const Bytes record = log.record(100);
  for (std::size_t before = 0; before < 40; ++before) {
    Bytes bytes = noise(before, before);
    append(bytes, record);
    append(bytes, noise(33, 7));
    const FoundRecords found = find(bytes);
    ASSERT_EQ(found.runs.size(), 1U) << before;
    EXPECT_EQ(found.runs[0].position, static_cast<std::int64_t>(before));
    EXPECT_EQ(found.runs[0].log_offset, 1 << 20);
    EXPECT_EQ(found.runs[0].length, std::ssize(record));
    EXPECT_EQ(found.runs[0].first_time, kBeginning);
    EXPECT_EQ(found.hosts, std::vector<std::string>{"10.0.0.1:10911"});
  }
}

TEST(Find, RunsEndWhereRecordsDoNotFollowEachOther) {
  LogWriter log;
  Bytes bytes = log.records(3, 50);
  const auto first = std::ssize(bytes);
  append(bytes, format::encode_blank(20));
  append(bytes, Bytes(12));
  log.log_offset += 20;
  append(bytes, log.records(2, 50));
  log.log_offset += 1;  // says another place than the next one
  append(bytes, log.records(1, 50));
  const FoundRecords found = find(bytes);
  ASSERT_EQ(found.runs.size(), 3U);
  EXPECT_EQ(found.runs[0].records, 3);
  EXPECT_EQ(found.runs[0].length, first);
  EXPECT_EQ(found.runs[0].blank_behind, 20);
  EXPECT_EQ(found.runs[1].position, first + 20);
  EXPECT_EQ(found.runs[1].records, 2);
  EXPECT_EQ(found.runs[2].records, 1);
  EXPECT_EQ(found.records, 6);
}

TEST(Find, NothingOfARecordThatIsNotAllThere) {
  LogWriter log;
  const Bytes record = log.record(std::size_t{20});
  for (std::size_t kept = 0; kept < record.size(); ++kept) {
    const Bytes head(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(kept));
    EXPECT_EQ(find(head).records, 0) << kept;
    Bytes torn = head;  // the rest became zeros
    torn.resize(record.size() + 64);
    EXPECT_EQ(find(torn).records, 0) << kept;
    const Bytes tail(record.begin() + static_cast<std::ptrdiff_t>(kept) + 1, record.end());
    EXPECT_EQ(find(tail).records, 0) << kept;
  }
}

TEST(Find, NothingThatAChecksumDoesNotMatch) {
  LogWriter log;
  const Bytes right = log.record(noise(20, 3), true);  // with a checksum over all of it
  ASSERT_EQ(find(right).records, 1);
  const std::size_t name_from =
      right.size() - 20;  // where the name is another one, the record has no such checksum
  for (std::size_t bit = 0; bit < right.size() * 8; ++bit) {
    if (bit / 8 >= name_from && bit / 8 < name_from + 9) continue;
    Bytes wrong = right;
    wrong[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    EXPECT_EQ(find(wrong).records, 0) << bit;
  }
}

// Bodies with records of the same log and of others, in bodies with records.
Bytes nested(int depth, LogWriter& inner) {
  if (depth == 0) return inner.record(30);
  LogWriter& log = inner;
  Bytes body = noise(17, static_cast<std::uint64_t>(depth));
  for (int i = 0; i < 3; ++i) append(body, nested(depth - 1, log));
  append(body, noise(5, 9));
  return log.record(body);
}

struct Nest {
  Bytes bytes;
  std::int64_t outer = 0;
};

Nest nest() {
  Nest made;
  LogWriter outer;
  outer.log_offset = 4096;
  for (int i = 0; i < 12; ++i) {
    LogWriter inner;
    inner.log_offset = i * 1000;
    append(made.bytes, i % 3 == 2 ? outer.record(std::size_t{40}) : outer.record(nested(1 + i % 2, inner)));
    ++made.outer;
    if (i % 4 == 3) append(made.bytes, noise(41, static_cast<std::uint64_t>(i)));
  }
  return made;
}

TEST(Find, NothingInsideOfAWholeMessage) {
  const Nest made = nest();
  const FoundRecords found = find(made.bytes);
  EXPECT_EQ(found.records, made.outer);
  for (const carve::Run& run : found.runs) EXPECT_GE(run.log_offset, 4096);
}

TEST(Find, ChunksAndThreadsChangeNothing) {
  const Nest made = nest();
  testing::MemoryFileSystem files;
  files.files["/a"].bytes = made.bytes;
  files.files["/b"].bytes = Bytes(made.bytes.begin() + 100, made.bytes.end());  // cut within a record
  const auto whole = places(find(files));
  for (std::int64_t chunk = 1; chunk < 4500; chunk += chunk < 300 ? 1 : 97) {
    ASSERT_EQ(places(find(files, chunk, 1)), whole) << chunk;
    if (chunk % 8 == 1) {
      ASSERT_EQ(places(find(files, chunk, 4)), whole) << chunk;
    }
  }
}

TEST(Find, WhatADamagedMessageHadInItsBody) {
  LogWriter inner;
  inner.log_offset = 777;
  const Bytes body = inner.record(30);
  LogWriter log;
  Bytes bytes = log.record(10);
  const auto damaged = bytes.size();
  append(bytes, log.record(body));
  append(bytes, log.record(10));
  ASSERT_EQ(find(bytes).records, 3);
  bytes[damaged + 4] ^= std::byte{1};  // its magic
  const FoundRecords found = find(bytes);
  ASSERT_EQ(found.runs.size(), 3U);
  EXPECT_EQ(found.runs[1].log_offset, 777);
}

TEST(Find, NothingInNoise) {
  const std::uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << '\n';
  std::mt19937_64 random(seed);
  Bytes bytes(64 << 20);
  for (std::size_t i = 0; i < bytes.size(); i += 8) store_be(bytes.data() + i, random());
  // Magics where chance puts none.
  for (int i = 0; i < 20'000; ++i)
    store_be(bytes.data() + random() % (bytes.size() - 4), i % 2 == 0 ? format::kMagicV1 : format::kMagicV2);
  EXPECT_EQ(find(bytes, 1 << 20, 2).records, 0);
}

TEST(Find, AroundWhatCannotBeRead) {
  LogWriter log;
  testing::MemoryFileSystem files;
  testing::MemoryFile& file = files.files["/f"];
  file.bytes = log.records(100, 400);
  file.bad.emplace_back(20'000, 20'100);
  const FoundRecords found = find(files, 4096);
  ASSERT_EQ(found.unreadable.size(), 1U);
  EXPECT_EQ(found.unreadable[0].from, 16'384);
  EXPECT_EQ(found.unreadable[0].to, 20'480);
  ASSERT_EQ(found.runs.size(), 2U);
  EXPECT_LE(found.runs[0].end(), 16'384);
  EXPECT_GE(found.runs[1].position, 20'480);
  EXPECT_GE(found.records, 88);
  EXPECT_EQ(places(find(files, 16 << 20)), places(found));
}

TEST(Find, AFileThatBecameShorter) {
  LogWriter log;
  testing::MemoryFileSystem files;
  files.files["/f"].bytes = log.records(10, 400);
  std::vector<Source> sources{{"/f", "f", std::ssize(files.files["/f"].bytes) + 10'000}};
  EXPECT_EQ(find_records(files, sources, {})->records, 10);
  files.files["/f"].size_when_opened = sources[0].size;
  EXPECT_EQ(find_records(files, sources, {})->records, 10);
}

// Headers one behind the other, each of which could be a record's up to the same end.
TEST(Find, ForgedHeadersDoNotKeepUsForEver) {
  constexpr std::size_t kEnd = 12 << 20;
  constexpr std::size_t kHeader = 96;
  LogWriter log;
  log.topic = "T";
  Bytes bytes(kEnd);
  const Bytes like = log.record(std::size_t{1});
  const std::size_t tail = like.size() - 89;  // topic and properties, with their lengths
  std::copy(like.begin() + 89, like.end(), bytes.end() - static_cast<std::ptrdiff_t>(tail));
  for (std::size_t at = 0; at + kHeader < 2 << 20; at += kHeader) {
    std::copy(like.begin(), like.begin() + 88, bytes.begin() + static_cast<std::ptrdiff_t>(at));
    store_be(bytes.data() + at, static_cast<std::int32_t>(kEnd - at));
    store_be(bytes.data() + at + 84, static_cast<std::int32_t>(kEnd - at - 88 - tail));
  }
  append(bytes, log.record(50));
  const FoundRecords found = find(bytes, 1 << 20);
  EXPECT_EQ(found.records, 1);
  EXPECT_GT(found.passed_over, 1000);
  EXPECT_EQ(find(bytes, 1 << 20, 4).passed_over, found.passed_over);
}

TEST(Find, CanBeStopped) {
  testing::MemoryFileSystem files;
  files.files["/f"].bytes = noise(1 << 20, 1);
  FindOptions options;
  options.chunk = 4096;
  std::atomic<int> chunks = 0;
  options.advance = [&](std::int64_t) { ++chunks; };
  options.cancelled = [&] { return chunks >= 10; };
  const auto found = find_records(files, {{"/f", "f", 1 << 20}}, options);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::cancelled);
  EXPECT_LT(chunks, 20);
}

TEST(Find, ListsFilesBelowADirectory) {
  testing::MemoryFileSystem files;
  for (const char* path : {"/d/b", "/d/a/x", "/d/lost+found/#12"}) files.files[path].bytes = noise(10, 1);
  const auto list = list_sources(files, "/d");
  ASSERT_TRUE(list);
  ASSERT_EQ(list->sources.size(), 3U);
  EXPECT_EQ(list->sources[0].shown, "a/x");
  EXPECT_EQ(list->sources[2].shown, "lost+found/#12");
  EXPECT_EQ(list_sources(files, "/d/b")->sources.size(), 1U);
  EXPECT_FALSE(list_sources(files, "/none"));
}

}  // namespace
}  // namespace rmq::carve
