// Checks names, lengths and continuity of files; opens nothing. RocketMQ refuses to start on any mapped file of
// another length (MappedFileQueue.doLoad) and on a stray name (NumberFormatException), and only logs a hole.
#include <fmt/format.h>

#include <algorithm>

#include "libstore/format/mapped_file_name.h"
#include "libstore/forensics/verify_context.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kManyFiles = 1000;

void check_log_files(VerifyContext& context, const std::vector<LogFile>& log) {
  const auto& set = context.survey.commit_log;
  for (const scan::StoreFile& stray : set.strays) {
    Finding& finding = context.add("CL-STRAY", Severity::degraded, stray.shown, 0, stray.size,
                                   "not a commit log file (the name is no 20-digit offset); a stock broker does not "
                                   "start while it lies here");
    // A copy or an editor's backup of a log file: the name says of which.
    const std::string prefix = stray.name.substr(0, format::kMappedFileNameLength);
    if (format::parse_mapped_file_name(prefix)) {
      finding.expected_file = stray.shown.substr(0, stray.shown.size() - stray.name.size()) + prefix;
    }
  }
  for (const LogFile& file : log) {
    const scan::MappedFile& mapped = *file.file;
    const bool last = &file == &log.back();
    if (mapped.size != set.file_size) {
      const bool harmless = mapped.size == 0 && last;  // 5.x deletes an empty last file itself
      context.add("CL-SIZE", harmless ? Severity::benign : Severity::degraded, mapped.shown, 0,
                  std::max(mapped.size, set.file_size),
                  fmt::format("{} bytes long, the log's files have {}; a stock broker does not start on it", mapped.size,
                              set.file_size));
    }
    if (file.duplicate_of != nullptr) {
      Finding& finding = context.add(
          "CL-DUPLICATE", file.has_records ? Severity::degraded : Severity::benign, mapped.shown, 0, mapped.size,
          file.has_records ? fmt::format("holds the same log range as {}: a copy under another name", file.duplicate_of->shown)
                           : fmt::format("no record in it; {} holds this range", file.duplicate_of->shown));
      finding.expected_file = file.duplicate_of->shown;
    } else if (file.start != mapped.start) {
      Finding& finding = context.add(
          "CL-NAME", Severity::hidden, mapped.shown, 0, mapped.size,
          fmt::format("its records prove that it is {}: a stock broker looks for them there in vain",
                      format::mapped_file_name(file.start)));
      finding.expected_file = mapped.shown.substr(0, mapped.shown.size() - mapped.name.size()) +
                              format::mapped_file_name(file.start);
    }
  }
}

void check_queue(VerifyContext& context, const scan::Queue& queue) {
  const auto locate = [&](Finding& finding) {
    finding.topic = queue.topic;
    finding.queue_id = queue.queue_id;
  };
  for (const scan::StoreFile& stray : queue.files.strays) {
    locate(context.add("CQ-STRAY", Severity::degraded, stray.shown, 0, stray.size,
                       "not a queue file (the name is no 20-digit offset); a stock broker does not start while it lies here"));
  }
  const auto& files = queue.files.files;
  const std::int64_t size = queue.files.file_size;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].size % unit_size_of(queue) != 0 && files[i].size == size) {
      locate(context.add("CQ-SIZE", Severity::degraded, files[i].shown, 0, size,
                         fmt::format("{} bytes long, which is no multiple of a unit's {}; a stock broker does not start on it",
                                     size, unit_size_of(queue))));
    }
    if (files[i].size != size) {
      const bool harmless = files[i].size == 0 && i + 1 == files.size();
      locate(context.add("CQ-SIZE", harmless ? Severity::benign : Severity::degraded, files[i].shown, 0,
                         std::max(files[i].size, size),
                         fmt::format("{} bytes long, queue files have {}; a stock broker does not start on it",
                                     files[i].size, size)));
    }
    if (i == 0 || size <= 0) continue;
    const std::int64_t missing = (files[i].start - files[i - 1].start - 1) / size;
    // A name that is far off is one finding.
    const std::int64_t each = missing > kManyFiles ? missing : 1;
    for (std::int64_t start = files[i - 1].start + size; start < files[i].start; start += each * size) {
      const std::string name = queue.directory + "/" + format::mapped_file_name(start);
      locate(context.add("CQ-MISSING-FILE", Severity::hidden, name, 0, size,
                         each == 1 ? "missing between its neighbours: the messages of its queue offsets cannot be found"
                                   : fmt::format("missing, as all {} files between its neighbours: the messages of their "
                                                 "queue offsets cannot be found, or {} has a wrong name",
                                                 missing, files[i].shown)));
    }
  }
}

}  // namespace

std::string counted(std::int64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string VerifyContext::log_file_shown(std::int64_t start) const {
  std::string directory = "commitlog/";
  if (!survey.commit_log.files.empty()) {
    const scan::MappedFile& any = survey.commit_log.files.front();
    directory = any.shown.substr(0, any.shown.size() - any.name.size());
  }
  return directory + format::mapped_file_name(start);
}

void verify_layout(VerifyContext& context, const std::vector<LogFile>& log) {
  check_log_files(context, log);
  for (const scan::Queue& queue : context.survey.queues) check_queue(context, queue);
  for (const scan::StoreFile& stray : context.survey.queue_strays) {
    context.add("CQ-STRAY", Severity::benign, stray.shown, 0, stray.size,
                "neither a topic nor a queue: stock brokers skip it");
  }
  for (const scan::StoreFile& stray : context.survey.index_strays) {
    context.add("IX-STRAY", Severity::degraded, stray.shown, 0, stray.size,
                "not an index file (the name is no 17-digit time): stock brokers stop loading the index at it");
  }
}

}  // namespace rmq::forensics
