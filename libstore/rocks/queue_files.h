// Consume queues that lie in RocksDB, shown as the files in which stock would otherwise keep them: whoever
// reads queues reads these too, and needs not know. Units that are not there are zeros, as in a file that
// nobody wrote to; the positions in front of a queue's first unit are filled as stock fills them
// (ConsumeQueue.fillPreBlank). RocketMQ: RocksDBConsumeQueueStore. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libstore/format/rocks_queue.h"
#include "libstore/io/read_file_system.h"
#include "libstore/rocks/database.h"
#include "libstore/scan/store_survey.h"

namespace rmq::rocks {

// A queue, what its units say about its ends, and what the table of ends says.
struct RocksQueue {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t first = 0;  // unit
  std::int64_t last = -1;  // unit; below `first`: there is none
  std::optional<std::int64_t> said_first;
  std::optional<std::int64_t> said_last;
  bool has_files =
      false;  // the same queue lies in files too (rocksdbCQDoubleWriteEnable), and only those are shown
};

class QueueFiles final : public io::ReadFileSystem {
 public:
  // `files` must outlive it. Where the survey has no RocksDB, or nobody wants to read it, it adds nothing.
  QueueFiles(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, bool is_wanted = true);
  ~QueueFiles() override;

  // With the queues of the database among the others. What is opened through this file system opens them.
  [[nodiscard]] const scan::StoreSurvey& survey() const { return survey_; }
  [[nodiscard]] const std::vector<RocksQueue>& queues() const { return queues_; }
  // What the database was found in and could not be opened or read through. Grows while it is read.
  [[nodiscard]] std::vector<std::string> faults() const;
  // Keys and values that are none.
  [[nodiscard]] std::int64_t strange_entries() const { return strange_entries_; }
  // Every unit of a queue in its order, until `visit` says false. Only where there is a database.
  using Visit = std::function<bool(std::int64_t queue_offset, const format::RocksQueueValue&)>;
  void visit_units(const RocksQueue& queue, const Visit& visit) const;
  // nullptr where there is no database, or it cannot be opened.
  [[nodiscard]] const Database* database() const { return database_.get(); }
  [[nodiscard]] const std::string& directory() const { return directory_; }

  [[nodiscard]] Result<std::unique_ptr<io::ReadFile>> open(const std::string& path) const override;
  [[nodiscard]] Result<std::vector<io::DirectoryEntry>> list(const std::string& directory) const override;
  [[nodiscard]] Result<io::DirectoryEntry> stat(const std::string& path) const override;

 private:
  class File;
  void find_queues();
  void read_ends();
  void attach();
  void visit_from(const RocksQueue& queue, std::int64_t first, const Visit& visit) const;
  void note(const std::string& fault) const;

  const io::ReadFileSystem& files_;
  scan::StoreSurvey survey_;
  std::unique_ptr<Database> database_;
  std::string directory_;
  std::vector<RocksQueue> queues_;
  std::int64_t strange_entries_ = 0;
  struct Place {
    std::size_t queue = 0;
    std::int64_t first = 0;  // unit
  };
  std::map<std::string, Place> places_;  // by path
  std::int64_t units_per_file_ = 0;
  mutable std::mutex mutex_;
  mutable std::set<std::string> faults_;
};

}  // namespace rmq::rocks
