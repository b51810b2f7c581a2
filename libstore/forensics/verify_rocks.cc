#include "libstore/forensics/verify_rocks.h"

#include <fmt/format.h>

#include <set>

#include "libstore/format/config_files.h"

namespace rmq::forensics {
namespace {

constexpr std::string_view kQueuesShown = "consumequeue/CURRENT";

class RocksQueueJudge {
 public:
  RocksQueueJudge(VerifyContext& context, const rocks::QueueFiles& files)
      : context_(context), files_(files) {}

  void run() {
    if (context_.at_least(VerifyLevel::deep)) check_tables();
    if (context_.at_least(VerifyLevel::normal) && files_.database() != nullptr) {
      for (const rocks::RocksQueue& queue : files_.queues()) {
        if (context_.cancelled()) return;
        ends(queue);
        if (queue.has_files) doubled(queue);
      }
    }
    for (const std::string& fault : files_.faults()) {
      context_.add("CQ-ROCKSDB", Severity::hidden, std::string(kQueuesShown), 0, 0,
                   fmt::format("the RocksDB with the consume queues cannot be read: {}", fault));
    }
    if (files_.strange_entries() > 0) {
      context_.add("CQ-ROCKSDB-ENTRY", Severity::degraded, std::string(kQueuesShown), 0, 0,
                   fmt::format("{} in the RocksDB with the consume queues that no broker writes",
                               counted(files_.strange_entries(), "entry is", "entries are")));
    }
  }

 private:
  void check_tables() {
    std::int64_t bytes = 0;
    for (const rocks::DatabaseFile& file : rocks::database_files(context_.files, files_.directory()))
      bytes += file.size;
    context_.summary.bytes_expected += bytes;
    if (files_.database() == nullptr) return;
    context_.summary.bytes_checked += bytes;
    check_rocks_tables(context_, files_.directory(), std::string(kQueuesShown), "CQ-ROCKSDB", Severity::hidden);
  }

  void add(std::string_view code, Severity severity, const rocks::RocksQueue& queue, std::int64_t offset,
           std::string message) {
    Finding& finding = context_.add(code, severity, std::string(kQueuesShown), 0, 0, std::move(message));
    finding.topic = queue.topic;
    finding.queue_id = queue.queue_id;
    finding.queue_offset = offset;
  }

  // The maximum that the table says is what brokers take for the queue's end.
  void ends(const rocks::RocksQueue& queue) {
    if (queue.last < queue.first) {
      if (queue.said_last && queue.said_first && *queue.said_last >= *queue.said_first)
        add("CQ-ROCKSDB-ENDS", Severity::degraded, queue, *queue.said_first,
            fmt::format("the table of ends says units {} to {}, and there are none", *queue.said_first,
                        *queue.said_last));
      return;
    }
    if (!queue.said_last || *queue.said_last < queue.last) {
      const std::int64_t from = queue.said_last ? *queue.said_last + 1 : queue.first;
      add("CQ-ROCKSDB-ENDS", Severity::hidden, queue, from,
          fmt::format(
              "units go to {}, and the table of ends {}: consumers do not get what lies behind", queue.last,
              queue.said_last ? fmt::format("says {}", *queue.said_last) : "does not know the queue"));
    } else if (*queue.said_last > queue.last) {
      add("CQ-ROCKSDB-ENDS", Severity::degraded, queue, queue.last + 1,
          fmt::format("units go to {}, and the table of ends says {}: new messages leave a hole", queue.last,
                      *queue.said_last));
    }
  }

  // rocksdbCQDoubleWriteEnable: one of the two is read, depending on storeType; both should say the same.
  void doubled(const rocks::RocksQueue& queue) {
    const QueueState* state = context_.queues->find(queue.topic, queue.queue_id);
    if (state == nullptr || state->queue().kind != scan::QueueKind::simple) return;
    UnitReader reader(context_.files, *state, 64 << 10);
    std::int64_t differing = 0;
    std::int64_t first = -1;
    files_.visit_units(queue, [&](std::int64_t offset, const format::RocksQueueValue& value) {
      const auto unit = reader.entry(offset);
      // Where the file is gone or unwritten, verify_queues has said so.
      const bool differs = unit && unit->is_used() && !unit->is_pre_blank() &&
                           (unit->commit_log_offset != value.commit_log_offset || unit->size != value.size ||
                            (unit->tags_code != value.tags_code && !format::is_ext_address(unit->tags_code)));
      if (differs && differing++ == 0) first = offset;
      return !context_.cancelled();
    });
    if (differing > 0)
      add("CQ-ROCKSDB-DOUBLE", Severity::degraded, queue, first,
          fmt::format("{} in RocksDB and in the queue's files, the first is {}",
                      counted(differing, "unit differs", "units differ"), first));
  }

  VerifyContext& context_;
  const rocks::QueueFiles& files_;
};

}  // namespace

void verify_rocks_queues(VerifyContext& context, const rocks::QueueFiles& files) {
  if (!context.survey.consume_queue_is_rocksdb) return;
  if (!context.options.running) return RocksQueueJudge(context, files).run();
  context.add("ST-NOT-READ", Severity::benign, std::string(kQueuesShown), 0, 0,
              "the consume queues lie in RocksDB, and a running broker holds back what it wrote last: they "
              "are not checked, and "
              "not counted in the bytes expected");
}

void check_rocks_tables(VerifyContext& context, const std::string& directory, const std::string& shown,
                        std::string_view code, Severity severity) {
  if (!context.at_least(VerifyLevel::deep) || context.cancelled()) return;
  const auto database = rocks::Database::open(context.files, directory);
  if (!database) return;  // whoever reads it has said so
  if (const std::string fault = (*database)->check_tables(); !fault.empty())
    context.add(code, severity, shown, 0, 0, fmt::format("a table of the RocksDB is damaged: {}", fault));
  const auto unknown = (*database)->unknown_tables();
  if (unknown.empty() || context.options.running) return;
  const bool crashed = context.survey.abort.has_value();
  context.add(
      code, crashed ? Severity::benign : severity, shown, 0, 0,
      fmt::format("{} ({} the first) that its manifest does not name: {}; a broker that starts deletes them",
                  counted(std::ssize(unknown), "table", "tables"), unknown.front(),
                  crashed ? "the crash left them, or the manifest lost its end" : "the manifest has lost its end"));
}

void verify_rocks_config(VerifyContext& context) {
  std::set<std::string> checked;
  for (const rocks::ConfigTable& table : rocks::read_config_tables(context.files, context.survey)) {
    context.summary.bytes_expected += table.bytes;
    const std::string shown = table.database + "/CURRENT";
    if (table.fault.empty()) {
      context.summary.bytes_checked += table.bytes;
      if (checked.insert(table.database).second)
        check_rocks_tables(context, context.survey.config_directory() + table.database.substr(6), shown,
                           "CF-ROCKSDB", Severity::degraded);
    } else {
      context.add("CF-ROCKSDB", Severity::degraded, shown, 0, 0,
                  fmt::format("the RocksDB cannot be read: {}", table.fault));
    }
    if (table.strange_entries > 0) {
      context.add(
          "CF-ROCKSDB-ENTRY", Severity::degraded, shown, 0, 0,
          fmt::format("{} that a broker does not take", counted(table.strange_entries, "entry", "entries")));
    }
  }
}

}  // namespace rmq::forensics
