// The epochs of a store in controller mode: what the two brokers of a pair compare to find where their logs
// part.
#include <fmt/format.h>

#include <algorithm>

#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/part_files.h"
#include "libstore/forensics/verify_context.h"
#include "libstore/format/epoch_checkpoint.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kMaxEpochFile = 64 << 20;

struct EpochFile {
  const scan::StoreFile* file = nullptr;
  std::optional<format::EpochCheckpoint> epochs;
  std::string problem;  // empty: good
};

std::string problem_of(const VerifyContext& context, const format::EpochCheckpoint& epochs) {
  for (std::size_t i = 1; i < epochs.entries.size(); ++i) {
    const auto& [before, here] = std::pair(epochs.entries[i - 1], epochs.entries[i]);
    if (here.epoch <= before.epoch || here.start <= before.start) {
      return fmt::format("epoch {} from {} stands behind epoch {} from {}: both numbers have to ascend",
                         here.epoch, here.start, before.epoch, before.start);
    }
  }
  // The newest master may have written nothing yet; beside a running broker the log is shown up to a mark
  // only.
  const std::int64_t end = context.log ? context.log->end() : 0;
  const bool knows_end = context.at_least(VerifyLevel::normal) && context.log && context.log->has_records() &&
                         !context.options.running;
  for (const format::EpochEntry& entry : epochs.entries) {
    if (entry.epoch < 0 || entry.start < 0 || (knows_end && entry.start > end)) {
      return fmt::format("epoch {} begins at {}, the log ends at {}", entry.epoch, entry.start, end);
    }
  }
  return {};
}

EpochFile read(VerifyContext& context, std::string_view name) {
  EpochFile read;
  for (const scan::OtherFile& other : context.survey.others) {
    if (other.part == scan::OtherPart::epoch && other.name == name) read.file = &other;
  }
  if (read.file == nullptr) return read;
  const auto bytes = io::read_all(context.files, read.file->path, kMaxEpochFile);
  count_file(context, *read.file, bytes ? read.file->size : 0);
  if (!bytes) {
    read.problem = "it cannot be read";
    return read;
  }
  const auto epochs = format::EpochCheckpoint::parse(as_text(*bytes));
  if (!epochs) {
    read.problem = read.file->size == 0
                       ? "it is empty"
                       : fmt::format("{} at byte {}", to_string(epochs.error().fault), epochs.error().at);
  } else {
    read.problem = problem_of(context, *epochs);
    read.epochs = *epochs;
  }
  return read;
}

}  // namespace

void verify_epochs(VerifyContext& context) {
  const std::string name(format::kEpochCheckpointName);
  const EpochFile main = read(context, name);
  const EpochFile backup = read(context, name + ".bak");
  const auto size_of = [](const EpochFile& epochs) {
    return std::max<std::int64_t>(epochs.file == nullptr ? 0 : epochs.file->size, 1);
  };
  const std::string then = backup.file == nullptr   ? "; there is no .bak"
                           : backup.problem.empty() ? "; its .bak is good, one epoch behind or the same"
                                                    : "; its .bak is no better: " + backup.problem;
  if (main.file == nullptr && backup.file != nullptr) {
    context.add("HA-EPOCH", Severity::degraded, name, 0, 1, "missing" + then);
  } else if (main.file != nullptr && !main.problem.empty()) {
    context.add("HA-EPOCH", Severity::degraded, main.file->shown, 0, size_of(main), main.problem + then);
  }
  if (backup.file != nullptr && !backup.problem.empty()) {
    const bool needed = main.file == nullptr || !main.problem.empty();
    context.add("HA-EPOCH", needed ? Severity::degraded : Severity::benign, backup.file->shown, 0,
                size_of(backup), backup.problem + (needed ? "" : "; the file itself is good"));
  }
}

}  // namespace rmq::forensics
