#include "libstore/forensics/verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "libstore/base/parallel.h"
#include "libstore/forensics/fault_recorder.h"
#include "libstore/forensics/finding_table.h"
#include "libstore/forensics/verify_context.h"
#include "libstore/forensics/verify_rocks.h"
#include "libstore/preflight/preflight.h"
#include "libstore/scan/index_geometry.h"

namespace rmq::forensics {
namespace {

std::int64_t state_bytes(const scan::StoreSurvey& survey) {
  std::int64_t bytes = survey.checkpoint ? survey.checkpoint->size : 0;
  bytes += survey.abort ? survey.abort->size : 0;
  for (const scan::StoreFile& file : survey.config_files) bytes += file.size;
  return bytes;
}

// At the quick level only the log's end is walked: everything before it counts as seen by its name.
std::vector<LogFileReport> quick_log_pass(VerifyContext& context, const std::vector<LogFile>& log, const IndexPass& index,
                                          const LogPassOptions& options) {
  std::vector<LogFileReport> reports(log.size());
  std::size_t last = log.size();
  for (std::size_t i = 0; i < log.size(); ++i) {
    reports[i].file = log[i];
    reports[i].records = log[i].has_records ? 1 : 0;
    reports[i].ends_in_blank = true;
    if (last == log.size() || (log[i].has_records && log[i].duplicate_of == nullptr)) last = i;
  }
  std::vector<LogFile> walked;
  if (last < log.size()) walked.push_back(log[last]);
  for (const LogFile& file : walked) context.summary.bytes_expected += file.file->size;
  auto walk = run_log_pass(context.files, context.survey, walked, *context.queues, index, options);
  if (!walk.empty()) reports[last] = std::move(walk.front());
  return reports;
}

void count_index_bytes(VerifyContext& context) {
  for (const IndexFileCheck& check : context.index) {
    // An index file is covered up to its last entry: what lies behind was never written.
    context.summary.bytes_checked += check.bytes_checked;
    context.summary.bytes_expected += check.error ? check.file.size : check.bytes_checked;
    context.summary.read_errors = context.summary.read_errors || (check.error && check.error->code != ErrorCode::cancelled);
  }
}

// What an unclean stop leaves open counts only if a stock broker that starts now would not close it.
void forgive_what_recovery_mends(VerifyContext& context) {
  if (!context.survey.abort) return;
  preflight::PreflightOptions options;
  options.cancelled = context.options.cancelled;
  const auto forecast = preflight::run_preflight(context.files, context.survey, options);
  if (!forecast) {
    if (forecast.error().code != ErrorCode::cancelled) context.summary.read_errors = true;
    return;
  }
  if (!forecast->starts) {
    context.add("ST-NO-START", Severity::degraded, "", 0, 0,
                fmt::format("a stock broker would not start on this store: {}", forecast->reason));
    return;
  }
  const bool recovers_all = forecast->simulated && forecast->messages_lost == 0 && forecast->misplaced == 0;
  for (Finding& finding : context.findings) {
    const bool rebuilt = finding.severity == Severity::hidden && finding.code.starts_with("CQ-");
    const bool index_goes = finding.code == "IX-MISSING" ||
                            std::ranges::find(forecast->index_files_deleted, finding.file) != forecast->index_files_deleted.end();
    if ((rebuilt && recovers_all) || index_goes) {
      finding.severity = Severity::benign;
      finding.message += " (a stock broker mends this at its next start)";
    }
  }
  if (recovers_all || !forecast->simulated) return;
  // Whatever else is wrong with log, queues or checkpoint is the cause; where nothing is (or nobody asked for it), this is
  // the finding.
  const bool explained = std::ranges::any_of(context.findings, [&](const Finding& f) {
    return f.severity > Severity::benign && (f.code.starts_with("CL-") || f.code.starts_with("CQ-") || f.code.starts_with("CK-")) &&
           (!context.options.wanted || context.options.wanted(f.code));
  });
  context.add("ST-RECOVERY-LOSES", explained ? Severity::benign : Severity::hidden, "", 0, 0,
              fmt::format("a stock broker that starts now loses {} that {} whole{}: see rmq-verify --preflight",
                          counted(forecast->messages_lost, "message", "messages"), forecast->messages_lost == 1 ? "is" : "are",
                          forecast->misplaced == 0 ? "" : fmt::format(", and puts {} at wrong queue offsets", forecast->misplaced)));
}

void verify_log_and_queues(VerifyContext& context, const std::vector<LogFile>& log) {
  const bool deep = context.at_least(VerifyLevel::deep);
  context.queues = std::make_unique<QueueTable>(context.survey);
  context.index.resize(context.survey.index_files.size());
  const auto geometries = scan::infer_index_geometries(context.files, context.survey);
  const IndexPass index{context.index, [&](std::size_t i) {
                          context.index[i] =
                              check_index_file(context.files, context.survey.index_files[i], geometries[i],
                                               deep ? IndexDepth::full : IndexDepth::quick, context.options.cancelled);
                          if (context.options.progress != nullptr) *context.options.progress += context.index[i].bytes_checked;
                        }};
  LogPassOptions options;
  options.cross_check = context.at_least(VerifyLevel::normal) &&
                        (!context.survey.consume_queue_is_rocksdb || !context.survey.queues.empty());
  options.checksums = deep;
  options.index = deep && !context.survey.index_files.empty();
  options.jobs = context.options.jobs;
  options.cancelled = context.options.cancelled;
  options.progress = context.options.progress;
  context.reports = context.at_least(VerifyLevel::normal)
                        ? run_log_pass(context.files, context.survey, log, *context.queues, index, options)
                        : quick_log_pass(context, log, index, options);
  count_index_bytes(context);
  for (const LogFileReport& report : context.reports) {
    context.summary.bytes_checked += report.bytes_checked;
    context.summary.records += report.records;
  }
  context.log = std::make_unique<LogMap>(context.reports, context.survey.commit_log.file_size);
  if (context.cancelled()) return;
  if (context.at_least(VerifyLevel::normal)) {
    if (context.survey.single_file) {
      verify_queue_file(context);
    } else {
      load_topics(context);
      verify_queues(context);
    }
  }
  verify_index_against_log(context);
  verify_log(context);
}

// Each counts the bytes of its own files.
void verify_parts(VerifyContext& context) {
  using Check = void (*)(VerifyContext&);
  for (const Check check : {verify_dledger, verify_compaction, verify_epochs, verify_timer}) {
    if (!context.cancelled()) check(context);
  }
}

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::benign: return "benign";
    case Severity::degraded: return "degraded";
    case Severity::hidden: return "hidden";
    case Severity::loss: return "loss";
  }
  return "?";
}

std::int64_t verify_bytes_expected(const scan::StoreSurvey& survey, VerifyLevel level) {
  std::int64_t bytes = state_bytes(survey);
  if (level == VerifyLevel::quick) return bytes;  // and the log's last file, once it is known which that is
  bytes += survey.commit_log_bytes();
  for (const scan::Queue& queue : survey.queues) {
    for (const scan::MappedFile& file : queue.files.files) bytes += file.size;
  }
  return bytes;
}

VerifySummary run_verify(const io::ReadFileSystem& store_files, const scan::StoreSurvey& store_survey,
                         const VerifyOptions& options, const FindingSink& sink) {
  const FaultRecorder recorder(store_files);
  const rocks::QueueFiles files(recorder, store_survey, !options.running);
  const scan::StoreSurvey& survey = files.survey();
  VerifyContext context{files, survey, options, {}, {}, {}, {}, {}, {}, false, {}, {}};
  VerifySummary& summary = context.summary;
  summary.bytes_expected = verify_bytes_expected(survey, options.level);
  summary.unclean_stop = survey.abort.has_value();
  const std::vector<LogFile> log = place_log_files(files, survey);
  verify_layout(context, log);
  if (!context.cancelled()) verify_log_and_queues(context, log);
  if (!context.cancelled()) verify_rocks_queues(context, files);
  if (!context.cancelled() && !survey.single_file) {
    verify_state(context);
    verify_rocks_config(context);
    verify_pop_states(context);
  }
  if (!context.cancelled() && !survey.single_file && context.at_least(VerifyLevel::deep)) verify_progress(context);
  if (!context.cancelled() && !survey.single_file) verify_parts(context);
  if (!context.cancelled() && context.at_least(VerifyLevel::normal)) forgive_what_recovery_mends(context);
  summary.cancelled = context.cancelled();
  summary.faults = recorder.faults();
  summary.read_errors = summary.read_errors || !summary.faults.empty();
  for (const Finding& finding : context.findings) {
    if (options.wanted && !options.wanted(finding.code)) continue;
    ++summary.findings[std::string(finding.code)];
    summary.worst = std::max(summary.worst, finding.severity);
    sink(finding);
  }
  summary.clean = !summary.cancelled && !summary.read_errors && !summary.unclean_stop &&
                  summary.worst == Severity::benign && summary.bytes_checked == summary.bytes_expected;
  return summary;
}

}  // namespace rmq::forensics
