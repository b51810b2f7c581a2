#include "libstore/rocks/database.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/rocks_queue.h"
#include "tests/rocks/rocks_testing.h"

namespace rmq::rocks {
namespace {

constexpr const char* kDirectory = "/store/consumequeue";

struct Walk {
  std::int64_t entries = 0;
  std::string fault;
};

Walk walk(const Database& database, std::string_view family) {
  Walk found;
  const auto cursor = database.cursor(family);
  for (cursor->seek_first(); cursor->entry(); cursor->next()) ++found.entries;
  found.fault = cursor->fault();
  return found;
}

TEST(Database, ReadsWhatRocketMqWrote) {
  testing::MemoryFileSystem files;
  load_golden(files, "queues", kDirectory);
  ASSERT_TRUE(is_database(files, kDirectory));
  const auto database = Database::open(files, kDirectory);
  ASSERT_TRUE(database) << database.error().message();
  EXPECT_TRUE((*database)->has_family("default"));
  EXPECT_TRUE((*database)->has_family("offset"));
  EXPECT_EQ((*database)->cursor("nothing"), nullptr);
  EXPECT_EQ(walk(**database, "default").entries, 150);  // as many as the store has messages
  EXPECT_EQ(walk(**database, "default").fault, "");
  EXPECT_EQ((*database)->check_tables(), "");
}

TEST(Database, TablesThatTheManifestDoesNotNameAreTold) {
  testing::MemoryFileSystem files;
  load_golden(files, "queues", kDirectory);
  EXPECT_TRUE((*Database::open(files, kDirectory))->unknown_tables().empty());
  auto& manifest = files.files.at(std::string(kDirectory) + "/MANIFEST-000005").bytes;
  manifest.resize(manifest.size() / 2);  // RocksDB opens it as an empty one
  const auto cut = Database::open(files, kDirectory);
  ASSERT_TRUE(cut) << cut.error().message();
  EXPECT_EQ((*cut)->unknown_tables(), (std::vector<std::string>{"000010.sst", "000011.sst"}));
}

TEST(Database, CursorsFindTheirPlace) {
  testing::MemoryFileSystem files;
  load_golden(files, "queues", kDirectory);
  const auto database = Database::open(files, kDirectory);
  ASSERT_TRUE(database);
  const auto cursor = (*database)->cursor(kDefaultFamily);
  const auto unit_at = [&]() -> std::int64_t {
    const auto entry = cursor->entry();
    const auto key =
        entry ? format::RocksQueueKey::parse(entry->key) : Decoded<format::RocksQueueKey>(DecodeError{});
    return key && key->topic == "RdbA" && key->queue_id == 0 ? key->queue_offset : -1;
  };
  cursor->seek(format::RocksQueueKey{"RdbA", 0, 3}.encode());
  EXPECT_EQ(unit_at(), 3);
  cursor->next();
  EXPECT_EQ(unit_at(), 4);
  cursor->seek_back(format::RocksQueueKey{"RdbA", 0, 1'000'000}.encode());
  const std::int64_t last = unit_at();
  EXPECT_GT(last, 4);
  cursor->next();
  EXPECT_EQ(unit_at(), -1);
}

TEST(Database, WhatIsNoDatabaseIsRefused) {
  testing::MemoryFileSystem files;
  files.files["/store/other/file"] = {};
  EXPECT_FALSE(is_database(files, "/store/other"));
  EXPECT_FALSE(Database::open(files, "/store/other"));
  EXPECT_FALSE(Database::open(files, "/nowhere"));
}

TEST(Database, MissingFilesAreNamed) {
  testing::MemoryFileSystem files;
  load_golden(files, "queues", kDirectory);
  const std::string table = std::string(kDirectory) + "/000011.sst";
  ASSERT_EQ(files.files.erase(table), 1U);
  const auto database = Database::open(files, kDirectory);
  ASSERT_FALSE(database);
  EXPECT_NE(database.error().message().find("000011."), std::string::npos) << database.error().message();
}

TEST(Database, LogsThatAreTooLargeAreRefused) {
  testing::MemoryFileSystem files;
  load_golden(files, "queues", kDirectory);
  files.files[std::string(kDirectory) + "/000099.log"].hole = Database::kMostLogBytes + 1;
  EXPECT_FALSE(Database::open(files, kDirectory));
}

// A database with any byte of any file changed opens or not, and reads to its end or tells why not.
TEST(Database, EveryChangedByteIsReadOrTold) {
  testing::MemoryFileSystem whole;
  load_golden(whole, "queues", kDirectory);
  std::int64_t told = 0;
  std::int64_t silent = 0;
  for (const auto& [path, file] : whole.files) {
    for (std::size_t at = 0; at < file.bytes.size(); at += 7) {
      testing::MemoryFileSystem files = whole;
      files.files[path].bytes[at] ^= std::byte{0x41};
      const auto database = Database::open(files, kDirectory);
      if (!database) {
        EXPECT_FALSE(database.error().message().empty());
        ++told;
        continue;
      }
      const Walk units = walk(**database, kDefaultFamily);
      const bool same = units.fault.empty() && units.entries == 150;
      const bool tables = (*database)->check_tables().empty();
      (same && tables ? silent : told) += 1;
    }
  }
  EXPECT_GT(told, 500);
  // IDENTITY and parts of CURRENT's file are not read; some bytes of tables are padding or properties.
  EXPECT_LT(silent, told / 4);
}

// Tables that end early, at every place of a few.
TEST(Database, CutTablesAreTold) {
  testing::MemoryFileSystem whole;
  load_golden(whole, "queues", kDirectory);
  const std::string table = std::string(kDirectory) + "/000011.sst";
  const std::size_t size = whole.files[table].bytes.size();
  for (std::size_t keep = 0; keep < size; keep += 97) {
    testing::MemoryFileSystem files = whole;
    files.files[table].bytes.resize(keep);
    const auto database = Database::open(files, kDirectory);
    if (!database) continue;
    EXPECT_FALSE(walk(**database, kDefaultFamily).fault.empty()) << keep;
  }
}

TEST(Database, DisksThatFailAreTold) {
  testing::MemoryFileSystem files;
  load_golden(files, "queues", kDirectory);
  files.files[std::string(kDirectory) + "/000011.sst"].bad = {{0, 4096}};
  const auto database = Database::open(files, kDirectory);
  if (database) {
    EXPECT_FALSE(walk(**database, kDefaultFamily).fault.empty());
  }
}

}  // namespace
}  // namespace rmq::rocks
