#include "tools/cli/repair_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>

#include "libstore/forensics/verify.h"
#include "libstore/recovery/undo.h"
#include "libstore/repair/repair_apply.h"
#include "tools/cli/carve_command.h"
#include "tools/cli/copy_store.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/help.h"
#include "tools/cli/repair_plan_file.h"
#include "tools/cli/store_input.h"
#include "tools/cli/terminal.h"
#include "tools/cli/values.h"

namespace rmq::cli {
namespace {

constexpr std::string_view kProgram = "rmq-repair";
constexpr int kExitMended = 1;

int fail(const Error& error) {
  complain(kProgram, sentence_of(error));
  return exit_code_of(error);
}

Grammar grammar_of(const std::string& verb) {
  Grammar grammar = common_grammar(kProgram, verb);
  grammar.add({{"yes", FlagKind::given}});
  if (verb.empty()) grammar.add({{"plan"}, {"preen", FlagKind::given}, {"out"}, {"undo"}});
  if (verb == "cut") grammar.add({{"plan"}, {"to-offset"}, {"to-time"}, {"undo"}});
  if (verb == "heal") grammar.add({{"plan"}, {"from"}, {"undo"}});
  if (verb == "apply") grammar.add({{"undo"}});
  return grammar;
}

std::string absolute(const std::string& path) {
  std::error_code fault;
  const auto canonical = std::filesystem::weakly_canonical(path, fault);
  return fault ? std::filesystem::absolute(path).lexically_normal().string() : canonical.string();
}

// Flags that say where parts of the store lie, absolute, so that the plan holds from anywhere.
std::vector<std::string> places_of(const Arguments& arguments) {
  std::vector<std::string> places;
  for (const char* flag : {"broker-conf", "commitlog", "consumequeue", "index", "config"}) {
    const auto text = arguments.value(flag);
    if (!text) continue;
    std::string all;
    for (const std::string& one : split_commas(*text)) all += (all.empty() ? "" : ",") + absolute(one);
    places.push_back(std::string("--") + flag);
    places.push_back(std::move(all));
  }
  return places;
}

Result<scan::StoreConfig> config_of(const RepairAsked& asked) {
  std::vector<std::string> tokens{asked.store};
  tokens.insert(tokens.end(), asked.places.begin(), asked.places.end());
  RMQ_TRY(arguments, parse_arguments(common_grammar(kProgram), tokens));
  return store_config(kProgram, arguments, asked.store);
}

// The store, or the exit code with which it was told that there is none to work on.
struct Looked {
  std::optional<scan::StoreSurvey> survey;
  int code = kExitClean;
};

Looked look_at(const std::string& store, const scan::StoreConfig& config) {
  auto survey = scan::survey_store(io::posix_read_file_system(), config);
  if (!survey) {
    if (survey.error().code == ErrorCode::not_found)
      return {std::nullopt, fail(wrong_use("no such store: " + store))};
    return {std::nullopt, fail(survey.error())};
  }
  if (survey->single_file)
    return {std::nullopt, fail(wrong_use(store + " is one file; give the directory above commitlog/"))};
  const forensics::LockState lock = ask_lock_state(*survey);
  if (lock.holder || lock.writer) {
    complain(kProgram, live_sentence(store, lock));
    return {std::nullopt, kExitRefused};
  }
  if (!lock.refused.empty()) complain(kProgram, lock.refused + "; taken as a store that no broker runs on");
  return {std::move(*survey), kExitClean};
}

// A run over a store with its bar.
class Run {
 public:
  explicit Run(const CommonOptions& common, std::int64_t bytes)
      : progress_(std::string(kProgram), common.progress, common.max_rate) {
    progress_.expect(bytes);
  }
  ~Run() { progress_.finish(); }

  std::atomic<std::int64_t>* looked_at() { return &looked_at_; }
  // Asked often: the place to move the bar.
  bool cancelled() {
    const std::int64_t now = looked_at_.load(std::memory_order_relaxed);
    const std::int64_t before = told_.exchange(now, std::memory_order_relaxed);
    if (now > before) progress_.advance(now - before);
    return stop_requested();
  }

 private:
  Progress progress_;
  std::atomic<std::int64_t> looked_at_ = 0;
  std::atomic<std::int64_t> told_ = 0;
};

// rmq-verify's verdict at the level that looks at every body.
int verdict(const CommonOptions& common, const scan::StoreSurvey& survey) {
  Run run(common, forensics::verify_bytes_expected(survey, forensics::VerifyLevel::deep));
  forensics::VerifyOptions options;
  options.level = forensics::VerifyLevel::deep;
  options.jobs = static_cast<std::size_t>(common.jobs);
  options.progress = run.looked_at();
  options.cancelled = [&run] { return run.cancelled(); };
  const auto summary = forensics::run_verify(io::mapping_read_file_system(), survey, options,
                                             [](const forensics::Finding&) {});
  return exit_code_of(summary);
}

struct Task {
  RepairAsked asked;
  scan::StoreConfig config;
  std::optional<scan::StoreSurvey> replica;
  repair::RepairRequest request;
};

// The same with a bar over what is read of the log.
repair::RepairRequest with_bar(const Task& task, Run& run) {
  repair::RepairRequest request = task.request;
  request.progress = run.looked_at();
  request.cancelled = [&run] { return run.cancelled(); };
  return request;
}

Result<repair::RepairPlan> plan_of(const Task& task, const CommonOptions& common,
                                   const scan::StoreSurvey& survey) {
  Run run(common, survey.commit_log_bytes());
  return repair::plan_repair(io::mapping_read_file_system(), survey, with_bar(task, run));
}

// Fills what the words ask for; the exit code where they make no sense.
int prepare(const CommonOptions& common, Task& task) {
  auto config = config_of(task.asked);
  if (!config) return fail(config.error());
  task.config = std::move(*config);
  if (!task.asked.replica.empty()) {
    scan::StoreConfig other;
    other.root = task.asked.replica;
    auto survey = scan::survey_store(io::posix_read_file_system(), other);
    if (!survey) return fail(wrong_use("--from: " + survey.error().message()));
    if (survey->single_file) return fail(wrong_use("--from: give the directory above commitlog/"));
    task.replica = std::move(*survey);
    task.request.replica = &*task.replica;
  }
  task.request.cut_at = task.asked.to_offset;
  task.request.cut_time_ms = task.asked.to_time_ms;
  task.request.safe_only = task.asked.preen;
  task.request.jobs = static_cast<std::size_t>(common.jobs);
  task.request.cancelled = [] { return stop_requested(); };
  return kExitClean;
}

int write_text(const std::string& text, int code) {
  StandardOutput out;
  if (out.write(text) || out.broken_pipe()) return code;
  complain(kProgram, out.fault());
  return code | kExitFault;
}

std::string plan_text(const repair::RepairPlan& plan) {
  constexpr std::size_t kMostPlaceholders = 20;
  std::string text;
  for (const std::string& line : repair::repair_plan_as_text(plan)) text += line + "\n";
  const auto& placeholders = plan.recovery.placeholders;
  for (std::size_t i = 0; i < std::min(placeholders.size(), kMostPlaceholders); ++i) {
    text += fmt::format("lost: {}/{} message {}; a placeholder at {} stands for it\n", placeholders[i].topic,
                        placeholders[i].queue_id, placeholders[i].queue_offset, placeholders[i].log_offset);
  }
  if (placeholders.size() > kMostPlaceholders)
    text += fmt::format("lost: {} more\n", placeholders.size() - kMostPlaceholders);
  std::int64_t readable = 0;
  std::int64_t found = 0;
  for (const recovery::QueueOutcome& queue : plan.recovery.queues) {
    readable += queue.readable;
    found += queue.found;
  }
  if (plan.dropped > 0) text += fmt::format("dropped: {} records behind the cut\n", plan.dropped);
  text += fmt::format(
      "{}: {} messages readable afterwards, {} of them hidden now; {} records mended, {} placeholders, {} "
      "messages lost behind the log's end\n",
      plan.changes_nothing() ? "nothing to do" : fmt::format("{} steps", plan.recovery.steps.size()),
      readable, found, plan.recovery.mended.size(), placeholders.size(), plan.recovery.units_behind);
  if (!plan.changes_nothing())
    text += fmt::format("needs {} bytes and about {:.0f} s\n", plan.bytes_needed, plan.seconds_expected);
  return text;
}

// Carries it out; the plan's hash is empty where any plan will do.
int carry_out(const Task& task, const CommonOptions& common, std::int64_t log_bytes, const std::string& hash,
              const std::string& undo_directory, bool is_copy) {
  using repair::ApplyFault;
  repair::ApplyOptions options;
  options.config = task.config;
  std::optional<Run> run(std::in_place, common, log_bytes);
  options.request = with_bar(task, *run);
  options.plan_hash = hash;
  options.undo_directory = undo_directory;
  options.now_ms = now_ms();
  options.is_copy = is_copy;
  const repair::Applied applied = repair::apply_repair(io::posix_file_system(), options);
  run.reset();
  const repair::ApplyReport& report = applied.report;
  int code = kExitMended;
  if (applied.fault != ApplyFault::none) {
    const bool cancelled = applied.error->code == ErrorCode::cancelled;
    switch (applied.fault) {
      case ApplyFault::refused:
        code = applied.error->code == ErrorCode::wrong_use ? kExitRefused : exit_code_of(*applied.error);
        break;
      case ApplyFault::no_space: code = kExitFault; break;
      case ApplyFault::not_mended: code = kExitProblems; break;
      case ApplyFault::rolled_back: code = cancelled ? kExitCancelled : kExitFault; break;
      default: code = kExitFault | (cancelled ? kExitCancelled : 0); break;
    }
    complain(kProgram, sentence_of(*applied.error));
    if (applied.fault == ApplyFault::rolled_back)
      complain(kProgram, task.asked.store + " is as it was before");
    if (applied.fault == ApplyFault::stuck && !is_copy)
      complain(kProgram, "rmq-repair undo " + report.undo_directory + " --yes puts the rest back");
    return code;
  }
  if (report.resumed > 0) complain(kProgram, "what a run that was cut off had done was taken back first");
  const auto survey = scan::survey_store(io::posix_read_file_system(), task.config);
  if (!survey) return fail(survey.error());
  const int left = verdict(common, *survey);
  const bool changed = !report.plan.changes_nothing();
  code = (changed ? kExitMended : kExitClean) | (left == kExitUncleanStop ? kExitProblems : left);
  if (common.format == forensics::OutputFormat::json) {
    json::JsonLine line;
    line.begin_object();
    line.field("kind", "applied");
    line.field("schema", 1);
    line.field("store", task.asked.store);
    line.field("changed", changed);
    line.field("clean", left == kExitClean);
    line.field("undo", report.undo_directory);
    line.field("steps", std::ssize(report.plan.recovery.steps));
    line.field("planHash", report.plan.hash);
    line.end_object();
    line.end_line();
    return write_text(std::string(line.text()), code);
  }
  std::string text = changed ? fmt::format("{} steps carried out", report.plan.recovery.steps.size())
                             : std::string("nothing to do");
  if (!report.undo_directory.empty())
    text += fmt::format("; rmq-repair undo {} puts every byte back", report.undo_directory);
  text += left == kExitClean ? "; the store is clean\n" : "; problems stay: see rmq-verify\n";
  return write_text(text, code);
}

// Shows the plan, or carries it out with --yes.
int plan_verb(const Arguments& arguments, const CommonOptions& common, Task& task) {
  if (const int code = prepare(common, task); code != kExitClean) return code;
  const auto [survey, refusal] = look_at(task.asked.store, task.config);
  if (!survey) return refusal;
  if (arguments.has("yes") && !arguments.has("plan")) {
    return carry_out(task, common, survey->commit_log_bytes(), "",
                     arguments.has("undo") ? absolute(*arguments.value("undo")) : "", false);
  }
  auto plan = plan_of(task, common, *survey);
  if (!plan) return fail(plan.error());
  json::JsonLine line;
  write_plan_object(line, task.asked, *plan);
  if (const auto path = arguments.value("plan")) {
    const auto written = io::posix_file_system().replace(*path, std::as_bytes(std::span(line.text())));
    if (!written) return fail(written.error());
  }
  int code = verdict(common, *survey);
  if (!plan->changes_nothing() && code == kExitClean) code = kExitProblems;
  if (common.format == forensics::OutputFormat::json) return write_text(std::string(line.text()), code);
  std::string text = plan_text(*plan);
  if (!plan->changes_nothing()) {
    text += arguments.has("plan")
                ? fmt::format("rmq-repair apply {} --yes carries it out\n", *arguments.value("plan"))
                : "nothing was changed: --plan P.json keeps the plan for apply, --yes carries it out\n";
  }
  return write_text(text, code);
}

int out_verb(const Arguments& arguments, const CommonOptions& common, Task& task) {
  if (const int code = prepare(common, task); code != kExitClean) return code;
  const auto [survey, refusal] = look_at(task.asked.store, task.config);
  if (!survey) return refusal;
  const std::string target = absolute(*arguments.value("out"));
  const Status copied = copy_store(io::posix_file_system(), *survey, target, [] { return stop_requested(); });
  if (!copied) return fail(copied.error());
  Task copy = task;
  copy.asked.store = target;
  copy.config = survey->config;
  copy.config.root = target;
  copy.config.commit_log_directories.clear();
  copy.config.read_only_commit_log_directories.clear();
  copy.config.consume_queue_directory.clear();
  copy.config.index_directory.clear();
  copy.config.config_directory.clear();
  if (copy.replica) copy.request.replica = &*copy.replica;
  return carry_out(copy, common, survey->commit_log_bytes(), "", "", true);
}

int apply_verb(const Arguments& arguments, const CommonOptions& common) {
  const std::string& path = arguments.positionals().front();
  const auto file = read_plan_file(path);
  if (!file) return fail(file.error());
  Task task;
  task.asked = file->asked;
  if (const int code = prepare(common, task); code != kExitClean) return code;
  const auto [survey, refusal] = look_at(task.asked.store, task.config);
  if (!survey) return refusal;
  if (!arguments.has("yes")) {
    const auto plan = plan_of(task, common, *survey);
    if (!plan) return fail(plan.error());
    if (plan->hash != file->plan_hash) {
      complain(kProgram, task.asked.store + " is not what the plan was made for: make a new one");
      return kExitRefused;
    }
    return write_text(plan_text(*plan) + "nothing was changed: --yes carries it out\n",
                      plan->changes_nothing() ? kExitClean : kExitProblems);
  }
  return carry_out(task, common, survey->commit_log_bytes(), file->plan_hash,
                   arguments.has("undo") ? absolute(*arguments.value("undo")) : "", false);
}

int undo_verb(const Arguments& arguments) {
  const std::string directory = absolute(arguments.positionals().front());
  const auto summary = recovery::read_undo(io::posix_read_file_system(), directory);
  if (!summary) {
    if (summary.error().code == ErrorCode::not_found)
      return fail(wrong_use(directory + " has no manifest of an undo"));
    return fail(summary.error());
  }
  if (!arguments.has("yes")) {
    std::string text;
    for (const std::string& line : summary->sentences) text += line + "\n";
    text += fmt::format("{} things to put back in {}; nothing was changed: --yes does it\n", summary->things,
                        summary->root);
    return write_text(text, kExitProblems);
  }
  scan::StoreConfig config;
  config.root = summary->root;
  const auto survey = scan::survey_store(io::posix_read_file_system(), config);
  if (survey) {
    const forensics::LockState state = ask_lock_state(*survey);
    if (state.holder || state.writer) {
      complain(kProgram, live_sentence(summary->root, state));
      return kExitRefused;
    }
  }
  io::FileSystem& files = io::posix_file_system();
  const std::string lock_path = io::join_path(summary->root, "lock");
  const bool lock_was_there = files.stat(lock_path).has_value();
  const auto lock = files.lock(lock_path);
  if (!lock) {
    complain(kProgram, sentence_of(lock.error()));
    return lock.error().code == ErrorCode::wrong_use ? kExitRefused : exit_code_of(lock.error());
  }
  const Status undone = recovery::undo(files, directory);
  if (!lock_was_there) (void)files.remove(lock_path);
  if (!undone) {
    complain(kProgram, sentence_of(undone.error()));
    return undone.error().code == ErrorCode::wrong_use ? kExitRefused : exit_code_of(undone.error());
  }
  return write_text(fmt::format("{} is as it was before\n", summary->root), kExitMended);
}

int cut_verb(const Arguments& arguments, const CommonOptions& common, Task& task) {
  const auto offset = arguments.value("to-offset");
  const auto time = arguments.value("to-time");
  if (offset.has_value() == time.has_value())
    return fail(wrong_use("give either --to-offset X or --to-time T"));
  if (offset) {
    const auto parsed = parse_offset("--to-offset", *offset);
    if (!parsed) return fail(parsed.error());
    task.asked.to_offset = *parsed;
  } else {
    const auto parsed = parse_time("--to-time", *time, common.utc, now_ms());
    if (!parsed) return fail(parsed.error());
    task.asked.to_time_ms = *parsed;
  }
  return plan_verb(arguments, common, task);
}

}  // namespace

int run_repair_command(const std::vector<std::string>& tokens) {
  StandardOutput out;
  const std::string first = tokens.empty() ? "" : tokens.front();
  const bool is_verb = first == "apply" || first == "undo" || first == "cut" || first == "heal";
  if (first.empty()) {
    (void)out.write(repair_help());
    return kExitWrongUse;
  }
  if (first == "carve") return run_carve({tokens.begin() + 1, tokens.end()});
  const std::string verb = is_verb ? first : "";
  const auto arguments =
      parse_arguments(grammar_of(verb), {tokens.begin() + (is_verb ? 1 : 0), tokens.end()});
  if (!arguments) return fail(arguments.error());
  if (arguments->has("help")) return out.write(repair_help()) ? kExitClean : kExitFault;
  if (arguments->has("version")) return out.write("rmq-repair " RMQ_VERSION "\n") ? kExitClean : kExitFault;
  const auto common = common_options(*arguments);
  if (!common) return fail(common.error());
  if (arguments->positionals().empty()) {
    const std::string what = verb == "apply" ? "P.json" : verb == "undo" ? "DIR" : "STORE";
    return fail(wrong_use(fmt::format("no {0} given; rmq-repair {1}{2}{0}, see rmq-repair --help", what, verb,
                                      verb.empty() ? "" : " ")));
  }
  install_signal_handlers();
  if (verb == "apply") return apply_verb(*arguments, *common);
  if (verb == "undo") return undo_verb(*arguments);
  Task task;
  task.asked.verb = verb.empty() ? "repair" : verb;
  task.asked.store = absolute(arguments->positionals().front());
  task.asked.preen = arguments->has("preen");
  task.asked.places = places_of(*arguments);
  if (verb == "cut") return cut_verb(*arguments, *common, task);
  if (verb == "heal") {
    if (!arguments->has("from")) return fail(wrong_use("give --from REPLICA, another copy of the store"));
    task.asked.replica = absolute(*arguments->value("from"));
  }
  if (verb.empty() && arguments->has("out")) {
    if (arguments->has("plan"))
      return fail(wrong_use("--out makes the copy at once, and changes nothing else: leave out --plan"));
    return out_verb(*arguments, *common, task);
  }
  return plan_verb(*arguments, *common, task);
}

}  // namespace rmq::cli
