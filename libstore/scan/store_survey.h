// What lies where in a store directory, from names and sizes alone: which files belong to which part, the
// configured file sizes as the files themselves prove them, and what does not belong. Opens nothing but
// directories (and the heads of index files, to infer their slot count).
// RocketMQ: StorePathConfigHelper, MappedFileQueue.load, ConsumeQueueStore.loadConsumeQueues, IndexService.load.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_config.h"

namespace rmq::scan {

// A file of the store. `path` opens it; `shown` names it in every report: relative to the root where it lies
// below it ("commitlog/00000000000000000000"), else as given.
struct StoreFile {
  std::string path;
  std::string shown;
  std::string name;
  std::int64_t size = 0;
  std::int64_t modified_ms = 0;
};

struct MappedFile : StoreFile {
  std::int64_t start = 0;  // what its name says
};

// Commit log, one queue or one ext queue: files sorted by name, and the size its files are configured to have.
struct MappedFileSet {
  std::vector<MappedFile> files;
  std::vector<StoreFile> strays;  // names that are no offset
  std::int64_t file_size = 0;     // 0 when there is no evidence (no file)
};

enum class QueueKind { simple, batch };

struct Queue {
  std::string topic;
  std::int32_t queue_id = 0;
  QueueKind kind = QueueKind::simple;
  std::string directory;  // shown
  MappedFileSet files;
  MappedFileSet ext;  // consumequeue_ext/<topic>/<queueId>, usually empty
};

struct IndexFileInfo : StoreFile {
  std::int64_t stamp = 0;  // its name as a number
};

// Parts that are recognised and named, but not read yet.
enum class OtherPart { timer, dledger, compaction, rocksdb, epoch, pop_kv, unknown };

struct OtherFile : StoreFile {
  OtherPart part = OtherPart::unknown;
};

struct StoreSurvey {
  StoreConfig config;  // as given, completed by what was found
  std::string root;
  bool single_file = false;  // root is one file of a store, and nothing is known of the others

  MappedFileSet commit_log;          // all commit log directories together, sorted by start then by path
  bool commit_log_is_dledger = false;  // files under dledger-<id>/data: records lie inside DLedger entries
  std::vector<Queue> queues;         // sorted by topic, then queue id; simple before batch
  std::vector<StoreFile> queue_strays;  // files and directories that are no queue, below the queue directories
  bool consume_queue_directory_exists = false;
  bool consume_queue_is_rocksdb = false;  // consumequeue/ holds a RocksDB
  std::vector<IndexFileInfo> index_files;
  std::vector<StoreFile> index_strays;
  bool index_directory_exists = false;
  std::int64_t index_file_size = 0;  // the size most of them have
  std::optional<StoreFile> checkpoint;
  std::optional<StoreFile> abort;
  std::optional<StoreFile> lock;
  std::vector<StoreFile> config_files;  // config/*.json, .bak and the rest of config/
  std::vector<OtherFile> others;

  [[nodiscard]] std::int64_t commit_log_bytes() const;
  // A file that only 5.x leaves behind; nullptr when there is none. Nothing in a store names the version that wrote it.
  [[nodiscard]] const OtherFile* left_by_5x() const;
  [[nodiscard]] std::string config_directory() const;  // where it should be; it may not be there
};

// Fails with wrong_use when `root` is no directory, is empty, or holds nothing of a store.
// A single commit log, queue or index file is accepted as `root` too: the survey then holds only that file.
[[nodiscard]] Result<StoreSurvey> survey_store(const io::ReadFileSystem& files, const StoreConfig& config);

}  // namespace rmq::scan
