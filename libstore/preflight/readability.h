// After the simulated start: what can be read, and what of the messages that are intact now cannot.
//
// Two passes. The first walks the log and asks for every intact record whether the unit at its own queue
// offset leads to it: in a sound store that answers for every unit too, and costs no look-ups in the log. The
// second walks only those queues whose units the first has not all accounted for, unit by unit. RocketMQ:
// DefaultMessageStore.getMessage with one message wanted.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "libstore/preflight/log_reader.h"
#include "libstore/preflight/preflight.h"
#include "libstore/preflight/queue_table.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::preflight {

class Readability {
 public:
  Readability(const RecoveryRules& rules, const scan::StoreSurvey& survey, const TopicTable& topics,
              const MappedFiles<MappedFileState>& log, const QueueTable& queues, FilePool& pool);

  // For a store that does not start: nothing is readable, but what is intact is counted all the same.
  void nothing_is_readable() { readable_ = false; }

  // The first pass. Fails when a log file cannot be opened.
  Result<void> count_messages(const io::ReadFileSystem& files);
  // The second; fills queues, messages_lost, misplaced and lost_examples.
  void count_queues(Preflight& into);

 private:
  // One queue's books. Exists as well for queues that the start leaves without a directory.
  struct Tally {
    std::string topic;
    const StockQueue* queue = nullptr;
    std::int64_t matched = 0;    // records that the unit at their own queue offset leads to
    std::int64_t missed = 0;     // the others of the live generation
    bool had_directory = false;  // before the start
    std::int64_t last_offset = -1;
    std::int64_t last_physical_offset = -1;
    std::int64_t generation_start =
        -1;  // physical offset of the record that began it; -1: all is one generation
    std::int64_t pending_restart = -1;  // a record of queue offset 0 that is not yet known to begin one
    std::int64_t window_start = 0;
    std::vector<QueueUnit> window;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  Tally& tally_of(std::string_view topic, std::int32_t queue_id);
  void book(const format::MessageView& record, const LogPlace* place, std::int64_t physical_offset);
  void miss(Tally& tally, std::int64_t physical_offset);
  [[nodiscard]] std::optional<QueueUnit> unit_at(Tally& tally, std::int64_t queue_offset);
  [[nodiscard]] bool leads_home(Tally& tally, const format::MessageView& record, const LogPlace& place);
  [[nodiscard]] std::int64_t count_simple(Tally& tally);
  [[nodiscard]] std::int64_t count_batch(const BatchQueue& queue);
  // A unit that leads to somebody else's record, or to its own record from another queue offset.
  void look_for_misplaced(const LogPlace& place);
  [[nodiscard]] bool is_deleted(std::string_view topic) const;
  void drop_deleted_queues();
  [[nodiscard]] static bool is_live(const Tally& tally, std::int64_t physical_offset);

  const RecoveryRules& rules_;
  const scan::StoreSurvey& survey_;
  const TopicTable& topics_;
  const QueueTable& queues_;
  FilePool& pool_;
  LogReader reader_;
  bool readable_ = true;
  std::size_t window_units_ = 0;
  std::unordered_map<std::string, std::map<std::int32_t, Tally>, TextHash, std::equal_to<>> tallies_;
  std::unordered_map<std::string_view, std::set<std::int32_t>> directories_;  // of the survey, by topic
  struct Example {
    std::int64_t physical_offset;
    const Tally* tally;
  };
  std::vector<Example> examples_;
  std::unordered_set<std::int64_t> misplaced_;
};

}  // namespace rmq::preflight
