// What is popped and not acknowledged, where that lies in kvStore/ and not in the log (verify_progress.cc).
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "libstore/forensics/dump_queue_table.h"
#include "libstore/forensics/verify_rocks.h"
#include "libstore/rocks/pop_states.h"

namespace rmq::forensics {
namespace {

constexpr const char* kShown = "kvStore/CURRENT";

// Counts entries about messages that are there, and such as no queue has.
class PopStateJudge {
 public:
  explicit PopStateJudge(VerifyContext& context)
      : context_(context), queues_(context.files, context.survey) {}

  bool take(const format::PopState& state) {
    if (context_.cancelled()) return false;
    const auto queue = queues_.find(state.topic, state.queue_id);
    const bool is_there = queue && state.queue_offset < queues_.bounds(*queue).max_offset;
    if (!is_there) {
      ++nowhere_;
    } else if (waiting_++ == 0) {
      first_ = state;
    }
    return true;
  }

  void finish() {
    if (waiting_ > 0) {
      Finding& finding = context_.add(
          "PO-UNACKED", Severity::benign, kShown, 0, 0,
          fmt::format("{} popped and not acknowledged; the first comes again to {} unless it acknowledges it",
                      counted(waiting_, "message is", "messages are"), first_.group));
      finding.topic = first_.topic;
      finding.queue_id = first_.queue_id;
      finding.queue_offset = first_.queue_offset;
    }
    if (nowhere_ > 0) {
      context_.add("PO-ORPHAN", Severity::benign, kShown, 0, 0,
                   fmt::format("entries name {} no queue has: nothing comes of them",
                               counted(nowhere_, "message that", "messages that")));
    }
  }

 private:
  VerifyContext& context_;
  DumpQueueTable queues_;
  format::PopState first_;
  std::int64_t waiting_ = 0;
  std::int64_t nowhere_ = 0;
};

}  // namespace

void verify_pop_states(VerifyContext& context) {
  if (context.options.running) {
    if (rocks::is_pop_state_database(context.files, context.survey))
      context.add(
          "ST-NOT-READ", Severity::benign, kShown, 0, 0,
          "the state of pop consumption lies in RocksDB, which a running broker goes on writing to: it "
          "is not checked, and not counted in the bytes expected");
    return;
  }
  const bool deep = context.at_least(VerifyLevel::deep);
  PopStateJudge judge(context);
  const auto table = rocks::read_pop_states(context.files, context.survey,
                                            deep ? rocks::PopStateDepth::entries : rocks::PopStateDepth::open,
                                            [&](const format::PopState& state) { return judge.take(state); });
  judge.finish();
  if (deep) {
    context.summary.bytes_expected += table.bytes;
    if (table.fault.empty()) {
      context.summary.bytes_checked += table.bytes;
      check_rocks_tables(context, rocks::pop_state_directory(context.survey), kShown, "PO-ROCKSDB", Severity::hidden);
    }
  }
  if (!table.fault.empty()) {
    context.add("PO-ROCKSDB", Severity::hidden, kShown, 0, 0,
                fmt::format("the RocksDB with the state of pop consumption cannot be read: {}", table.fault));
  }
  if (table.strange_entries > 0) {
    context.add("PO-ROCKSDB-ENTRY", Severity::hidden, kShown, 0, 0,
                fmt::format("{} in the RocksDB with the state of pop consumption that no broker writes",
                            counted(table.strange_entries, "entry is", "entries are")));
  }
}

}  // namespace rmq::forensics
