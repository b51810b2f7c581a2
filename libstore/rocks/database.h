// A RocksDB of a store, read and never written: the only place that knows librocksdb. It is opened read-only,
// without its LOCK, through a file system that can do nothing but read, so that a database in use can be read
// and its directory stays as it is. What is in the write-ahead log and in no table yet is seen too, as far as
// it is flushed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/io/read_file_system.h"

namespace rmq::rocks {

using Bytes = std::span<const std::byte>;

struct Entry {
  Bytes key;
  Bytes value;
};

// Walks the entries of a column family by their keys' bytes. One thread at a time.
class Cursor {
 public:
  virtual ~Cursor() = default;
  // To the first entry with this key or a later one; to the last entry with this key or an earlier one.
  virtual void seek(Bytes key) = 0;
  virtual void seek_back(Bytes key) = 0;
  virtual void seek_first() = 0;
  virtual void next() = 0;
  // nullopt behind the last entry and after a fault. Valid until the cursor moves.
  [[nodiscard]] virtual std::optional<Entry> entry() const = 0;
  // Why the walk ended early: a checksum that does not match, a file that cannot be read. Empty: it did not.
  [[nodiscard]] virtual std::string fault() const = 0;
};

// A file of the database.
struct DatabaseFile {
  std::string name;
  std::int64_t size = 0;
};

// Thread-safe. Memory: 16 MiB of blocks, a little for every table, and the write-ahead log's entries. What a
// broker writes later is not seen.
class Database {
 public:
  // Larger write-ahead logs are refused: all their entries are held in memory. Stock flushes at 128 MiB a
  // table.
  static constexpr std::int64_t kMostLogBytes = std::int64_t{1} << 30;

  // `files` must outlive the database. The error tells what RocksDB finds wrong as well as what cannot be
  // read.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(const io::ReadFileSystem& files,
                                                              const std::string& directory);
  virtual ~Database() = default;

  [[nodiscard]] virtual bool has_family(std::string_view name) const = 0;
  // nullptr where there is no such family. The database must outlive the cursor.
  [[nodiscard]] virtual std::unique_ptr<Cursor> cursor(std::string_view family) const = 0;
  // Reads every block of every table. Empty: all checksums match.
  [[nodiscard]] virtual std::string check_tables() const = 0;
  // Tables in its directory that the manifest does not name: it lost its end (RocksDB takes a manifest that
  // stops in the middle for one that a crash cut), or a crash left them. RocksDB deletes them when it is opened
  // to be written to.
  [[nodiscard]] virtual std::vector<std::string> unknown_tables() const = 0;
};

// Whether a RocksDB lies in this directory, or what is left of one: tables without CURRENT are one that lost it.
[[nodiscard]] bool is_database(const io::ReadFileSystem& files, const std::string& directory);
// What a database consists of, without opening it: tables, logs, manifests; sorted by name.
[[nodiscard]] std::vector<DatabaseFile> database_files(const io::ReadFileSystem& files,
                                                       const std::string& directory);

inline constexpr std::string_view kDefaultFamily = "default";

}  // namespace rmq::rocks
