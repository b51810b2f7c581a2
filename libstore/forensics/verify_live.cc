#include "libstore/forensics/verify_live.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "libstore/forensics/verify_index.h"

namespace rmq::forensics {
namespace {

// What two looks have to agree on.
using Identity = std::tuple<std::string, std::string, std::string, std::int32_t, std::int64_t>;

Identity identity_of(const Finding& finding) {
  return {std::string(finding.code), finding.file, finding.topic, finding.queue_id, finding.offset};
}

bool is_suspect(const Finding& finding) { return finding.severity > Severity::benign; }

// One look's findings, and what became of the store while it was taken.
class Findings {
 public:
  Findings(const SettledStore& store, std::vector<Finding> findings)
      : store_(store), vanished_(store.vanished()) {
    for (Finding& finding : findings) {
      if (is_suspect(finding) && is_gone(finding)) {
        ++gone_;
      } else if (is_suspect(finding) && may_be_gone(finding)) {
        doubtful_ = true;
      } else {
        kept_.push_back(std::move(finding));
      }
    }
  }

  [[nodiscard]] const std::vector<Finding>& kept() const { return kept_; }
  [[nodiscard]] std::int64_t gone() const { return gone_; }
  // Something may only look wrong because a part of the store went away.
  [[nodiscard]] bool doubtful() const { return doubtful_; }
  [[nodiscard]] const std::set<std::string>& vanished() const { return vanished_; }

 private:
  // The file expired, or the topic was deleted, or deleted and made anew.
  [[nodiscard]] bool is_gone(const Finding& finding) const {
    if (vanished_.contains(finding.file)) return true;
    if (!finding.topic.empty() && !store_.is_unchanged(finding.topic)) return true;
    // A topic that was deleted and made anew has no queue until its first message comes.
    if (finding.code == "CQ-MISSING-QUEUE" && store_.exists(finding.file)) return true;
    return known_file(finding.file) && !store_.exists(finding.file);
  }

  // Keys are missed over all index files together: one that expired held keys of messages that did not yet.
  [[nodiscard]] bool may_be_gone(const Finding& finding) const {
    return finding.code == kIndexMissing &&
           std::ranges::any_of(store_.survey().index_files,
                               [&](const scan::StoreFile& file) { return vanished_.contains(file.shown); });
  }

  [[nodiscard]] bool known_file(const std::string& shown) const {
    const scan::StoreSurvey& survey = store_.survey();
    const auto is = [&](const scan::StoreFile& file) { return file.shown == shown; };
    return std::ranges::any_of(survey.commit_log.files, is) || std::ranges::any_of(survey.index_files, is) ||
           std::ranges::any_of(survey.queues, [&](const scan::Queue& queue) {
             return std::ranges::any_of(queue.files.files, is);
           });
  }

  const SettledStore& store_;
  std::set<std::string> vanished_;
  std::vector<Finding> kept_;
  std::int64_t gone_ = 0;
  bool doubtful_ = false;
};

// A file that went away is no part of the store any more, and was not checked.
void leave_out(VerifySummary& summary, const scan::StoreSurvey& survey,
               const std::set<std::string>& vanished) {
  const auto leave = [&](const scan::StoreFile& file) {
    if (!vanished.contains(file.shown)) return;
    summary.bytes_checked -= file.size;
    summary.bytes_expected -= file.size;
  };
  for (const scan::MappedFile& file : survey.commit_log.files) leave(file);
  for (const scan::Queue& queue : survey.queues) {
    for (const scan::MappedFile& file : queue.files.files) leave(file);
  }
}

}  // namespace

Result<LiveSummary> run_verify_live(const io::ReadFileSystem& files, const scan::StoreConfig& config,
                                    const VerifyOptions& options, const LiveOptions& live, Waiter& waiter,
                                    const FindingSink& sink) {
  VerifyOptions looking = options;
  looking.running = live.look.broker_runs;
  LiveSummary result;
  std::set<Identity> suspects;
  std::vector<Finding> reported;
  for (bool again = true; again;) {
    RMQ_TRY(store, SettledStore::look(files, config, live.look, waiter));
    if (live.begins) live.begins(store->survey());
    ++result.looks;
    std::vector<Finding> seen;
    result.verify = run_verify(*store, store->survey(), looking,
                               [&](const Finding& finding) { seen.push_back(finding); });
    const Findings findings(*store, std::move(seen));
    result.settled_to = store->settled_to();
    result.log_end = store->log_end();
    result.vanished = std::ssize(findings.vanished());
    result.dismissed += findings.gone();
    result.unconfirmed = findings.doubtful() ? 1 : 0;
    leave_out(result.verify, store->survey(), findings.vanished());
    reported.clear();
    std::set<Identity> now;
    for (const Finding& finding : findings.kept()) {
      if (!is_suspect(finding)) {
        reported.push_back(finding);
        continue;
      }
      const Identity identity = identity_of(finding);
      now.insert(identity);
      if (suspects.contains(identity)) {
        reported.push_back(finding);
      } else {
        ++result.unconfirmed;
      }
    }
    result.dismissed +=
        std::ranges::count_if(suspects, [&](const Identity& identity) { return !now.contains(identity); });
    suspects = std::move(now);
    again = result.unconfirmed > 0 && result.looks < live.most_looks && !result.verify.cancelled;
    if (again) waiter.wait_ms(live.again_ms);
  }
  VerifySummary& summary = result.verify;
  summary.findings.clear();
  summary.worst = Severity::benign;
  for (const Finding& finding : reported) {
    ++summary.findings[std::string(finding.code)];
    summary.worst = std::max(summary.worst, finding.severity);
    sink(finding);
  }
  summary.clean = !summary.cancelled && !summary.read_errors && !summary.unclean_stop &&
                  result.unconfirmed == 0 && summary.worst == Severity::benign &&
                  summary.bytes_checked == summary.bytes_expected;
  return result;
}

}  // namespace rmq::forensics
