// Writes a store as a stock broker would have: commit log, consume queues, index, checkpoint. For tests and benchmarks
// only: no recovery, no flushing, one thread. What it writes, stock RocketMQ opens (bench/README.md does so).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "libstore/format/commit_log_record.h"
#include "libstore/format/index_file.h"

namespace rmq::testing {

struct StoreBuilderOptions {
  std::string root;  // created
  std::int64_t log_file_size = 1 << 30;
  std::int64_t queue_file_size = 6'000'000;
  std::int32_t index_slots = format::kDefaultIndexSlots;
  std::int32_t index_entries = format::kDefaultIndexEntries;
  bool index = true;
  std::int64_t log_start = 0;  // as after expiry: the first file's offset
};

// A file mapped for writing at its full size; aborts the test on any failure.
class WritableMap {
 public:
  WritableMap(const std::string& path, std::int64_t size);
  ~WritableMap();
  WritableMap(const WritableMap&) = delete;
  WritableMap& operator=(const WritableMap&) = delete;
  [[nodiscard]] std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

class StoreBuilder {
 public:
  explicit StoreBuilder(const StoreBuilderOptions& options);
  ~StoreBuilder();

  // Assigns queue offset and physical offset, appends, dispatches; returns the physical offset.
  // The record's other fields are taken as they are; store times should not go back.
  std::int64_t put(format::MessageRecord& record);
  // Writes the checkpoint, and the abort file where the store is to look crashed.
  void close(bool crashed = false);

  [[nodiscard]] std::int64_t end() const { return end_; }
  [[nodiscard]] std::int64_t messages() const { return messages_; }

 private:
  struct QueueFile {
    std::int64_t next_offset = 0;
    std::int64_t file_start = -1;
    std::unique_ptr<WritableMap> map;
  };

  void dispatch(const format::MessageRecord& record, std::int32_t size);
  void add_key(const format::MessageRecord& record, std::string_view key);
  void roll_index(std::int64_t begin_timestamp);

  StoreBuilderOptions options_;
  std::int64_t end_ = 0;
  std::int64_t messages_ = 0;
  std::int64_t log_file_start_ = -1;
  std::unique_ptr<WritableMap> log_;
  std::map<std::pair<std::string, std::int32_t>, QueueFile> queues_;
  std::unique_ptr<WritableMap> index_;
  format::IndexHeader index_header_;
  std::int64_t index_files_ = 0;
  std::int64_t last_store_timestamp_ = 0;
  std::int64_t sealed_index_timestamp_ = 0;
};

}  // namespace rmq::testing
