#include "tools/cli/verify_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <utility>

#include "libstore/forensics/finding_table.h"
#include "libstore/forensics/verify.h"
#include "libstore/forensics/verify_live.h"
#include "libstore/io/read_file_system.h"
#include "libstore/json/json_writer.h"
#include "libstore/preflight/preflight.h"
#include "libstore/recovery/plan_text.h"
#include "libstore/report/facts.h"
#include "tools/cli/compare_command.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/explain.h"
#include "tools/cli/help.h"
#include "tools/cli/report_file.h"
#include "tools/cli/store_input.h"
#include "tools/cli/terminal.h"
#include "tools/cli/values.h"
#include "tools/cli/verify_report.h"

namespace rmq::cli {
namespace {

constexpr std::string_view kProgram = "rmq-verify";

int fail(const Error& error) {
  complain(kProgram, sentence_of(error));
  return exit_code_of(error);
}

Grammar verify_grammar() {
  Grammar grammar = common_grammar(kProgram);
  grammar.add({{"level"},
               {"only", FlagKind::values},
               {"skip", FlagKind::values},
               {"explain"},
               {"preflight", FlagKind::given},
               {"version-as"},
               {"report"},
               {"live", FlagKind::given},
               {"max-duration"},
               {"compare"}});
  return grammar;
}

Result<forensics::VerifyLevel> level_of(const Arguments& arguments) {
  using Level = forensics::VerifyLevel;
  static constexpr std::array<std::pair<std::string_view, Level>, 4> kLevels{{{"quick", Level::quick},
                                                                              {"normal", Level::normal},
                                                                              {"deep", Level::deep},
                                                                              {"paranoid", Level::paranoid}}};
  const std::string text = arguments.value("level").value_or("normal");
  for (const auto& [name, level] : kLevels) {
    if (name == text) return level;
  }
  return wrong_use("--level '" + text + "' makes no sense; give quick, normal, deep or paranoid");
}

std::vector<std::string> known_codes() {
  std::vector<std::string> codes;
  for (const forensics::FindingRow& row : forensics::finding_table()) codes.emplace_back(row.code);
  return codes;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}

Error unknown_code(const std::string& flag, const std::string& code) {
  const std::string close = nearest(code, known_codes());
  return wrong_use(
      flag + " '" + code + "': no finding has that code" +
      (close.empty() ? "; rmq-verify --explain list names them all" : "; did you mean " + close + "?"));
}

// Globs over the codes; each has to match one.
Result<std::vector<std::string>> codes_of(const Arguments& arguments, const std::string& flag) {
  std::vector<std::string> globs;
  const std::vector<std::string> known = known_codes();
  for (const std::string& text : arguments.values(flag)) {
    if (split_commas(text).empty()) return unknown_code("--" + flag, text);
    for (const std::string& part : split_commas(text)) {
      std::string glob = upper(part);
      const auto matches = [&](const std::string& code) { return forensics::matches_glob(glob, code); };
      if (std::ranges::none_of(known, matches)) return unknown_code("--" + flag, part);
      globs.push_back(std::move(glob));
    }
  }
  return globs;
}

int exit_code(const forensics::VerifySummary& summary, const StandardOutput& out) {
  int code = exit_code_of(summary);
  if (!out.fault().empty()) code |= kExitFault;
  if (stop_requested()) code |= kExitCancelled;
  return code;
}

int verify(const Arguments& arguments, const CommonOptions& common, const scan::StoreSurvey& survey,
           bool broker_runs) {
  const auto level = level_of(arguments);
  if (!level) return fail(level.error());
  const auto only = codes_of(arguments, "only");
  if (!only) return fail(only.error());
  const auto skip = codes_of(arguments, "skip");
  if (!skip) return fail(skip.error());
  std::optional<NewFile> page;
  if (const auto path = arguments.value("report")) {
    const Status created = page.emplace(*path).create(survey.root);
    if (!created) return fail(created.error());
  }
  StandardOutput out;
  VerifyReport report(
      common.format,
      common.format == forensics::OutputFormat::text && wants_color(common.color, STDOUT_FILENO), out);
  const ReadingFiles files(common);
  Progress progress(std::string(kProgram), common.progress, 0);
  std::atomic<std::int64_t> looked_at = 0;
  std::atomic<std::int64_t> told = 0;
  forensics::VerifyOptions options;
  options.level = *level;
  options.jobs = static_cast<std::size_t>(common.jobs);
  options.progress = &looked_at;
  // Asked often and from every worker: the place to move the bar.
  options.cancelled = [&] {
    const std::int64_t now = looked_at.load(std::memory_order_relaxed);
    const std::int64_t before = told.exchange(now, std::memory_order_relaxed);
    if (now > before) progress.advance(now - before);
    return stop_requested();
  };
  options.wanted = [&only = *only, &skip = *skip](std::string_view code) {
    const auto matches = [&](const std::string& glob) { return forensics::matches_glob(glob, code); };
    return (only.empty() || std::ranges::any_of(only, matches)) && std::ranges::none_of(skip, matches);
  };
  const auto expect = [&](const scan::StoreSurvey& seen) {
    progress.expect(forensics::verify_bytes_expected(seen, *level));
  };
  const auto sink = [&](const forensics::Finding& finding) { report.finding(finding); };
  const auto started = std::chrono::steady_clock::now();
  std::optional<forensics::LiveSummary> live;
  forensics::VerifySummary summary;
  report::WorstFindings worst;  // for the page
  if (arguments.has("live")) {
    RealWaiter waiter;
    forensics::LiveOptions how;
    how.look.broker_runs = broker_runs;
    how.begins = expect;
    auto result = forensics::run_verify_live(files.get(), survey.config, options, how, waiter, sink);
    if (!result) return fail(result.error());
    live = *std::move(result);
    summary = live->verify;
  } else {
    expect(survey);
    summary = forensics::run_verify(files.get(), survey, options, [&](const forensics::Finding& finding) {
      sink(finding);
      if (page) worst.add(finding);
    });
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
  progress.finish();
  const int unsettled = live && live->unconfirmed > 0 ? kExitFault : kExitClean;
  const int code = exit_code(summary, out) | unsettled;
  const std::string level_name = arguments.value("level").value_or("normal");
  report.summary(summary, live ? &*live : nullptr, level_name, taken.count(), code);
  for (const std::string& fault : summary.faults) complain(kProgram, fault);
  if (!out.fault().empty()) complain(kProgram, out.fault());
  if (page && !stop_requested()) {
    const Status written = write_report(*page, common, survey, level_name, summary, worst.take());
    if (!written) return fail(written.error()) | exit_code(summary, out);
  }
  return exit_code(summary, out) | unsettled;
}

constexpr std::string_view kVersionOurs = "libstore";

Result<preflight::StockVersion> version_of(const Arguments& arguments) {
  const std::string text = arguments.value("version-as").value_or("5.3");
  if (text == "5.3") return preflight::StockVersion::v5_3;
  if (text == "4.9") return preflight::StockVersion::v4_9;
  return wrong_use("--version-as '" + text +
                   "' makes no sense; give 4.9 or 5.3, or libstore for rmq-store open");
}

int forecast(const Arguments& arguments, const CommonOptions& common, const scan::StoreSurvey& survey) {
  const auto version = version_of(arguments);
  if (!version) return fail(version.error());
  StandardOutput out;
  VerifyReport report(
      common.format,
      common.format == forensics::OutputFormat::text && wants_color(common.color, STDOUT_FILENO), out);
  const ReadingFiles files(common);
  Progress progress(std::string(kProgram), common.progress, 0);
  progress.expect(survey.commit_log_bytes());
  preflight::PreflightOptions options;
  options.version = *version;
  options.cancelled = [] { return stop_requested(); };
  options.progress = [&](std::int64_t bytes) { progress.advance(bytes); };
  const auto result = preflight::run_preflight(files.get(), survey, options);
  progress.finish();
  if (!result) return fail(result.error());
  int code = kExitClean;
  if (!result->starts || !result->simulated || result->messages_lost > 0 || result->misplaced > 0) {
    code |= kExitProblems;
  }
  if (stop_requested()) code |= kExitCancelled;
  report.preflight(*result, survey, code);
  if (!out.fault().empty()) {
    complain(kProgram, out.fault());
    code |= kExitFault;
  }
  return code;
}

// What rmq-store open would do, with the plan that it would carry out.
int forecast_ours(const CommonOptions& common, const scan::StoreSurvey& survey) {
  recovery::PlanOptions options;
  options.jobs = static_cast<std::size_t>(common.jobs);
  options.cancelled = [] { return stop_requested(); };
  const auto plan = recovery::make_plan(io::posix_read_file_system(), survey, options);
  if (!plan) return fail(plan.error());
  StandardOutput out;
  const int code = plan->possible() ? kExitClean : kExitProblems;
  if (common.format == forensics::OutputFormat::json) {
    json::JsonLine line;
    line.begin_object();
    line.field("kind", "preflight");
    line.field("schema", 1);
    line.field("version", kVersionOurs);
    line.field("starts", plan->possible());
    recovery::write_plan(line, *plan, plan->log_end);
    line.end_object();
    line.end_line();
    out.write(line.text());
  } else {
    for (const std::string& why : plan->refusals) out.write("refused: " + why + "\n");
    for (const std::string& step : recovery::steps_as_text(*plan)) out.write(step + "\n");
    out.write(
        fmt::format("libstore {}: {} steps, {} records mended, {} lost messages get placeholders, the log "
                    "ends at {}\n",
                    plan->possible() ? "opens it" : "refuses it", plan->steps.size(), plan->mended.size(),
                    plan->placeholders.size(), plan->log_end));
  }
  if (out.fault().empty()) return code;
  complain(kProgram, out.fault());
  return code | kExitFault;
}

// `list`, `all`, or codes and globs as --only takes them.
int explain_codes(const Arguments& arguments, forensics::OutputFormat format) {
  const std::string asked = *arguments.value("explain");
  const bool all = asked == "all" || (asked == "list" && format == forensics::OutputFormat::json);
  StandardOutput out;
  std::string text;
  if (asked == "list" && !all) {
    text = explain_list();
  } else {
    const auto globs = all ? Result<std::vector<std::string>>(std::vector<std::string>{"*"})
                           : codes_of(arguments, "explain");
    if (!globs) return fail(globs.error());
    text = explain(*globs, format);
  }
  out.write(text);
  if (out.fault().empty()) return kExitClean;
  complain(kProgram, out.fault());
  return kExitFault;
}

// Flags that make no sense together.
Result<void> check_modes(const Arguments& arguments) {
  for (const char* flag : {"only", "skip"}) {
    if (arguments.has(flag) && arguments.has("report"))
      return wrong_use("--report tells all that is found; leave --" + std::string(flag) + " out");
  }
  for (const char* flag : {"level", "only", "skip", "report"}) {
    for (const char* mode : {"preflight", "compare"}) {
      if (arguments.has(flag) && arguments.has(mode))
        return wrong_use("--" + std::string(flag) + " is about findings; --" + mode + " reports none");
    }
  }
  if (arguments.has("preflight") && arguments.has("compare"))
    return wrong_use("--preflight and --compare exclude each other; give one of them");
  if (arguments.has("live") && arguments.has("report"))
    return wrong_use("--live and --report exclude each other: the page is about a store that stands still");
  if (arguments.has("live") && arguments.has("preflight"))
    return wrong_use(
        "--live and --preflight exclude each other: no broker starts on a store that one runs on");
  for (const char* flag : {"commitlog", "consumequeue", "index", "config"}) {
    if (arguments.has(flag) && arguments.has("compare"))
      return wrong_use("--" + std::string(flag) +
                       " would be about both stores; --compare takes them as they lie");
  }
  return {};
}

Result<scan::StoreSurvey> survey_of(const Arguments& arguments, const std::string& store) {
  auto survey = survey_from(kProgram, arguments, store);
  if (!survey && survey.error().code == ErrorCode::not_found) return wrong_use("no such store: " + store);
  return survey;
}

// Whether somebody uses the store, or may; nothing where that forbids to go on, which has then been said.
std::optional<bool> ask_in_use(const std::string& store, const scan::StoreSurvey& survey, bool live) {
  const forensics::LockState lock = ask_lock_state(survey);
  const bool in_use = lock.holder || lock.writer;
  if (in_use && !live) {
    complain(kProgram, live_sentence(store, lock));
    return std::nullopt;
  }
  if (!lock.refused.empty()) {
    complain(kProgram, lock.refused + "; taken as a store that " + (live ? "a" : "no") + " broker runs on");
  }
  return in_use || !lock.refused.empty();
}

}  // namespace

int run_verify_command(const std::vector<std::string>& tokens) {
  const auto arguments = parse_arguments(verify_grammar(), tokens);
  if (!arguments) return fail(arguments.error());
  StandardOutput out;
  if (arguments->has("help")) return out.write(verify_help()) ? kExitClean : kExitFault;
  if (arguments->has("version")) return out.write("rmq-verify " RMQ_VERSION "\n") ? kExitClean : kExitFault;
  const auto common = common_options(*arguments);
  if (!common) return fail(common.error());
  if (arguments->has("explain")) return explain_codes(*arguments, common->format);
  if (arguments->positionals().empty())
    return fail(wrong_use("no STORE given; rmq-verify STORE, see rmq-verify --help"));
  if (arguments->has("version-as") && !arguments->has("preflight")) {
    return fail(wrong_use("--version-as says which broker --preflight simulates; give --preflight too"));
  }
  if (const auto checked = check_modes(*arguments); !checked) return fail(checked.error());
  const std::string& store = arguments->positionals().front();
  const auto survey = survey_of(*arguments, store);
  if (!survey) return fail(survey.error());
  const bool live = arguments->has("live");
  const auto in_use = ask_in_use(store, *survey, live);
  if (!in_use) return kExitRefused;
  if (survey->single_file && arguments->has("preflight")) {
    return fail(wrong_use(store + " is one file; --preflight needs a whole store"));
  }
  install_signal_handlers();
  if (common->max_duration_ms > 0) stop_after(common->max_duration_ms);
  if (const auto other = arguments->value("compare")) {
    const auto second = survey_of(*arguments, *other);
    if (!second) return fail(second.error());
    if (survey->single_file || second->single_file)
      return fail(wrong_use("--compare needs two whole stores, and no single file"));
    if (!ask_in_use(*other, *second, live)) return kExitRefused;
    return run_compare_command(kProgram, *common, *survey, *second, live);
  }
  if (arguments->value("version-as") == kVersionOurs) return forecast_ours(*common, *survey);
  return arguments->has("preflight") ? forecast(*arguments, *common, *survey)
                                     : verify(*arguments, *common, *survey, *in_use);
}

}  // namespace rmq::cli
