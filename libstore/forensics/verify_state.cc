// Abort file, checkpoint and config files. What a stock broker does without them decides how bad their damage is.
#include <fmt/format.h>

#include <algorithm>

#include "libstore/bytes/big_endian.h"
#include "libstore/derive/deleted_topics.h"
#include "libstore/format/config_files.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/forensics/verify_context.h"
#include "libstore/rocks/config_tables.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kMaxStateFile = 256 << 20;

void verify_checkpoint(VerifyContext& context) {
  const auto& file = context.survey.checkpoint;
  const bool has_log = context.log && context.log->has_records();
  if (!file) {
    if (has_log) {
      context.add("CK-MISSING", Severity::degraded, "checkpoint", 0, format::kCheckpointFileSize,
                  "missing: after an unclean stop a stock broker recovers from the first file of the log");
    }
    return;
  }
  const auto bytes = io::read_all(context.files, file->path, kMaxStateFile);
  if (!bytes) {
    context.summary.read_errors = true;
    return;
  }
  context.summary.bytes_checked += file->size;
  if (file->size != format::kCheckpointFileSize) {
    context.add("CK-SIZE", Severity::degraded, file->shown, 0, std::max(file->size, format::kCheckpointFileSize),
                fmt::format("{} bytes long, a checkpoint has {}", file->size, format::kCheckpointFileSize));
    return;
  }
  const auto checkpoint = format::StoreCheckpoint::read(*bytes);
  if (!has_log) return;
  if (checkpoint == format::StoreCheckpoint{}) {
    context.add("CK-ZERO", context.survey.abort ? Severity::degraded : Severity::benign, file->shown, 0, 40,
                "all zero: a stock broker that recovers reads the log from its first file");
    return;
  }
  // Store times ahead of the last message: they lead recovery past messages that no queue has. A lost end of the log
  // has the same look, and is told as what it is.
  std::int64_t newest = 0;
  for (const LogFileReport* report : context.log->files()) newest = std::max(newest, report->max_store_timestamp);
  const bool tail_lost = std::ranges::any_of(context.findings, [](const Finding& finding) {
    return finding.severity == Severity::loss && finding.code.starts_with("CL-");
  });
  const std::int64_t ahead = std::max({checkpoint.physic_msg_timestamp, checkpoint.logics_msg_timestamp,
                                       checkpoint.index_msg_timestamp});
  if (ahead > newest && !tail_lost) {
    context.add("CK-FUTURE", Severity::degraded, file->shown, 0, 24,
                fmt::format("says {} ms, the newest message was stored at {} ms: after an unclean stop a stock broker "
                            "would trust queues that are not complete",
                            ahead, newest));
  } else if (context.survey.abort && checkpoint.min_timestamp() + 24LL * 3600 * 1000 < newest) {
    context.add("CK-STALE", Severity::benign, file->shown, 0, 24,
                "more than a day behind the log: recovery reads a lot of it again");
  }
}

std::optional<std::string> read_text(VerifyContext& context, const scan::StoreFile* file) {
  if (file == nullptr) return std::nullopt;
  const auto bytes = io::read_all(context.files, file->path, kMaxStateFile);
  if (!bytes) {
    context.summary.read_errors = true;
    return std::nullopt;
  }
  return std::string(as_text(*bytes));
}

struct ConfigPair {
  const scan::StoreFile* main = nullptr;
  const scan::StoreFile* backup = nullptr;
};

void verify_config(VerifyContext& context) {
  (void)context.files.list(context.survey.config_directory());  // one that may not be read is a fault, and not empty
  std::map<std::string, ConfigPair> pairs;
  for (const scan::StoreFile& file : context.survey.config_files) {
    constexpr std::string_view kBackup = ".bak";
    if (file.name.ends_with(kBackup)) {
      pairs[file.name.substr(0, file.name.size() - kBackup.size())].backup = &file;
    } else {
      pairs[file.name].main = &file;
    }
  }
  const auto text_of = [&](const scan::StoreFile* file) -> std::optional<std::string> {
    auto text = read_text(context, file);
    if (text) context.summary.bytes_checked += file->size;
    return text;
  };
  for (const auto& [name, pair] : pairs) {
    const auto main = text_of(pair.main);
    const auto backup = text_of(pair.backup);
    const format::ConfigFile* known = format::find_config_file(name);
    if (known == nullptr) continue;
    const auto loaded = format::load_config(*known, main, backup);
    if (loaded.from == format::LoadedFrom::json) continue;
    const std::string& any = (pair.main != nullptr ? pair.main : pair.backup)->shown;
    const std::string shown = any.substr(0, any.find_last_of('/') + 1) + name;
    const std::int64_t size = std::max({pair.main != nullptr ? pair.main->size : 0,
                                        pair.backup != nullptr ? pair.backup->size : 0, std::int64_t{1}});
    std::string what = loaded.json_problem;
    if (loaded.from == format::LoadedFrom::bak) {
      what += "; its .bak is good, and a stock broker starts from that, one save behind (its next save then moves the broken "
              "file over the good .bak)";
    } else if (!loaded.succeeds && known->stops_broker) {
      what += fmt::format("; its .bak: {}. A stock broker does not start", loaded.bak_problem);
    } else {
      what += fmt::format("; its .bak: {}. A stock broker starts without it", loaded.bak_problem);
    }
    context.add(pair.main == nullptr ? "CF-MISSING" : "CF-UNREADABLE", Severity::degraded, shown, 0, size, std::move(what));
    if (pair.backup != nullptr && !loaded.bak_problem.empty()) {
      context.add("CF-UNREADABLE", Severity::degraded, pair.backup->shown, 0, std::max<std::int64_t>(pair.backup->size, 1),
                  loaded.bak_problem);
    }
  }
}

void take_topics(VerifyContext& context, const json::Value& file) {
  const auto topics = format::read_topics(file);
  if (!topics) return;
  context.topics_known = true;
  for (const format::TopicConfig& topic : *topics) context.topics.push_back(topic.name);
  std::ranges::sort(context.topics);
}

}  // namespace

void load_topics(VerifyContext& context) {
  auto deleted = derive::DeletedTopics::load(
      context.files, io::join_path(context.survey.config_directory(), derive::kDeletedTopicsFileName));
  if (deleted) context.deleted = std::move(*deleted);
  const format::ConfigFile& topics_file = format::config_file(format::ConfigFileKind::topics);
  ConfigPair pair;
  for (const scan::StoreFile& file : context.survey.config_files) {
    if (file.name == topics_file.name) pair.main = &file;
    if (file.name == std::string(topics_file.name) + ".bak") pair.backup = &file;
  }
  for (const rocks::ConfigTable& table : rocks::read_config_tables(context.files, context.survey)) {
    if (table.kind == format::ConfigFileKind::topics && table.value) return take_topics(context, *table.value);
  }
  const auto loaded = format::load_config(topics_file, read_text(context, pair.main), read_text(context, pair.backup));
  if (!loaded.value || loaded.from == format::LoadedFrom::none) return;
  take_topics(context, *loaded.value);
}

void verify_state(VerifyContext& context) {
  if (context.survey.abort) {
    context.summary.bytes_checked += context.survey.abort->size;
    context.add("ST-ABORT", Severity::benign, context.survey.abort->shown, 0, context.survey.abort->size,
                "the broker did not stop cleanly (or is running): it recovers at its next start");
  }
  verify_checkpoint(context);
  verify_config(context);
}

}  // namespace rmq::forensics
