#include "tools/cli/carve_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "libstore/carve/build.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/json/json_writer.h"
#include "libstore/recovery/apply.h"
#include "libstore/repair/config_mend.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/new_file.h"
#include "tools/cli/store_input.h"
#include "tools/cli/terminal.h"
#include "tools/cli/values.h"

namespace rmq::cli {
namespace {

constexpr std::string_view kProgram = "rmq-repair";
constexpr int kSchema = 1;
constexpr std::size_t kRunsShown = 20;  // in text
constexpr std::int64_t kLargestChunk = 16 << 20;

constexpr std::string_view kHelp =
    R"(Usage: rmq-repair carve PATH --out NEWDIR [flags]     finds messages in any bytes, writes a store

PATH    a file, every file below a directory, a raw image or a block device; it is only read. File
        names say nothing: records are found by what they are, at any place, when they are whole and
        in one piece. Without --yes only what was found is shown.

  --out NEWDIR          where the store goes: a new or empty directory
  --yes                 write it
  --log N               which of the logs that were found becomes the store (default 1); the others'
                        records go to NEWDIR/lost+found/carve
  --file-size BYTES     size of the commit log's files, where what was found does not tell
  --broker-conf FILE    sizes and dispatch settings of the broker; its paths do not matter

  -o, --output text|json   --json     -j, --jobs N   --max-rate BYTES   --mem BYTES   --utc
  --progress auto|always|never   --color auto|always|never   -h, --help   --version

Exit: 0 shown, and all that was found goes into the store; 1 written, and all of it can be read;
4 nothing was found, or some of it is left out (with 1 when the rest was written); 8 could not read
or write, 16 wrong use, 32 cancelled; added up. Manual: man rmq-repair.
)";

int fail(const Error& error) {
  complain(kProgram, sentence_of(error));
  return exit_code_of(error);
}

Grammar grammar() {
  Grammar grammar = common_grammar(kProgram, "carve");
  std::erase_if(grammar.flags, [](const Flag& flag) {  // those of a store's directories
    return flag.name == "commitlog" || flag.name == "consumequeue" || flag.name == "index" ||
           flag.name == "config";
  });
  grammar.add({{"out"}, {"yes", FlagKind::given}, {"log"}, {"file-size"}});
  return grammar;
}

// What was found, and what will become of it.
struct Found {
  carve::SourceList list;
  carve::FoundRecords records;
  carve::Judgement judgement;
  std::vector<carve::Summary> summaries;  // one for each log
  std::vector<std::optional<carve::FileSize>> sizes;
};

class Carver {
 public:
  Carver(const Arguments& arguments, const CommonOptions& common)
      : arguments_(arguments),
        common_(common),
        time_(common.utc),
        json_(common.format == forensics::OutputFormat::json) {}

  int run() {
    if (auto ready = prepare(); !ready) return fail(ready.error());
    Progress progress(std::string(kProgram), common_.progress, common_.max_rate);
    if (auto found = find(progress); !found) {
      progress.finish();
      return fail(found.error());
    }
    int code = found_.records.unreadable.empty() && found_.list.faults.empty() ? kExitClean : kExitFault;
    if (found_.records.records == 0) {
      progress.finish();
      show();
      return finish(code | kExitProblems);
    }
    if (chosen_ >= found_.judgement.logs.size()) {
      progress.finish();
      return fail(
          wrong_use(fmt::format("--log {}: only {} were found", chosen_ + 1, found_.judgement.logs.size())));
    }
    if (found_.judgement.logs.size() > 1 || found_.records.passed_over > 0) code |= kExitProblems;
    if (!arguments_.has("yes")) {
      progress.finish();
      show();
      return finish(code);
    }
    const auto built = build(progress);
    progress.finish();
    if (!built) return fail(built.error());
    show();
    show_result(*built);
    if (built->unreadable > 0) code |= kExitProblems;
    return finish(code | kExitMended);
  }

 private:
  static constexpr int kExitMended = 1;

  Status prepare() {
    if (arguments_.positionals().empty())
      return wrong_use("no PATH given; rmq-repair carve PATH --out NEWDIR");
    path_ = arguments_.positionals().front();
    const auto out = arguments_.value("out");
    if (!out) return wrong_use("give --out NEWDIR, a new or empty directory");
    out_ = *out;
    if (!io::posix_read_file_system().stat(path_)) return wrong_use("no such file or directory: " + path_);
    // A store that grows in what is searched would be found as well.
    if (lies_in(out_, path_))
      return wrong_use("--out " + out_ + " lies in " + path_ + "; what is searched is only read");
    RMQ_TRY(config, store_config(kProgram, arguments_, out_));
    config_ = std::move(config);
    config_.commit_log_directories.clear();
    config_.read_only_commit_log_directories.clear();
    config_.consume_queue_directory.clear();
    config_.index_directory.clear();
    config_.config_directory.clear();
    if (const auto text = arguments_.value("file-size")) {
      RMQ_TRY(size, parse_size("--file-size", *text));
      if (size < 128 || size > (std::int64_t{1} << 31) - 1)
        return wrong_use("--file-size '" + *text +
                         "' makes no sense; RocketMQ's files have 128 bytes to 2 GiB");
      config_.commit_log_file_size = size;
    }
    if (const auto text = arguments_.value("log")) {
      RMQ_TRY(number, parse_count("--log", *text, 1, 1'000'000));
      chosen_ = static_cast<std::size_t>(number - 1);
    }
    return {};
  }

  Status find(Progress& progress) {
    const io::ReadFileSystem& files = io::posix_read_file_system();
    RMQ_TRY(list, carve::list_sources(files, path_));
    found_.list = std::move(list);
    for (const std::string& fault : found_.list.faults) complain(kProgram, fault);
    std::int64_t bytes = 0;
    for (const carve::Source& source : found_.list.sources) bytes += source.size;
    progress.expect(bytes);
    carve::FindOptions find;
    find.jobs = static_cast<std::size_t>(common_.jobs);
    find.chunk = std::clamp<std::int64_t>(common_.memory / (4 * common_.jobs), 1 << 20, kLargestChunk);
    find.advance = [&](std::int64_t searched) { progress.advance(searched); };
    find.cancelled = stop_requested;
    RMQ_TRY(records, carve::find_records(files, found_.list.sources, find));
    found_.records = std::move(records);
    carve::JudgeOptions judge;
    judge.cancelled = stop_requested;
    RMQ_TRY(judgement, carve::judge(files, found_.list.sources, found_.records, judge));
    found_.judgement = std::move(judgement);
    for (const carve::Log& log : found_.judgement.logs) {
      RMQ_TRY(summary, carve::summarize(files, found_.list.sources, log, find.jobs, stop_requested));
      found_.summaries.push_back(std::move(summary));
      found_.sizes.push_back(
          log.one_store ? carve::choose_file_size(found_.list.sources, log, config_.commit_log_file_size)
                        : std::nullopt);
    }
    return {};
  }

  Result<carve::BuildReport> build(Progress& progress) {
    carve::BuildOptions options;
    options.out = out_;
    options.log = chosen_;
    options.config = config_;
    options.jobs = static_cast<std::size_t>(common_.jobs);
    options.cancelled = stop_requested;
    for (const carve::Log& log : found_.judgement.logs) progress.expect(log.bytes);
    options.advance = [&](std::int64_t written) { progress.advance(written); };
    options.derive_config = [&](const std::string& root, const carve::Summary&) {
      return make_config(root, options.jobs);
    };
    return carve::build_store(io::posix_file_system(), io::posix_read_file_system(), found_.list.sources,
                              found_.judgement, found_.summaries[chosen_], options);
  }

  // topics.json and subscriptionGroup.json as log and queues prove them. Empty ones say that a broker is to
  // have them.
  static Status make_config(const std::string& root, std::size_t jobs) {
    io::FileSystem& files = io::posix_file_system();
    const std::string directory = io::join_path(root, "config");
    RMQ_CHECK(files.make_directories(directory));
    for (const auto kind : {format::ConfigFileKind::topics, format::ConfigFileKind::subscription_groups})
      RMQ_CHECK(files.replace(io::join_path(directory, format::config_file(kind).name), {}));
    scan::StoreConfig config;
    config.root = root;
    RMQ_TRY(survey, scan::survey_store(files, config));
    recovery::PlanOptions plan;
    plan.jobs = jobs;
    plan.cancelled = stop_requested;
    RMQ_TRY(planned, recovery::make_plan(files, survey, plan));
    RMQ_TRY(mend, repair::mend_config(files, survey, planned));
    return recovery::carry_out(files, mend.steps);
  }

  // ---- what is shown

  int finish(int code) {
    if (!out_stream_.write(json_ ? line_.text() : std::string_view(text_)) && !out_stream_.broken_pipe()) {
      complain(kProgram, out_stream_.fault());
      code |= kExitFault;
    }
    return stop_requested() ? code | kExitCancelled : code;
  }

  void show() { json_ ? show_json() : show_text(); }

  void show_text() {
    const carve::FoundRecords& found = found_.records;
    const carve::Judgement& judgement = found_.judgement;
    text_ += fmt::format("searched {} in {} files: {} records found, {}\n", forensics::size_text(found.bytes),
                         found_.list.sources.size(), found.records, forensics::size_text(found.record_bytes));
    if (judgement.duplicates > 0)
      text_ += fmt::format("{} of them are copies, byte by byte\n", judgement.duplicates);
    if (judgement.contested > 0)
      text_ += fmt::format("{} claim a place in the log that others claim too\n", judgement.contested);
    for (const carve::Unreadable& one : found.unreadable)
      text_ += fmt::format("{}: bytes {} to {} cannot be read\n", shown(one.source), one.from, one.to);
    if (found.passed_over > 0)
      text_ +=
          fmt::format("{} places that begin like large records were not looked into\n", found.passed_over);
    for (std::size_t i = 0; i < judgement.logs.size(); ++i) log_text(i);
    if (found.records > 0 && !arguments_.has("yes"))
      text_ +=
          fmt::format("nothing was written; with --yes log {} becomes the store {}\n", chosen_ + 1, out_);
  }

  void log_text(std::size_t number) {
    const carve::Log& log = found_.judgement.logs[number];
    text_ += fmt::format("\nlog {}: {} records, {}, at {} to {} of the log, stored {} to {}\n", number + 1,
                         log.records, forensics::size_text(log.bytes), log.begin(), log.end(),
                         time_.text(log.first_time), time_.text(log.last_time));
    std::string hosts;
    for (const std::uint32_t host : log.hosts)
      hosts += (hosts.empty() ? "" : ", ") + found_.records.hosts[host];
    text_ += "  stored by " + hosts;
    if (log.missing_bytes > 0)
      text_ += fmt::format("; {} missing in between", forensics::size_text(log.missing_bytes));
    text_ += '\n';
    if (number != chosen_) {
      const carve::Apart apart =
          log.apart == carve::Apart::none ? found_.judgement.logs[chosen_].apart : log.apart;
      text_ += fmt::format("  not in the store: {}\n", carve::to_string(apart));
    }
    if (log.one_store) {
      const auto& size = found_.sizes[number];
      text_ += size ? fmt::format("  files of {} bytes: {}\n", size->bytes, size->why)
                    : std::string("  its records cannot stay at their own offsets, and get new ones\n");
    }
    for (const auto& [id, queue] : found_.summaries[number].queues) {
      text_ += "  ";
      forensics::append_visible(text_, id.first);
      text_ += fmt::format("/{}: {} messages, queue offsets {} to {}\n", id.second, queue.records,
                           queue.first_offset, queue.last_offset);
    }
    for (std::size_t i = 0; i < std::min(log.pieces.size(), kRunsShown); ++i) {
      const carve::Piece& piece = log.pieces[i];
      text_ +=
          fmt::format("  {} to {}: {} records, {} at {}, confidence {}\n", piece.log_offset, piece.log_end(),
                      piece.records, shown(piece.source), piece.position, carve::to_string(piece.confidence));
    }
    if (log.pieces.size() > kRunsShown)
      text_ += fmt::format("  and {} runs more; -o json has them\n", log.pieces.size() - kRunsShown);
  }

  std::string shown(std::size_t source) const {
    std::string text;
    forensics::append_visible(text, found_.list.sources[source].shown);
    return text;
  }

  void begin(std::string_view kind) {
    line_.begin_object();
    line_.field("kind", kind);
    line_.field("schema", kSchema);
  }
  void end() {
    line_.end_object();
    line_.end_line();
  }

  void show_json() {
    const carve::FoundRecords& found = found_.records;
    const carve::Judgement& judgement = found_.judgement;
    begin("carvePlan");
    line_.field("path", path_);
    line_.field("out", out_);
    line_.field("files", found_.list.sources.size());
    line_.field("bytesSearched", found.bytes);
    line_.field("records", found.records);
    line_.field("bytes", found.record_bytes);
    line_.field("duplicates", judgement.duplicates);
    line_.field("contested", judgement.contested);
    line_.field("passedOver", found.passed_over);
    line_.field("logs", judgement.logs.size());
    line_.field("log", chosen_ + 1);
    end();
    for (const carve::Unreadable& one : found.unreadable) {
      begin("carveUnreadable");
      line_.field("source", found_.list.sources[one.source].shown);
      line_.field("offset", one.from);
      line_.field("length", one.to - one.from);
      end();
    }
    for (std::size_t i = 0; i < judgement.logs.size(); ++i) log_json(i);
  }

  void log_json(std::size_t number) {
    const carve::Log& log = found_.judgement.logs[number];
    begin("carveLog");
    line_.field("log", number + 1);
    line_.field("chosen", number == chosen_);
    if (number != chosen_) {
      line_.field("reason",
                  carve::to_string(log.apart == carve::Apart::none ? found_.judgement.logs[chosen_].apart
                                                                   : log.apart));
    }
    line_.field("records", log.records);
    line_.field("bytes", log.bytes);
    line_.field("phyOffsetFrom", log.begin());
    line_.field("phyOffsetTo", log.end());
    line_.field("missingBytes", log.missing_bytes);
    line_.field("storeTimestampFrom", log.first_time);
    line_.field("storeTimestampTo", log.last_time);
    line_.key("storeHosts");
    line_.begin_array();
    for (const std::uint32_t host : log.hosts) line_.value(found_.records.hosts[host]);
    line_.end_array();
    if (const auto& size = found_.sizes[number]) {
      line_.field("fileSize", size->bytes);
      line_.field("fileSizeFrom", size->why);
    }
    line_.field("ownOffsets", found_.sizes[number].has_value());
    end();
    for (const auto& [id, queue] : found_.summaries[number].queues) {
      begin("carveQueue");
      line_.field("log", number + 1);
      line_.field("topic", id.first);
      line_.field("queueId", id.second);
      line_.field("records", queue.records);
      line_.field("bytes", queue.bytes);
      line_.field("queueOffsetFrom", queue.first_offset);
      line_.field("queueOffsetTo", queue.last_offset);
      line_.field("storeTimestampFrom", queue.first_time);
      line_.field("storeTimestampTo", queue.last_time);
      end();
    }
    for (const carve::Piece& piece : log.pieces) {
      begin("carveRun");
      line_.field("log", number + 1);
      line_.field("source", found_.list.sources[piece.source].shown);
      line_.field("sourceOffset", piece.position);
      line_.field("phyOffset", piece.log_offset);
      line_.field("length", piece.length);
      line_.field("records", piece.records);
      line_.field("storeTimestampFrom", piece.first_time);
      line_.field("storeTimestampTo", piece.newest_time);
      line_.field("storeHost", found_.records.hosts[piece.host]);
      line_.field("contested", piece.contested);
      line_.field("confidence", carve::to_string(piece.confidence));
      end();
    }
  }

  void show_result(const carve::BuildReport& built) {
    if (json_) {
      begin("carveResult");
      line_.field("store", out_);
      line_.field("readable", built.readable);
      line_.field("neverQueued", built.never_queued);
      line_.field("unreadable", built.unreadable);
      line_.field("left", built.left);
      line_.field("placeholders", built.placeholders);
      line_.field("fileSize", built.file_size);
      line_.field("fileSizeFrom", built.why_file_size);
      line_.field("ownOffsets", built.relocated.empty());
      if (!built.relocated.empty()) line_.field("whyNewOffsets", built.relocated);
      line_.field("phyOffsetFrom", built.log_begin);
      line_.field("phyOffsetTo", built.log_end);
      end();
      return;
    }
    text_ += fmt::format("\nwritten to {}: {} messages can be read, each at its own queue offset\n", out_,
                         built.readable);
    if (built.placeholders > 0)
      text_ += fmt::format("{} lost messages are held by placeholders\n", built.placeholders);
    if (built.never_queued > 0)
      text_ += fmt::format("{} are in the log and by their kind in no queue\n", built.never_queued);
    if (!built.relocated.empty())
      text_ += "the records have new offsets in the log: " + built.relocated + "\n";
    if (built.unreadable + built.left > 0) {
      text_ += fmt::format(
          "{} are in the log without a queue, {} are not in the store: {}/lost+found/carve/left.ndjson\n",
          built.unreadable, built.left, out_);
    }
  }

  const Arguments& arguments_;
  const CommonOptions& common_;
  forensics::TimeText time_;
  bool json_;
  std::string path_;
  std::string out_;
  std::size_t chosen_ = 0;
  scan::StoreConfig config_;
  Found found_;
  StandardOutput out_stream_;
  std::string text_;
  json::JsonLine line_;
};

}  // namespace

std::string_view carve_help() { return kHelp; }

int run_carve(const std::vector<std::string>& tokens) {
  const auto arguments = parse_arguments(grammar(), tokens);
  if (!arguments) return fail(arguments.error());
  if (arguments->has("help")) return StandardOutput().write(kHelp) ? kExitClean : kExitFault;
  const auto common = common_options(*arguments);
  if (!common) return fail(common.error());
  install_signal_handlers();
  return Carver(*arguments, *common).run();
}

}  // namespace rmq::cli
