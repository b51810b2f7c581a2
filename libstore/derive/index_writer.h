// The key index of a store, for whoever writes it. The newest file is mapped as a whole and filled in place,
// entry by entry as RocketMQ does it; a full file is followed by a new one and synced later, by another
// thread.
//
// Threads: one calls put(). sync() and sync_sealed(), one at a time, and durable(), files() may be called by
// others meanwhile. What others read through files of their own is there as soon as put() is back.
//
// Errors: where no new file can be made (a disk that is full), put() stops at that message and may be called
// again with the rest. After a sync that failed, every call says so.
//
// RocketMQ: IndexService.buildIndex, getAndCreateLastIndexFile and flush, IndexFile.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/bytes/java_string.h"
#include "libstore/derive/derived_up_to.h"
#include "libstore/derive/dispatch_request.h"
#include "libstore/derive/index_table.h"
#include "libstore/format/index_file.h"
#include "libstore/io/file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::derive {

// Messages on their way to the index: the hashes of their keys, nothing of their bytes.
class IndexBatch {
 public:
  void add(const DispatchRequest& request);
  void clear();
  [[nodiscard]] std::size_t size() const { return messages_.size(); }

 private:
  friend class IndexWriter;
  struct Message {
    std::int64_t log_offset = 0;
    std::int64_t log_end = 0;
    std::int64_t store_timestamp = 0;
    std::uint32_t keys_end = 0;  // its hashes end here, and begin where those of the message before end
  };
  std::vector<Message> messages_;
  std::vector<std::int32_t> hashes_;
  std::string topic_;  // the one seen last
  std::int32_t topic_hash_ = java_hash("#");
};

// The name of an index file that is made at a moment: milliseconds since 1970 began, in local time
// (UtilAll.timeMillisToHumanString). Stamps are names as numbers.
[[nodiscard]] std::int64_t index_file_stamp(std::int64_t local_time_ms);
[[nodiscard]] std::string index_file_name(std::int64_t stamp);

struct IndexWriterOptions {
  std::string directory;                                // .../index
  std::int32_t slots = format::kDefaultIndexSlots;      // maxHashSlotNum
  std::int32_t entries = format::kDefaultIndexEntries;  // maxIndexNum
  // Files are named by it: milliseconds since 1970 began, in local time.
  std::function<std::int64_t()> local_time_ms;
};

class IndexWriter {
 public:
  // Goes on in the newest of `existing` (in the order of their names), which must be files of these slots and
  // entries: wrong_use where it is of another size. `files` must outlive the writer.
  [[nodiscard]] static Result<std::unique_ptr<IndexWriter>> open(
      io::FileSystem& files, IndexWriterOptions options, std::span<const scan::IndexFileInfo> existing);
  IndexWriter(const IndexWriter&) = delete;
  IndexWriter& operator=(const IndexWriter&) = delete;

  // Every message of the log, in its order. Keys of a message that the index ended with already are not put
  // twice. `taken` of them are done with, all if there is no error.
  struct PutReport {
    std::size_t taken = 0;
    std::int64_t keys = 0;  // entries made
    Status status;
  };
  [[nodiscard]] PutReport put(const IndexBatch& batch);

  // Files that are full to the disk; what the checkpoint may then claim as indexMsgTimestamp is
  // sealed_timestamp().
  [[nodiscard]] Status sync_sealed();
  // The newest file as well: everything put before is durable.
  [[nodiscard]] Status sync();
  [[nodiscard]] DerivedUpTo durable() const;
  // A sync that failed: nothing is written any more.
  [[nodiscard]] std::optional<Error> failure() const;
  // End time of the newest file that is full and on disk; 0: none since open().
  [[nodiscard]] std::int64_t sealed_timestamp() const;

  // Files made since open(), by path.
  [[nodiscard]] std::vector<std::string> created() const;

 private:
  struct File {
    std::string path;
    std::unique_ptr<io::WriteFile> file;
    std::unique_ptr<io::WriteMap> map;
    std::optional<IndexTable> table;
  };

  IndexWriter(io::FileSystem& files, IndexWriterOptions options)
      : files_(files), options_(std::move(options)) {}
  [[nodiscard]] std::int64_t file_size() const;
  [[nodiscard]] Status map(File& file) const;
  [[nodiscard]] Status see_what_is_done(std::span<const scan::IndexFileInfo> existing);
  // The newest file if there is room in it, else a new one.
  [[nodiscard]] Status need_file();
  [[nodiscard]] std::string next_name();
  [[nodiscard]] Status put_message(const IndexBatch::Message& message, std::span<const std::int32_t> hashes,
                                   PutReport& report);
  [[nodiscard]] Status failed(Status status);

  io::FileSystem& files_;
  IndexWriterOptions options_;

  // put() only.
  std::int64_t last_stamp_ = 0;  // the newest file's name as a number
  struct {
    std::int64_t log_offset = -1;
    std::vector<std::int32_t> hashes;
  } last_message_;  // the one that the index ends with, and which keys of it are there

  mutable std::mutex mutex_;
  std::shared_ptr<File> newest_;
  std::vector<std::shared_ptr<File>> sealed_;  // full, not synced yet
  std::vector<std::string> created_;
  DerivedUpTo put_;
  DerivedUpTo durable_;
  std::int64_t sealed_timestamp_ = 0;
  std::optional<Error> failed_;
};

}  // namespace rmq::derive
