// What the passes of one verify run share. Internal to verify*.cc.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libstore/derive/deleted_topics.h"
#include "libstore/forensics/log_map.h"
#include "libstore/forensics/log_pass.h"
#include "libstore/forensics/queue_table.h"
#include "libstore/forensics/verify.h"
#include "libstore/forensics/verify_index.h"

namespace rmq::forensics {

struct VerifyContext {
  const io::ReadFileSystem& files;
  const scan::StoreSurvey& survey;
  const VerifyOptions& options;
  VerifySummary summary;
  std::vector<Finding> findings;

  std::vector<LogFileReport> reports;
  std::unique_ptr<LogMap> log;
  std::unique_ptr<QueueTable> queues;
  std::vector<IndexFileCheck> index;
  bool topics_known = false;         // topics.json (or its .bak) could be read
  std::vector<std::string> topics;   // sorted; what it lists
  derive::DeletedTopics deleted;     // deletedTopics.json: what of the log is gone for good

  [[nodiscard]] bool at_least(VerifyLevel level) const { return options.level >= level; }
  [[nodiscard]] bool cancelled() const { return options.cancelled && options.cancelled(); }

  Finding& add(std::string_view code, Severity severity, std::string file, std::int64_t offset, std::int64_t length,
               std::string message) {
    Finding finding;
    finding.code = code;
    finding.severity = severity;
    finding.file = std::move(file);
    finding.offset = offset;
    finding.length = length;
    finding.message = std::move(message);
    findings.push_back(std::move(finding));
    return findings.back();
  }
  // The directory of the commit log as reports show it, for files that are not there.
  [[nodiscard]] std::string log_file_shown(std::int64_t start) const;
};

// verify_layout.cc: names, sizes, continuity. Needs nothing; fills nothing but findings.
void verify_layout(VerifyContext& context, const std::vector<LogFile>& log);
// verify_log.cc: judges what the log pass saw, once the queues have placed their evidence.
void verify_log(VerifyContext& context);
// verify_queues.cc: units without a record, records without a unit.
void verify_queues(VerifyContext& context);
// verify_queue_file.cc: the units of a queue file that is all there is.
void verify_queue_file(VerifyContext& context);
// verify_index.cc judges single files; this joins them with the log.
void verify_index_against_log(VerifyContext& context);
// verify_state.cc: abort, checkpoint, config files.
void load_topics(VerifyContext& context);
void verify_state(VerifyContext& context);
// verify_progress.cc: offsets of consumers and delay levels, transactions, pop, against queues and log.
void verify_progress(VerifyContext& context);
// verify_compaction.cc: the compaction logs, their queues, and how far they were compacted.
void verify_compaction(VerifyContext& context);
// verify_dledger.cc: entry heads, index and state files of a DLedger log.
void verify_dledger(VerifyContext& context);
// verify_epochs.cc: the epochs of controller mode.
void verify_epochs(VerifyContext& context);
// verify_timer.cc: timer wheel, timer log and their checkpoint.
void verify_timer(VerifyContext& context);

[[nodiscard]] std::string counted(std::int64_t count, std::string_view one, std::string_view many);

}  // namespace rmq::forensics
