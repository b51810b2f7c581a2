#include "libstore/preflight/recovery.h"

#include <algorithm>
#include <array>

#include "libstore/format/commit_log_record.h"
#include "libstore/format/index_file.h"
#include "libstore/format/sys_flag.h"
#include "libstore/preflight/java_math.h"

namespace rmq::preflight {
namespace {

constexpr std::int64_t kDefaultLogFileSize = std::int64_t{1} << 30;

}  // namespace

Recovery::Recovery(const RecoveryRules& rules, const scan::StoreSurvey& survey, const TopicTable& topics,
                   FilePool& pool)
    : rules_(rules),
      survey_(survey),
      pool_(pool),
      window_(pool),
      checker_(rules, survey.config),
      queues_(rules, survey.config, topics, pool) {}

bool Recovery::stop(std::string reason) {
  reason_ = std::move(reason);
  return false;
}

bool Recovery::survive(StockFate fate, std::string_view where) {
  if (fate == StockFate::goes_on) return true;
  return stop(std::string(where) + (fate == StockFate::throws ? " ends with an exception" : " never ends"));
}

bool Recovery::is_replicated() const {
  return survey_.config.duplication_enable ||
         (rules_.has_broker_5_state && survey_.config.enable_controller_mode);
}

bool Recovery::run(const io::ReadFileSystem& files, bool abnormal,
                   const format::StoreCheckpoint& checkpoint) {
  if (!load(files, abnormal, checkpoint)) return false;
  if (rules_.confirm_offset_is_stored) confirm_offset_ = checkpoint.confirm_phy_offset;
  bytes_read_ += queues_.recover();
  const std::int64_t queues_end = queues_.max_physic_offset();
  if (log_.empty()) {
    // Without a log all queues go.
    queues_.destroy();
  } else if (!(abnormal ? recover_abnormally(queues_end, checkpoint) : recover_normally(queues_end))) {
    return false;
  }
  if (!correct_min_offsets()) return false;
  const bool recheck = rules_.has_broker_5_state && survey_.config.recheck_reput_offset_from_cq;
  return !(rules_.reput_waits_for_queues || recheck) || reput_from_queues();
}

bool Recovery::load(const io::ReadFileSystem& files, bool abnormal,
                    const format::StoreCheckpoint& checkpoint) {
  if (!rules_.skips_directories && sub_directory_stops_load(files)) return false;
  if (auto fault = log_.load(survey_.commit_log, rules_)) return stop(*std::move(fault));
  if (log_.file_size == 0) log_.file_size = kDefaultLogFileSize;
  if (auto fault = queues_.load(survey_)) return stop(*std::move(fault));
  return load_index(files, abnormal, checkpoint);
}

bool Recovery::sub_directory_stops_load(const io::ReadFileSystem& files) {
  std::vector<std::string> directories = survey_.config.commit_log_directories;
  if (directories.empty()) directories.push_back(io::join_path(survey_.root, "commitlog"));
  for (const std::string& directory : directories) {
    const auto entries = files.list(directory);
    if (!entries) continue;
    for (const io::DirectoryEntry& entry : *entries) {
      if (entry.kind != io::EntryKind::directory) continue;
      stop(io::join_path(directory, entry.name) + " is a directory where a log file is expected");
      return true;
    }
  }
  return false;
}

// IndexService.load: names that are no number are passed over; a short file is grown; after a crash what is
// newer than the checkpoint's index time is deleted. What it cannot open as a file ends it.
bool Recovery::load_index(const io::ReadFileSystem& files, bool abnormal,
                          const format::StoreCheckpoint& checkpoint) {
  std::vector<const scan::StoreFile*> found;
  for (const auto& file : survey_.index_files) found.push_back(&file);
  for (const auto& file : survey_.index_strays) {
    if (file_from_offset(file.name)) found.push_back(&file);
  }
  std::ranges::sort(found, [](const auto* a, const auto* b) { return a->path < b->path; });
  for (const scan::StoreFile* file : found) {
    const auto entry = files.stat(file->path);
    if (entry && entry->kind == io::EntryKind::directory) {
      return !rules_.index_failure_stops_start ||
             stop(file->shown + " is a directory where an index file is expected");
    }
    if (!abnormal) continue;
    std::array<std::byte, format::kIndexHeaderSize> bytes{};
    pool_.read(file->path, 0, bytes);
    const auto header = format::IndexHeader::parse(bytes);
    if (header->end_timestamp > checkpoint.index_msg_timestamp) deleted_index_files_.push_back(file->shown);
  }
  return true;
}

// Walks from the start of file `index` to the first thing that is no message. `dispatch(message, scan)` is
// false when the start ends there.
template <class Dispatch>
Recovery::Scan Recovery::scan_from(std::size_t index, std::int64_t first_valid, Dispatch&& dispatch) {
  Scan scan;
  const auto& files = log_.files;
  scan.last_valid = first_valid;
  scan.last_confirmed = files[index].start;
  for (;; ++index) {
    const MappedFileState& file = files[index];
    JavaBuffer buffer(window_, file.path, 0, log_.file_size);
    std::int64_t position = 0;
    CheckedMessage message;
    while (!pool_.fault()) {
      message = checker_.check_in_recovery(buffer);
      if (message.outcome != CheckOutcome::message) break;
      scan.last_valid = wrap_add(file.start, position);
      position += message.size;
      if (!dispatch(message, scan)) {
        scan.alive = false;
        return scan;
      }
    }
    scan.end = wrap_add(file.start, position);
    bytes_read_ += position;
    if (message.outcome == CheckOutcome::out_of_memory) {
      scan.alive = stop("a message in " + file.shown + " claims a size that no Java array can have");
      return scan;
    }
    if (message.outcome != CheckOutcome::end_of_file || index + 1 == files.size()) return scan;
  }
}

bool Recovery::recover_normally(std::int64_t queues_end) {
  std::size_t index = log_.files.size() - 1;
  if (rules_.starts_at_queues_end) {
    while (index > 0 && log_.files[index].start > queues_end) --index;
  } else {
    index = index < 2 ? 0 : index - 2;
  }
  const std::int64_t confirmed = is_replicated() ? confirm_offset_ : log_.max_offset();
  const Scan scan = scan_from(index, confirmed, [&](const CheckedMessage& message, Scan&) {
    if (!rules_.dispatches_normally || message.physical_offset <= queues_end) return true;
    return survive(queues_.dispatch(message), "dispatching a recovered message");
  });
  return scan.alive && finish_recovery(scan, scan.end, queues_end);
}

bool Recovery::recover_abnormally(std::int64_t queues_end, const format::StoreCheckpoint& checkpoint) {
  std::size_t index = log_.files.size() - 1;
  while (index > 0 && !matches_checkpoint(log_.files[index], checkpoint)) --index;
  const bool replicated =
      rules_.confirms_end_of_message ? is_replicated() : survey_.config.duplication_enable;
  const Scan scan =
      scan_from(index, log_.files[index].start, [&](const CheckedMessage& message, Scan& so_far) {
        if (replicated) {
          const std::int64_t end = wrap_add(message.physical_offset, message.size);
          const bool confirmed = rules_.confirms_end_of_message ? end <= confirm_offset_
                                                                : message.physical_offset < confirm_offset_;
          if (!confirmed) return true;
          so_far.last_confirmed = end;
        }
        return survive(queues_.dispatch(message), "dispatching a recovered message");
      });
  return scan.alive && finish_recovery(scan, scan.last_confirmed, queues_end);
}

// isMappedFileMatchedRecover
bool Recovery::matches_checkpoint(const MappedFileState& file, const format::StoreCheckpoint& checkpoint) {
  std::array<std::byte, 80> head{};
  pool_.read(file.path, 0, head);
  const auto magic = load_be<std::int32_t>(head.data() + format::kRecordMagicOffset);
  const bool version_2 = rules_.knows_version_2 && magic == format::kMagicV2;
  if (magic != format::kMagicV1 && !version_2) return false;
  const auto sys_flag = load_be<std::int32_t>(head.data() + format::kRecordSysFlagOffset);
  const std::size_t born_host = (sys_flag & format::kSysFlagBornHostV6) == 0 ? 8 : 20;
  const auto store_timestamp = load_be<std::int64_t>(head.data() + 48 + born_host);
  if (store_timestamp == 0) return false;
  const bool by_index = survey_.config.message_index_enable && survey_.config.message_index_safe;
  return store_timestamp <= (by_index ? checkpoint.min_timestamp_index() : checkpoint.min_timestamp());
}

bool Recovery::finish_recovery(const Scan& scan, std::int64_t confirmed_end, std::int64_t queues_end) {
  if (rules_.confirm_offset_is_stored) {
    if (!survey_.config.enable_controller_mode) {
      confirm_offset_ = scan.last_valid;
    } else if (confirm_offset_ < log_.min_offset()) {
      confirm_offset_ = log_.min_offset();
    } else {
      confirm_offset_ = std::min(confirm_offset_, confirmed_end);
    }
  }
  if (queues_end >= scan.end && !survive(queues_.truncate_dirty(scan.end), "cutting the queues"))
    return false;
  flushed_where_ = scan.end;
  log_.truncate(scan.end);
  return true;
}

bool Recovery::correct_min_offsets() {
  return survive(queues_.correct_min_offsets(log_.min_offset()),
                 "finding a queue's minimum (its last file holds no unit)");
}

std::int64_t Recovery::reput_end() const {
  if (rules_.version == StockVersion::v4_9) return log_.max_offset();
  if (is_replicated()) return confirm_offset_;
  return survey_.config.sync_flush ? flushed_where_ : log_.max_offset();
}

// DefaultMessageStore.start (4.x), doRecheckReputOffsetFromCq (5.x): waits until all is dispatched.
bool Recovery::reput_from_queues() {
  std::int64_t from = std::max<std::int64_t>({log_.min_offset(), queues_.max_physic_offset(), 0});
  while (wrap_add(reput_end(), -from) > 0 && !pool_.fault()) {
    const std::int64_t before = from;
    if (!reput_round(from)) return false;
    if (from <= before) {
      return stop("start waits for ever: the log has nothing to dispatch at " + std::to_string(before) +
                  ", but goes on behind it");
    }
  }
  return correct_min_offsets();
}

// One doReput.
bool Recovery::reput_round(std::int64_t& from) {
  from = std::max(from, log_.min_offset());
  const bool held_back = !rules_.confirms_end_of_message && survey_.config.duplication_enable;
  bool go_on = true;
  while (go_on && from < reput_end() && !pool_.fault()) {
    if (held_back && from >= confirm_offset_) return true;
    const auto index = log_.find(from, from == 0);
    if (!index) return true;
    const MappedFileState& file = log_.files[*index];
    const std::int64_t position = from % log_.file_size;
    if (position < 0 || position >= file.wrote) return true;
    const std::int64_t available = file.wrote - position;
    JavaBuffer buffer(window_, file.path, position, file.wrote);
    from = wrap_add(file.start, position);
    for (std::int64_t done = 0; done < available && go_on && !pool_.fault();) {
      if (rules_.has_broker_5_state && from >= reput_end()) break;
      const CheckedMessage message = checker_.check_in_reput(buffer);
      if (message.outcome == CheckOutcome::out_of_memory) {
        return stop("a message in " + file.shown + " claims a size that no Java array can have");
      }
      if (rules_.has_broker_5_state && wrap_add(from, message.size) > reput_end()) return true;
      switch (message.outcome) {
        case CheckOutcome::message:
          if (queues_.dispatch(message) != StockFate::goes_on) {
            return stop(
                "start waits for ever: dispatching a message ends with an exception, again and again");
          }
          from = wrap_add(from, message.size);
          done += message.size;
          break;
        case CheckOutcome::end_of_file:
          from = wrap_add(from, log_.file_size - from % log_.file_size);
          done = available;
          break;
        case CheckOutcome::half_message:
          // The buffer stands behind the parts that were read, wherever that is.
          from = wrap_add(from, message.size);
          break;
        case CheckOutcome::no_message:
        case CheckOutcome::out_of_memory:
          go_on = false;
          from = wrap_add(from, available - done);
          break;
      }
    }
  }
  return true;
}

}  // namespace rmq::preflight
