// The start of a stock broker's store, step by step, on an overlay: load, recover, reput.
// RocketMQ: DefaultMessageStore.load/recover/start, CommitLog, ReputMessageService.
#pragma once

#include <cstdint>
#include <string>

#include "libstore/format/store_checkpoint.h"
#include "libstore/preflight/file_pool.h"
#include "libstore/preflight/mapped_files.h"
#include "libstore/preflight/queue_table.h"
#include "libstore/preflight/recovery_rules.h"
#include "libstore/preflight/stock_message.h"

namespace rmq::preflight {

class Recovery {
 public:
  Recovery(const RecoveryRules& rules, const scan::StoreSurvey& survey, const TopicTable& topics,
           FilePool& pool);

  // Everything up to a broker that serves. False: it does not get there; reason() says why.
  [[nodiscard]] bool run(const io::ReadFileSystem& files, bool abnormal,
                         const format::StoreCheckpoint& checkpoint);

  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] const MappedFiles<MappedFileState>& log() const { return log_; }
  [[nodiscard]] const QueueTable& queues() const { return queues_; }
  [[nodiscard]] std::int64_t bytes_read() const { return bytes_read_; }
  // Index files that the abnormal load deletes.
  [[nodiscard]] const std::vector<std::string>& deleted_index_files() const { return deleted_index_files_; }

 private:
  struct Scan {
    std::int64_t end = 0;             // processOffset
    std::int64_t last_valid = 0;      // where the last good message begins
    std::int64_t last_confirmed = 0;  // where the last dispatched message ends
    bool alive = true;
  };

  bool load(const io::ReadFileSystem& files, bool abnormal, const format::StoreCheckpoint& checkpoint);
  bool load_index(const io::ReadFileSystem& files, bool abnormal, const format::StoreCheckpoint& checkpoint);
  bool sub_directory_stops_load(const io::ReadFileSystem& files);
  bool recover_normally(std::int64_t queues_end);
  bool recover_abnormally(std::int64_t queues_end, const format::StoreCheckpoint& checkpoint);
  bool matches_checkpoint(const MappedFileState& file, const format::StoreCheckpoint& checkpoint);
  template <class Dispatch>
  Scan scan_from(std::size_t index, std::int64_t first_valid, Dispatch&& dispatch);
  bool finish_recovery(const Scan& scan, std::int64_t confirmed_end, std::int64_t queues_end);
  bool correct_min_offsets();
  bool reput_from_queues();
  bool reput_round(std::int64_t& from);
  [[nodiscard]] std::int64_t reput_end() const;
  bool survive(StockFate fate, std::string_view where);
  bool stop(std::string reason);
  [[nodiscard]] bool is_replicated() const;

  const RecoveryRules& rules_;
  const scan::StoreSurvey& survey_;
  FilePool& pool_;
  BlockWindow window_;
  MessageChecker checker_;
  MappedFiles<MappedFileState> log_;
  QueueTable queues_;
  std::string reason_;
  std::int64_t confirm_offset_ = -1;
  std::int64_t flushed_where_ = 0;
  std::int64_t bytes_read_ = 0;
  std::vector<std::string> deleted_index_files_;
};

}  // namespace rmq::preflight
