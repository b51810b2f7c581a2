// Writes a store of one found log, and keeps everything else that was found beside it.
//
// Records lie at their own offsets in files of the size that they had; recovery bridges what is missing
// between them (docs/recovery.md) and makes queues, index and checkpoint. Where that cannot be, because what
// is missing is too short for a bridge (DLedger's entry headers), they are laid one behind the other at new
// offsets; topic, queue and queue offset stay in any case.
//
// Below the new store's lost+found/carve: log-N.records has the records of another log as they were found,
// one behind the other, and left.ndjson a line for each record that no queue of the store leads to, with the
// reason.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/carve/layout.h"
#include "libstore/io/file_system.h"
#include "libstore/scan/store_config.h"

namespace rmq::carve {

[[nodiscard]] std::string_view to_string(Apart apart);
[[nodiscard]] std::string_view to_string(Confidence confidence);

struct BuildOptions {
  std::string out;      // a directory that is empty, or is not there
  std::size_t log = 0;  // of Judgement::logs
  scan::StoreConfig
      config;  // queue and index file sizes, and what decides how messages are dispatched; no paths
  std::size_t jobs = 1;
  std::function<void(std::int64_t)> advance;  // bytes written
  std::function<bool()> cancelled;
  // Called with the store's root when log and queues are there, to make what is derived from them besides.
  std::function<Status(const std::string& root, const Summary& summary)> derive_config;
};

struct BuildReport {
  std::int64_t file_size = 0;
  std::string why_file_size;
  std::string relocated;          // why records are not at their own offsets; empty: they are
  std::int64_t readable = 0;      // records that their queue leads to
  std::int64_t never_queued = 0;  // of the store's, by their kind: halves of transactions, rolled back ones
  std::int64_t unreadable = 0;    // of the store's, by left.ndjson's reasons
  std::int64_t left = 0;          // of other logs
  std::int64_t placeholders = 0;  // slots of lost messages
  std::int64_t log_begin = 0;
  std::int64_t log_end = 0;
};

inline constexpr std::string_view kUnfinished = "carve.unfinished";

// wrong_use where `out` has anything in it, or one store cannot have the log. Works below
// out/carve.unfinished, and removes that again where it fails or is cancelled; a kill leaves it there, and
// nothing else in `out`. `from` reads the sources. `summary` is the chosen log's.
[[nodiscard]] Result<BuildReport> build_store(io::FileSystem& files, const io::ReadFileSystem& from,
                                              const std::vector<Source>& sources, const Judgement& judgement,
                                              const Summary& summary, const BuildOptions& options);

}  // namespace rmq::carve
