// Joins the index with the log: entries whose record is gone are evidence for the damage they lead into, messages
// without an entry are counted once for the whole store.
#include <fmt/format.h>

#include <algorithm>

#include "libstore/format/store_checkpoint.h"
#include "libstore/forensics/verify_context.h"

namespace rmq::forensics {
namespace {

class IndexJudge {
 public:
  explicit IndexJudge(VerifyContext& context) : context_(context), log_(*context.log) {}

  void run() {
    std::vector<IndexMatchReport> reports = parts_of_the_log();
    std::vector<Finding> found = resolve_index_doubts(context_.index, reports);
    for (const IndexFileCheck& check : context_.index) {
      context_.findings.insert(context_.findings.end(), check.findings.begin(), check.findings.end());
    }
    std::ranges::move(found, std::back_inserter(context_.findings));
    std::int64_t messages = 0;
    std::int64_t first = 0;
    for (IndexMatchReport& report : reports) {
      std::ranges::move(report.findings, std::back_inserter(context_.findings));
      for (const DanglingIndexEntry& entry : report.dangling) dangling(entry);
      for (const MissingIndexRun& run : report.missing) {
        if (messages == 0) first = run.first_offset;
        messages += run.records;
      }
      context_.summary.read_errors = context_.summary.read_errors || report.error.has_value();
    }
    if (messages > 0) {
      context_.add(kIndexMissing, Severity::degraded, index_directory(), 0, 0,
                   fmt::format("{} not found by key (first at {})", counted(messages, "message is", "messages are"), first))
          .consequences = messages;
    }
  }

 private:
  // What the log pass matched, and the ranges that no file holds: entries that lead there dangle.
  [[nodiscard]] std::vector<IndexMatchReport> parts_of_the_log() {
    std::vector<IndexMatchReport> reports;
    if (!context_.at_least(VerifyLevel::deep) || context_.index.empty() || log_.files().empty()) return reports;
    std::int64_t covered = log_.begin();
    const auto dangling_in = [&](std::int64_t from, std::int64_t to) {
      if (to > from) reports.push_back(IndexMatcher(context_.files, context_.index, from, to).finish());
    };
    for (LogFileReport* report : log_.files()) {
      dangling_in(covered, report->file.start);
      reports.push_back(std::move(report->index));
      covered = std::max(covered, report->file.start + report->file.file->size);
    }
    dangling_in(covered, std::numeric_limits<std::int64_t>::max());
    return reports;
  }

  void dangling(const DanglingIndexEntry& entry) {
    const LogMap::Location at = log_.locate(entry.phy_offset);
    if (at.place == LogMap::Place::before) return;  // expired
    if (at.wound != nullptr) {
      at.wound->index_entries += entry.count;
      return;
    }
    const IndexFileCheck& check = context_.index[entry.file];
    const bool behind = at.place == LogMap::Place::behind && !entry.out_of_order;
    if (behind && fold_into_lost_tail(entry.count)) return;
    context_.add(kIndexDangling, behind ? Severity::loss : Severity::degraded, check.file.shown,
                 format::index_entry_position(check.geometry.slots, entry.number), entry.count * format::kIndexEntrySize,
                 behind ? fmt::format("{} behind the end of the log at {} (first to {})",
                                      counted(entry.count, "entry leads", "entries lead"), log_.end(), entry.phy_offset)
                        : fmt::format("{} to no message with that key (first to {})",
                                      counted(entry.count, "entry leads", "entries lead"), entry.phy_offset));
  }

  bool fold_into_lost_tail(std::int64_t entries) {
    const auto lost = std::ranges::find_if(context_.findings, [](const Finding& finding) {
      return finding.code == "CL-LOST-TAIL" || finding.code == "CL-MISSING";
    });
    if (lost == context_.findings.end()) return false;
    lost->consequences += entries;
    return true;
  }

  [[nodiscard]] std::string index_directory() const {
    return context_.survey.config.index_directory.empty() ? "index" : context_.survey.config.index_directory;
  }

  VerifyContext& context_;
  LogMap& log_;
};

// A store that never had an index (messageIndexEnable=false) has no index time in its checkpoint either.
void check_lost_index(VerifyContext& context) {
  if (!context.survey.index_files.empty() || !context.survey.checkpoint || !context.log->has_records()) return;
  const auto bytes = io::read_all(context.files, context.survey.checkpoint->path, 1 << 20);
  if (!bytes || format::StoreCheckpoint::read(*bytes).index_msg_timestamp <= 0) return;
  context.add(kIndexMissing, Severity::degraded, "index", 0, 0,
              "there is no index file, though the checkpoint tells of one: no message is found by key");
}

}  // namespace

void verify_index_against_log(VerifyContext& context) {
  IndexJudge(context).run();
  check_lost_index(context);
}

}  // namespace rmq::forensics
