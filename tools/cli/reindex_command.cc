#include "tools/cli/reindex_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <optional>

#include "libstore/engine/clock.h"
#include "libstore/forensics/dump_filter.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/format/store_lock.h"
#include "libstore/json/json_writer.h"
#include "libstore/reindex/reindex.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/help.h"
#include "tools/cli/store_input.h"
#include "tools/cli/terminal.h"
#include "tools/cli/values.h"

namespace rmq::cli {
namespace {

using forensics::OutputFormat;
using reindex::Mode;
using reindex::Outcome;
using reindex::ReindexReport;

constexpr std::string_view kProgram = "rmq-reindex";
constexpr std::int32_t kSchema = 1;
// What `--index` without a directory is to the parser: the family's flag of that name takes one.
constexpr const char* kIndexFlag = "key-index";

int fail(const Error& error) {
  complain(kProgram, sentence_of(error));
  return exit_code_of(error);
}

Grammar reindex_grammar() {
  Grammar grammar = common_grammar(kProgram);
  grammar.add({{"cq", FlagKind::given},
               {kIndexFlag, FlagKind::given},
               {"all", FlagKind::given},
               {"topic,t", FlagKind::values},
               {"exclude-topic,T", FlagKind::values},
               {"queue,q", FlagKind::values},
               {"no-strict-names", FlagKind::given},
               {"verify-only", FlagKind::given},
               {"fill-only", FlagKind::given},
               {"out"}});
  return grammar;
}

std::vector<std::string> with_index_flag(std::vector<std::string> tokens) {
  for (std::string& token : tokens)
    if (token == "--index") token = std::string("--") + kIndexFlag;
  return tokens;
}

// What is asked for, checked.
struct Request {
  reindex::ReindexOptions options;
  forensics::RecordFilter filter;
  bool filtered = false;
};

Result<Request> request_of(const Arguments& arguments, const CommonOptions& common) {
  Request request;
  const bool all = arguments.has("all");
  request.options.queues = all || arguments.has("cq");
  request.options.index = all || arguments.has(kIndexFlag) || arguments.has("index");
  if (!request.options.queues && !request.options.index)
    return wrong_use("nothing to do: give --cq, --index or --all, see rmq-reindex --help");
  if (arguments.has("verify-only") && arguments.has("fill-only"))
    return wrong_use("--verify-only writes nothing and --fill-only does; give one of them");
  if (arguments.has("verify-only")) request.options.mode = Mode::verify;
  if (arguments.has("fill-only")) request.options.mode = Mode::fill;
  if (const auto out = arguments.value("out")) {
    if (request.options.mode != Mode::rebuild)
      return wrong_use("--out takes what is made anew; leave out --verify-only and --fill-only");
    request.options.out = *out;
  }
  request.filter.topics = arguments.values("topic");
  request.filter.excluded_topics = arguments.values("exclude-topic");
  for (const std::string& text : arguments.values("queue")) {
    RMQ_TRY(ranges, parse_ranges("--queue", text));
    request.filter.queue_ids.insert(request.filter.queue_ids.end(), ranges.begin(), ranges.end());
  }
  request.filtered = !request.filter.topics.empty() || !request.filter.excluded_topics.empty() ||
                     !request.filter.queue_ids.empty();
  if (request.filtered && !request.options.queues)
    return wrong_use("the index is one for all topics; -t, -T and -q are for --cq");
  if (request.filtered && request.options.index)
    return wrong_use("the index is one for all topics; give --cq with -t, -T or -q, and --index by itself");
  request.options.jobs = static_cast<std::size_t>(common.jobs);
  return request;
}

// A directory that is a link is replaced where it lies.
void follow_links(scan::StoreConfig& config) {
  const auto follow = [&](std::string& directory, const char* name) {
    const std::filesystem::path place =
        directory.empty() ? std::filesystem::path(config.root) / name : std::filesystem::path(directory);
    std::error_code fault;
    if (!std::filesystem::is_symlink(place, fault)) return;
    const auto target = std::filesystem::canonical(place, fault);
    if (!fault) directory = target.string();
  };
  follow(config.consume_queue_directory, "consumequeue");
  follow(config.index_directory, "index");
}

// How the run ends, in one word.
std::string_view verdict(const ReindexReport& report, const reindex::ReindexOptions& options) {
  if (!report.refusals.empty()) return "refused";
  if (options.mode == Mode::verify) return report.problems_left() ? "different" : "same";
  return report.problems_left() ? "problems left" : "done";
}

void write_json(const ReindexReport& report, const reindex::ReindexOptions& options, std::int64_t expected,
                double seconds, int code, StandardOutput& out) {
  json::JsonLine line;
  const auto begin = [&](std::string_view kind) {
    line.clear();
    line.begin_object();
    line.field("kind", kind);
    line.field("schema", kSchema);
  };
  const auto end = [&] {
    line.end_object();
    line.end_line();
    return out.write(line.text());
  };
  for (const std::string& why : report.refusals) {
    begin("refusal");
    line.field("message", why);
    if (!end()) return;
  }
  for (const reindex::QueueReport& one : report.queues) {
    begin("queue");
    line.field("topic", one.topic);
    line.field("queueId", one.queue_id);
    line.field("outcome", to_string(one.outcome));
    line.field("units", one.units);
    line.field("minOffset", one.min_offset);
    line.field("maxOffset", one.max_offset);
    line.field("missing", one.missing);
    line.field("wrong", one.wrong);
    line.field("extra", one.extra);
    line.field("dropped", one.dropped);
    if (!one.first_difference.empty()) line.field("firstDifference", one.first_difference);
    if (!end()) return;
  }
  for (const reindex::IndexReport& one : report.index) {
    begin("index");
    line.field("file", one.file);
    line.field("outcome", to_string(one.outcome));
    line.field("entries", one.entries);
    line.field("missing", one.missing);
    line.field("wrong", one.wrong);
    if (!one.first_difference.empty()) line.field("firstDifference", one.first_difference);
    if (!end()) return;
  }
  begin("summary");
  line.field("result", verdict(report, options));
  line.field("records", report.records);
  line.field("units", report.units);
  line.field("keys", report.keys);
  line.field("unusable", report.unusable);
  line.field("bytesChecked", report.bytes_read);
  line.field("bytesExpected", expected);
  line.field("bytesSpilled", report.bytes_spilled);
  if (!report.kept_in.empty()) line.field("keptIn", report.kept_in);
  line.field("secondsReading", report.seconds_reading);
  line.field("secondsWriting", report.seconds_writing);
  line.field("secondsSwapping", report.seconds_swapping);
  line.field("seconds", seconds);
  line.field("exitCode", code);
  end();
}

void write_text(const ReindexReport& report, const reindex::ReindexOptions& options, std::int64_t expected,
                double seconds, StandardOutput& out) {
  std::string text;
  for (const std::string& why : report.refusals) text += "refused: " + why + "\n";
  if (report.log_is_damaged)
    text += "nothing was done: the log itself is damaged; rmq-repair STORE plans what it needs\n";
  std::int64_t kept = 0;
  for (const reindex::QueueReport& one : report.queues) {
    if (one.outcome == Outcome::kept) ++kept;
    if (one.outcome == Outcome::differs || one.dropped > 0 || one.outcome == Outcome::filled) {
      text += fmt::format("{}/{}: {} units missing, {} wrong, {} too many{}", one.topic, one.queue_id,
                          one.missing, one.wrong, one.extra,
                          one.outcome == Outcome::filled ? "; what was missing was added" : "");
      if (one.dropped > 0)
        text += fmt::format(", {} messages that claim a slot of others have none", one.dropped);
      if (!one.first_difference.empty()) text += "; first: " + one.first_difference;
      text += '\n';
    }
  }
  for (const reindex::IndexReport& one : report.index) {
    if (one.outcome != Outcome::differs && one.outcome != Outcome::filled) continue;
    text += fmt::format("{}: {} keys missing, {} entries wrong{}", one.file, one.missing, one.wrong,
                        one.outcome == Outcome::filled ? "; what was missing was added" : "");
    if (!one.first_difference.empty()) text += "; first: " + one.first_difference;
    text += '\n';
  }
  if (kept > 0) text += fmt::format("{} queues of which the log has no message stay as they are\n", kept);
  if (!report.kept_in.empty()) text += fmt::format("what was there before: {}\n", report.kept_in);
  text += fmt::format(
      "{}: {} queues with {} units, {} index files with {} keys, from {} records; {} of {} bytes checked "
      "in {:.1f} s\n",
      verdict(report, options), report.queues.size() - static_cast<std::size_t>(kept), report.units,
      report.index.size(), report.keys, report.records, report.bytes_read, expected, seconds);
  std::string visible;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t line_end = text.find('\n', at);
    forensics::append_visible(visible, std::string_view(text).substr(at, line_end - at));
    visible += '\n';
    at = line_end + 1;
  }
  out.write(visible);
}

int run(const Arguments& arguments, const CommonOptions& common, Request request) {
  const std::string store = arguments.positionals().front();
  io::FileSystem& files = io::posix_file_system();
  auto config = store_config(kProgram, arguments, store);
  if (!config) return fail(config.error());
  follow_links(*config);
  auto survey = scan::survey_store(io::posix_read_file_system(), *config);
  if (!survey && survey.error().code == ErrorCode::not_found)
    return fail(wrong_use("no such store: " + store));
  if (!survey) return fail(survey.error());
  if (survey->single_file)
    return fail(wrong_use(store + " is one file; give the directory above commitlog/"));
  const forensics::LockState lock = ask_lock_state(*survey);
  if (lock.holder || lock.writer) {
    complain(kProgram, live_sentence(store, lock));
    return kExitRefused;
  }
  if (!lock.refused.empty()) complain(kProgram, lock.refused + "; taken as a store that no broker runs on");

  const bool writes_into_store = request.options.mode != Mode::verify && request.options.out.empty();
  std::unique_ptr<io::FileLock> held;
  if (writes_into_store) {
    auto taken = files.lock(io::join_path(config->root, format::kStoreLockFileName));
    if (!taken && taken.error().code == ErrorCode::wrong_use) {
      complain(kProgram, taken.error().message());
      return kExitRefused;
    }
    if (!taken) return fail(taken.error());
    held = std::move(*taken);
    const auto told = reindex::take_back_earlier_runs(files, *config);
    if (!told) return fail(told.error());
    for (const std::string& sentence : *told) complain(kProgram, sentence);
    if (!told->empty()) {
      survey = scan::survey_store(io::posix_read_file_system(), *config);
      if (!survey) return fail(survey.error());
    }
  }

  Progress progress(std::string(kProgram), common.progress, common.max_rate);
  progress.expect(survey->commit_log_bytes());
  // Stock would make none, unless it was asked for by name.
  if (arguments.has("all") && !survey->config.message_index_enable) request.options.index = false;
  forensics::TopicMatcher matcher(request.filter);
  if (request.filtered) {
    request.options.wants_queue = [&](std::string_view topic, std::int32_t queue_id) {
      return matcher.matches(topic) && matcher.matches_queue(queue_id);
    };
    for (const scan::Queue& queue : survey->queues)
      (void)request.options.wants_queue(queue.topic, queue.queue_id);
  }
  request.options.memory_limit = common.memory;
  request.options.log_files = &io::mapping_read_file_system();
  request.options.now_ms = now_ms();
  request.options.local_time_ms = engine::local_time_ms;
  request.options.cancelled = [] { return stop_requested(); };
  request.options.progress = [&](std::int64_t bytes) { progress.advance(bytes); };
  if (request.options.mode == Mode::verify) {
    std::error_code fault;
    const auto temporary = std::filesystem::temp_directory_path(fault);
    request.options.spill_directory =
        ((fault ? std::filesystem::path("/tmp") : temporary) / fmt::format("rmq-reindex.{}", ::getpid()))
            .string();
  }
  const auto started = std::chrono::steady_clock::now();
  const auto report = reindex::run_reindex(files, *survey, request.options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  progress.finish();
  if (!report) {
    if (report.error().code == ErrorCode::cancelled) complain(kProgram, "cancelled; the store is as it was");
    return report.error().code == ErrorCode::cancelled ? kExitCancelled : fail(report.error());
  }
  if (request.filtered) {
    if (const auto unmatched =
            forensics::unmatched_patterns_error(matcher, !arguments.has("no-strict-names")))
      return fail(*unmatched);
  }
  const std::int64_t expected = survey->commit_log_bytes();
  int code = report->problems_left() ? kExitProblems : kExitClean;
  if (report->refusals.empty() && report->bytes_read != expected) code |= kExitFault;
  StandardOutput out;
  if (common.format == OutputFormat::json) {
    write_json(*report, request.options, expected, seconds, code, out);
  } else {
    write_text(*report, request.options, expected, seconds, out);
  }
  if (!out.fault().empty()) {
    complain(kProgram, out.fault());
    code |= kExitFault;
  }
  return code;
}

}  // namespace

int run_reindex_command(const std::vector<std::string>& tokens) {
  const auto arguments = parse_arguments(reindex_grammar(), with_index_flag(tokens));
  if (!arguments) return fail(arguments.error());
  StandardOutput out;
  if (arguments->has("help")) return out.write(reindex_help()) ? kExitClean : kExitFault;
  if (arguments->has("version")) return out.write("rmq-reindex " RMQ_VERSION "\n") ? kExitClean : kExitFault;
  const auto common = common_options(*arguments);
  if (!common) return fail(common.error());
  if (arguments->positionals().empty())
    return fail(wrong_use("no STORE given; rmq-reindex STORE --all, see rmq-reindex --help"));
  auto request = request_of(*arguments, *common);
  if (!request) return fail(request.error());
  install_signal_handlers();
  return run(*arguments, *common, std::move(*request));
}

}  // namespace rmq::cli
