#include "tools/cli/snapshot_command.h"

#include <fmt/format.h>

#include "libstore/forensics/dump_text.h"
#include "libstore/forensics/snapshot.h"
#include "libstore/json/json_writer.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/new_file.h"
#include "tools/cli/terminal.h"

namespace rmq::cli {
namespace {

constexpr std::string_view kProgram = "rmq-dump";
constexpr std::int32_t kSchema = 1;

int fail(const Error& error) {
  complain(kProgram, sentence_of(error));
  return exit_code_of(error);
}

}  // namespace

int run_snapshot(const Arguments& arguments, const CommonOptions& common, const scan::StoreSurvey& survey) {
  const auto path = arguments.value("out");
  if (!path || path->empty()) return fail(wrong_use("no file given; rmq-dump snapshot STORE --out FILE"));
  const forensics::LockState lock = ask_lock_state(survey);
  if (lock.holder || lock.writer) {
    complain(kProgram, live_sentence(survey.root, lock));
    return kExitRefused;
  }
  NewFile file(*path);
  const Status created = file.create(survey.root);
  if (!created) return fail(created.error());
  Progress progress(std::string(kProgram), common.progress, common.max_rate);
  const auto summary =
      forensics::write_snapshot({io::posix_read_file_system(), survey, progress},
                                [&file](std::span<const std::byte> bytes) { return file.write(bytes); });
  progress.finish();
  if (!summary) return fail(file.fault() == 0 ? summary.error() : os_error(file.fault(), "writing " + *path));
  const Status finished = file.finish();
  if (!finished) return fail(finished.error());
  for (const std::string& note : summary->notes) complain(kProgram, note);
  StandardOutput out;
  if (common.format == forensics::OutputFormat::json) {
    json::JsonLine line;
    line.begin_object();
    line.field("kind", "snapshot");
    line.field("schema", kSchema);
    line.field("file", *path);
    line.field("size", file.size());
    line.field("files", summary->files);
    line.field("bytes", summary->bytes);
    line.field("records", summary->records);
    line.end_object();
    line.end_line();
    return out.write(line.text()) ? kExitClean : kExitFault;
  }
  return out.write(
             fmt::format("{}: {}, of {} files with {}; {} messages without bodies and user properties\n",
                         *path, forensics::size_text(file.size()), summary->files,
                         forensics::size_text(summary->bytes), summary->records))
             ? kExitClean
             : kExitFault;
}

}  // namespace rmq::cli
