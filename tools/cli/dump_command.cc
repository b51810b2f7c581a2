#include "tools/cli/dump_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/follow.h"
#include "libstore/io/read_file_system.h"
#include "libstore/rocks/queue_files.h"
#include "tools/cli/dump_options.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/help.h"
#include "tools/cli/snapshot_command.h"
#include "tools/cli/store_input.h"
#include "tools/cli/terminal.h"
#include "tools/cli/values.h"

namespace rmq::cli {
namespace {

constexpr std::string_view kProgram = "rmq-dump";

int fail(const Error& error) {
  complain(kProgram, sentence_of(error));
  return exit_code_of(error);
}

// A first word that is neither a verb nor a path was meant as one of the two.
Error no_such_store(const std::string& store, const Error& error) {
  if (error.code != ErrorCode::not_found) return error;
  std::string sentence = "no such store: " + store;
  const std::string verb = nearest(store, dump_verbs());
  if (!verb.empty() && store.find('/') == std::string::npos)
    sentence += "; did you mean the verb '" + verb + "'?";
  return wrong_use(sentence);
}

Result<forensics::DumpSummary> run_verb(const std::string& verb, const forensics::DumpInput& input,
                                        const forensics::DumpOptions& options, StandardOutput& out) {
  if (verb == "cq") return dump_queues(input, options, out);
  if (verb == "index") return dump_index(input, options, out);
  if (verb == "key") return dump_key(input, options, out);
  if (verb == "msg") return dump_message(input, options, out);
  if (verb == "trace") return dump_trace(input, options, out);
  if (verb == "config") return dump_config(input, options, out);
  if (verb == "usage") return dump_usage(input, options, out);
  if (verb == "state") return dump_state(input, options, ask_lock_state(input.survey), out);
  return dump_log(input, options, out);
}

// What a run came to, on standard error: faults, notes, and the line with the bytes.
int report(const forensics::DumpSummary& summary, bool following, const StandardOutput& out) {
  int code = kExitClean;
  const bool cancelled = stop_requested() && !following;  // following ends no other way
  if (!out.fault().empty()) {
    complain(kProgram, out.fault());
    code |= kExitFault;
  }
  for (const std::string& fault : summary.faults) complain(kProgram, fault);
  if (!summary.faults.empty()) code |= kExitFault;
  if (summary.gaps > 0 || !summary.found) code |= kExitProblems;
  if (cancelled) code |= kExitCancelled;
  if (out.broken_pipe()) return code;
  for (const std::string& note : summary.notes) complain(kProgram, note);
  std::string line = fmt::format("{} line{}", summary.lines, summary.lines == 1 ? "" : "s");
  if (summary.gaps > 0) {
    line +=
        fmt::format(", {} gap{} of {} bytes", summary.gaps, summary.gaps == 1 ? "" : "s", summary.gap_bytes);
  }
  line += fmt::format("; {} of {} bytes checked", summary.bytes_checked, summary.bytes_expected);
  if (cancelled) line += stopped_by_time() ? "; stopped by --max-duration" : "; cancelled";
  complain(kProgram, line);
  return code;
}

int run_on_store(const std::string& verb, const Arguments& arguments) {
  const auto common = common_options(arguments);
  if (!common) return fail(common.error());
  const std::size_t wanted = dump_grammar(verb).positionals;
  if (arguments.positionals().size() < wanted) {
    return fail(wrong_use(arguments.positionals().empty()
                              ? "no STORE given; rmq-dump VERB STORE, see rmq-dump --help"
                          : verb == "msg" ? "no message given; rmq-dump msg STORE ID|OFFSET"
                                          : "no KEY given; rmq-dump " + verb + " STORE KEY"));
  }
  const auto options = dump_options(verb, arguments, *common);
  if (!options) return fail(options.error());
  const std::string& store = arguments.positionals().front();
  const auto survey = survey_from(kProgram, arguments, store);
  if (!survey) return fail(no_such_store(store, survey.error()));
  install_signal_handlers();
  if (common->max_duration_ms > 0) stop_after(common->max_duration_ms);
  if (verb == "snapshot") return run_snapshot(arguments, *common, *survey);
  StandardOutput out;
  const ReadingFiles reading(*common);
  const rocks::QueueFiles files(reading.get(), *survey);
  Progress progress(std::string(kProgram), common->progress, 0);
  const bool following = arguments.has("follow");
  RealWaiter waiter;
  auto summary = following ? forensics::follow_log({reading.get(), *survey, progress}, *options, {}, waiter, out)
                           : run_verb(verb, {files, files.survey(), progress}, *options, out);
  progress.finish();
  if (!summary) return fail(summary.error());
  for (const std::string& fault : files.faults())
    summary->faults.push_back("the RocksDB with the consume queues: " + fault);
  return report(*summary, following, out);
}

}  // namespace

int run_dump(const std::vector<std::string>& tokens) {
  std::vector<std::string> rest = tokens;
  std::string verb = "log";
  const bool named = !rest.empty() && std::ranges::find(dump_verbs(), rest.front()) != dump_verbs().end();
  if (named) {
    verb = rest.front();
    rest.erase(rest.begin());
  }
  const auto arguments = parse_arguments(dump_grammar(verb), rest);
  if (!arguments) {
    // Two words where log takes one: the first may have been meant as a verb.
    const std::string meant =
        named || rest.size() < 2 || rest[1].starts_with('-') ? "" : nearest(rest[0], dump_verbs());
    if (meant.empty() || rest[0].find('/') != std::string::npos) return fail(arguments.error());
    return fail(wrong_use("no verb '" + rest[0] + "'; did you mean '" + meant + "'?"));
  }
  StandardOutput out;
  if (arguments->has("help")) return out.write(dump_help(named ? verb : "")) ? kExitClean : kExitFault;
  if (arguments->has("version")) return out.write("rmq-dump " RMQ_VERSION "\n") ? kExitClean : kExitFault;
  return run_on_store(verb, *arguments);
}

}  // namespace rmq::cli
