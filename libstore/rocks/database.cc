#include "libstore/rocks/database.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <map>
#include <utility>

namespace rmq::rocks {
namespace {

constexpr std::size_t kBlockCacheBytes = std::size_t{16} << 20;
// A broker at work replaces tables while the list of them is read.
constexpr int kTries = 3;

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus status_of(const Error& error) {
  return error.code == ErrorCode::not_found ? IOStatus::PathNotFound(error.message())
                                            : IOStatus::IOError(error.message());
}

IOStatus read(const io::ReadFile& file, std::uint64_t offset, std::size_t size, Slice* result,
              char* scratch) {
  const auto got =
      file.read_at(static_cast<std::int64_t>(offset), std::as_writable_bytes(std::span(scratch, size)));
  if (!got) return status_of(got.error());
  *result = Slice(scratch, *got);
  return IOStatus::OK();
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<io::ReadFile> file) : file_(std::move(file)) {}

  IOStatus Read(std::size_t size, const IOOptions&, Slice* result, char* scratch, IODebugContext*) override {
    const IOStatus status = read(*file_, position_, size, result, scratch);
    if (status.ok()) position_ += result->size();
    return status;
  }
  IOStatus Skip(std::uint64_t size) override {
    position_ += size;
    return IOStatus::OK();
  }

 private:
  std::unique_ptr<io::ReadFile> file_;
  std::uint64_t position_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<io::ReadFile> file) : file_(std::move(file)) {}

  IOStatus Read(std::uint64_t offset, std::size_t size, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return read(*file_, offset, size, result, scratch);
  }

 private:
  std::unique_ptr<io::ReadFile> file_;
};

// Only what reads is there; all else says that it is not.
class ReadOnlyFileSystem final : public rocksdb::FileSystem {
 public:
  explicit ReadOnlyFileSystem(const io::ReadFileSystem& files) : files_(files) {}

  const char* Name() const override { return "rmqstore-read-only"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result, IODebugContext*) override {
    auto file = files_.open(path);
    if (!file) return status_of(file.error());
    *result = std::make_unique<SequentialFile>(*std::move(file));
    return IOStatus::OK();
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext*) override {
    auto file = files_.open(path);
    if (!file) return status_of(file.error());
    *result = std::make_unique<RandomAccessFile>(*std::move(file));
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    const auto entry = files_.stat(path);
    return entry ? IOStatus::OK() : IOStatus::NotFound(entry.error().message());
  }
  IOStatus GetChildren(const std::string& directory, const IOOptions&, std::vector<std::string>* names,
                       IODebugContext*) override {
    const auto entries = files_.list(directory);
    if (!entries) return status_of(entries.error());
    names->clear();
    for (const io::DirectoryEntry& entry : *entries) names->push_back(entry.name);
    return IOStatus::OK();
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, std::uint64_t* size,
                       IODebugContext*) override {
    const auto entry = files_.stat(path);
    if (!entry) return status_of(entry.error());
    *size = static_cast<std::uint64_t>(entry->size);
    return IOStatus::OK();
  }
  IOStatus GetFileModificationTime(const std::string& path, const IOOptions&, std::uint64_t* seconds,
                                   IODebugContext*) override {
    const auto entry = files_.stat(path);
    if (!entry) return status_of(entry.error());
    *seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(entry->modified_ms, 0)) / 1000;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is_directory,
                       IODebugContext*) override {
    const auto entry = files_.stat(path);
    if (!entry) return status_of(entry.error());
    *is_directory = entry->kind == io::EntryKind::directory;
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* absolute,
                           IODebugContext*) override {
    *absolute = path;
    return IOStatus::OK();
  }

  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) override {
    return refused(path);
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&, std::unique_ptr<rocksdb::FSDirectory>*,
                        IODebugContext*) override {
    return refused(path);
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return refused(path);
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return refused(path);
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    return refused(path);
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return refused(path);
  }
  IOStatus RenameFile(const std::string& path, const std::string&, const IOOptions&,
                      IODebugContext*) override {
    return refused(path);
  }
  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock**,
                    IODebugContext*) override {
    return refused(path);
  }
  IOStatus UnlockFile(rocksdb::FileLock*, const IOOptions&, IODebugContext*) override {
    return refused("a lock");
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string*, IODebugContext*) override {
    return refused("a test directory");
  }
  IOStatus NewLogger(const std::string& path, const IOOptions&, std::shared_ptr<rocksdb::Logger>*,
                     IODebugContext*) override {
    return refused(path);
  }

 private:
  static IOStatus refused(const std::string& path) { return IOStatus::NotSupported("reading only", path); }

  const io::ReadFileSystem& files_;
};

// RocksDB writes a log of its own beside the database unless it is given one.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

Slice slice_of(Bytes bytes) {
  return {static_cast<const char*>(static_cast<const void*>(bytes.data())), bytes.size()};
}
Bytes bytes_of(const Slice& slice) { return std::as_bytes(std::span(slice.data(), slice.size())); }

class RocksCursor final : public Cursor {
 public:
  explicit RocksCursor(std::unique_ptr<rocksdb::Iterator> iterator) : iterator_(std::move(iterator)) {}

  void seek(Bytes key) override { iterator_->Seek(slice_of(key)); }
  void seek_back(Bytes key) override { iterator_->SeekForPrev(slice_of(key)); }
  void seek_first() override { iterator_->SeekToFirst(); }
  void next() override { iterator_->Next(); }
  std::optional<Entry> entry() const override {
    if (!iterator_->Valid()) return std::nullopt;
    return Entry{bytes_of(iterator_->key()), bytes_of(iterator_->value())};
  }
  std::string fault() const override {
    return iterator_->status().ok() ? std::string() : iterator_->status().ToString();
  }

 private:
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

class RocksDatabase final : public Database {
 public:
  explicit RocksDatabase(const io::ReadFileSystem& files)
      : files_(files), file_system_(std::make_shared<ReadOnlyFileSystem>(files)) {
    env_ = rocksdb::NewCompositeEnv(file_system_);
  }

  ~RocksDatabase() override {
    for (const auto& [name, handle] : handles_) (void)database_->DestroyColumnFamilyHandle(handle);
  }

  rocksdb::Status open(const std::string& directory) {
    directory_ = directory;
    rocksdb::DBOptions options;
    options.env = env_.get();
    options.info_log = std::make_shared<NoLog>();
    options.max_open_files = -1;  // all are opened at once, and stay readable when a broker deletes them
    options.max_file_opening_threads = 1;
    options.allow_mmap_reads = false;
    std::vector<std::string> names;
    if (const auto listed = rocksdb::DB::ListColumnFamilies(options, directory, &names); !listed.ok())
      return listed;
    rocksdb::BlockBasedTableOptions tables;
    tables.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
    tables.cache_index_and_filter_blocks = true;  // else they are held beside the cache, as many as there are
    rocksdb::ColumnFamilyOptions family;
    family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(tables));
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, family);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* database = nullptr;
    const auto opened = rocksdb::DB::OpenForReadOnly(options, directory, families, &handles, &database);
    if (!opened.ok()) return opened;
    database_.reset(database);
    for (std::size_t i = 0; i < handles.size(); ++i) handles_[names[i]] = handles[i];
    return opened;
  }

  bool has_family(std::string_view name) const override { return handles_.contains(name); }

  std::unique_ptr<Cursor> cursor(std::string_view family) const override {
    const auto found = handles_.find(family);
    if (found == handles_.end()) return nullptr;
    rocksdb::ReadOptions options;
    options.total_order_seek = true;
    return std::make_unique<RocksCursor>(
        std::unique_ptr<rocksdb::Iterator>(database_->NewIterator(options, found->second)));
  }

  std::string check_tables() const override {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const auto status = database_->VerifyChecksum(options);
    return status.ok() ? std::string() : status.ToString();
  }

  std::vector<std::string> unknown_tables() const override {
    std::vector<rocksdb::LiveFileMetaData> live;
    database_->GetLiveFilesMetaData(&live);
    std::vector<std::string> unknown;
    for (const DatabaseFile& file : database_files(files_, directory_)) {
      if (!file.name.ends_with(".sst")) continue;
      const auto is_it = [&](const rocksdb::LiveFileMetaData& one) { return one.name == '/' + file.name; };
      if (std::ranges::none_of(live, is_it)) unknown.push_back(file.name);
    }
    return unknown;
  }

 private:
  const io::ReadFileSystem& files_;
  std::string directory_;
  std::shared_ptr<ReadOnlyFileSystem> file_system_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> database_;
  std::map<std::string, rocksdb::ColumnFamilyHandle*, std::less<>> handles_;
};

Error unusable(std::string context) { return Error{ErrorCode::io_error, 0, std::move(context)}; }

}  // namespace

Result<std::unique_ptr<Database>> Database::open(const io::ReadFileSystem& files,
                                                 const std::string& directory) {
  std::int64_t log_bytes = 0;
  for (const DatabaseFile& file : database_files(files, directory)) {
    if (file.name.ends_with(".log")) log_bytes += file.size;
  }
  if (log_bytes > kMostLogBytes) {
    return unusable("its write-ahead log has " + std::to_string(log_bytes) +
                    " bytes, more than is held in memory");
  }
  rocksdb::Status status;
  for (int tries = 0; tries < kTries; ++tries) {
    auto database = std::make_unique<RocksDatabase>(files);
    status = database->open(directory);
    if (status.ok()) return std::unique_ptr<Database>(std::move(database));
  }
  return unusable(status.ToString());
}

bool is_database(const io::ReadFileSystem& files, const std::string& directory) {
  return std::ranges::any_of(database_files(files, directory),
                             [](const DatabaseFile& file) { return !file.name.ends_with(".log"); });
}

std::vector<DatabaseFile> database_files(const io::ReadFileSystem& files, const std::string& directory) {
  std::vector<DatabaseFile> found;
  const auto entries = files.list(directory);
  if (!entries) return found;
  for (const io::DirectoryEntry& entry : *entries) {
    const bool is_part = entry.name.ends_with(".sst") || entry.name.ends_with(".log") ||
                         entry.name.starts_with("MANIFEST-") || entry.name == "CURRENT";
    if (is_part && entry.kind == io::EntryKind::file) found.push_back({entry.name, entry.size});
  }
  return found;
}

}  // namespace rmq::rocks
