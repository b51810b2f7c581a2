// What a walk over the log yields for queues and index: units and key hashes, in a few bytes each, held in a
// bounded piece of memory and beyond that in files of their own. Which of them count is known only when the
// whole log has been seen (a topic may have been deleted and created again), so nothing is put in its place
// before.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/io/anonymous_memory.h"
#include "libstore/io/file_system.h"
#include "libstore/recovery/log_scan.h"
#include "libstore/recovery/plan.h"

namespace rmq::reindex {

struct HarvestOptions {
  std::function<bool(std::string_view topic, std::int32_t queue_id)>
      wants_queue;  // nothing: no queue is wanted
  bool index = false;
  std::int64_t units_in_file = 1;  // of simple queues: where their files end
  std::size_t workers = 1;
  std::int64_t memory_limit = 64 << 20;              // bytes, of all workers together
  std::function<void(std::int64_t bytes)> progress;  // of the log, from several threads
  std::string spill_directory;  // made when memory is used up; its files are the caller's to remove
};

// Units of one queue that follow each other in the log. Simple queues: also in the queue; all but the last of
// them have room in the same file.
struct UnitPiece {
  std::int64_t first = 0;            // queue offset of the first, simple queues only
  std::int64_t last_timestamp = 0;   // store time of the last one's message
  std::span<const std::byte> units;  // as they lie in a queue file
};

struct KeyEntry {
  std::uint32_t hash = 0;
  std::uint32_t offset_in_part = 0;
  std::int64_t store_timestamp = 0;
};

class Harvest final : public recovery::RecordTaps {
 public:
  // `files` must outlive the harvest.
  Harvest(io::FileSystem& files, HarvestOptions options);
  ~Harvest() override;

  void begin(const recovery::Plan& known, std::size_t parts) override;
  recovery::RecordTap& begin_part(std::size_t worker, std::size_t part, std::int64_t start) override;
  void end_part(std::size_t worker) override;

  // Everything below: after the walk. Several threads may visit at once.
  [[nodiscard]] Status status() const;  // a spill that failed
  // Settles what belongs together; before any visit.
  void gather();

  struct Extent;
  struct QueueHarvest {
    bool batch = false;
    std::vector<const Extent*> extents;  // in the order of the log
  };
  using Queues = std::map<recovery::QueueId, QueueHarvest>;
  [[nodiscard]] const Queues& queues() const { return queues_; }
  [[nodiscard]] Status visit(const QueueHarvest& queue,
                             const std::function<Status(const UnitPiece&)>& take) const;

  // Of its units, those that turn out to be history included.
  [[nodiscard]] std::int64_t bytes_of(const QueueHarvest& queue) const;

  [[nodiscard]] std::int64_t keys() const { return keys_; }
  // Keys [from, end) in the order of the log. `log_begin` is what KeyEntry::offset_in_part counts from.
  [[nodiscard]] Status visit_keys(
      std::int64_t from, std::int64_t end,
      const std::function<Status(std::int64_t log_begin, std::span<const KeyEntry> keys)>& take) const;
  [[nodiscard]] std::int64_t messages() const { return messages_; }
  // Log offset of the last message, with or without keys; -1: there is none.
  [[nodiscard]] std::int64_t last_message() const { return last_message_; }
  // Units that no queue can hold: a name that is no directory, a number that is none.
  [[nodiscard]] std::int64_t unusable() const { return unusable_; }
  [[nodiscard]] std::int64_t spilled_bytes() const { return spilled_; }

 private:
  class Worker;

  io::FileSystem& files_;
  HarvestOptions options_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Queues queues_;
  std::vector<const Extent*> key_extents_;
  std::int64_t keys_ = 0;
  std::int64_t messages_ = 0;
  std::int64_t last_message_ = -1;
  std::int64_t unusable_ = 0;
  std::int64_t spilled_ = 0;
};

}  // namespace rmq::reindex
