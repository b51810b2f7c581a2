// What a store gives up: expired files, queues of deleted topics. RocketMQ:
// DefaultMessageStore.CleanCommitLogService, CleanConsumeQueueService, CorrectLogicOffsetService,
// deleteTopics, cleanUnusedTopic, ConsumeQueueStore.cleanExpired.
#include <algorithm>
#include <array>

#include "libstore/derive/expire.h"
#include "libstore/engine/message_store.h"
#include "libstore/engine/put_properties.h"

namespace rmq::engine {
namespace {

constexpr int kManualRounds = 20;        // CleanCommitLogService.MAX_MANUAL_DELETE_FILE_TIMES
constexpr int kQueueFilesARound = 1000;  // each costs a sync of its directory
constexpr std::int64_t kHourMs = 3'600'000;

// TopicValidator.
bool is_system_topic(std::string_view topic) {
  constexpr std::array<std::string_view, 10> kTopics = {"TBW102",
                                                        "SCHEDULE_TOPIC_XXXX",
                                                        "BenchmarkTest",
                                                        "SELF_TEST_TOPIC",
                                                        "RMQ_SYS_TRANS_HALF_TOPIC",
                                                        "RMQ_SYS_TRANS_OP_HALF_TOPIC",
                                                        "TRANS_CHECK_MAX_TIME_TOPIC",
                                                        "RMQ_SYS_TRACE_TOPIC",
                                                        "OFFSET_MOVED_EVENT",
                                                        "CHECKPOINT_TOPIC"};
  return topic.starts_with("rmq_sys_") || std::ranges::find(kTopics, topic) != kTopics.end();
}

}  // namespace

void MessageStore::delete_expired_files() { manual_rounds_.store(kManualRounds); }

// CleanCommitLogService.isSpaceToDelete.
DiskJudgement MessageStore::look_at_disks() {
  const auto used = [&](const std::string& directory) -> UsedPercent {
    const auto space = files_.space(directory);
    if (!space) return std::nullopt;
    return used_percent(space->used, space->free);
  };
  DiskUse use;
  for (const std::string& directory : log_->directories()) use.log.push_back({directory, used(directory)});
  use.queues = used(queue_directory_);
  DiskJudgement judgement = judge_disks(use, *options_.retention, disk_full_.load());
  disk_full_.store(judgement.refuse_puts);
  log_->avoid(judgement.full);
  return judgement;
}

// CleanCommitLogService.deleteExpiredFiles and MappedFileQueue.deleteExpiredFileByTime, but that the files
// stay in place for now: where the log will begin.
std::int64_t MessageStore::expired_up_to(bool regardless_of_age) {
  const std::int64_t now = options_.clock->now_ms();
  std::int64_t begin = log_->begin();
  if (log_->removable_files(dispatched_.load(std::memory_order_acquire)).empty()) return begin;
  // A queue's unit that is in no file yet could not be made again from the log.
  (void)flush_derived();
  std::int64_t limit = queues_->durable().log_offset;
  if (index_) limit = std::min(limit, index_->durable().log_offset);
  int files = 0;
  for (const CommitLogFile& file : log_->removable_files(limit)) {
    if (files++ >= options_.retention->delete_file_batch_max) break;
    if (!regardless_of_age) {
      const auto there = files_.stat(file.path);
      if (!there && there.error().code != ErrorCode::not_found) break;  // how old it is nobody knows
      if (there && there->modified_ms + options_.retention->file_reserved_hours * kHourMs > now) break;
    }
    begin = file.start + report_.plan.commit_log_file_size;
  }
  return begin;
}

Result<CleanReport> MessageStore::clean() {
  const std::lock_guard lock(clean_mutex_);
  CleanReport report;
  Status trouble;
  const auto note = [&](const Status& status) {
    if (!status && trouble) trouble = status;
  };
  std::int64_t begin = log_->begin();
  if (options_.retention) {
    const DiskJudgement disks = look_at_disks();
    const auto hour = static_cast<int>(local_time_ms(options_.clock->now_ms()) / kHourMs % 24);
    const bool manual = manual_rounds_.load() > 0;
    if (manual) --manual_rounds_;
    if (disks.remove || manual || std::ranges::find(delete_hours_, hour) != delete_hours_.end())
      begin = expired_up_to(disks.at_once && options_.retention->clean_file_forcibly_enable);
  }
  // Queues first: whoever asks for the smallest offset finds its message as long as that is the answer.
  if (begin > queues_begin_at_ || queue_files_left_) {
    note(derive::raise_queues(*queues_, begin));
    log_->drop_before(begin);
  }
  const auto gone = log_->remove_dropped();
  if (gone) report.log_files = *gone;
  note(gone ? Status() : Status(gone.error()));
  if (begin > queues_begin_at_ || queue_files_left_) {
    const auto queue_files = derive::remove_expired_queue_files(files_, *queues_, kQueueFilesARound);
    if (queue_files) report.queue_files = queue_files->files;
    note(queue_files ? Status() : Status(queue_files.error()));
    const auto index_files = derive::remove_expired_index_files(files_, index_directory_, begin);
    if (index_files) report.index_files = index_files->files;
    note(index_files ? Status() : Status(index_files.error()));
    queue_files_left_ = !queue_files || queue_files->more || !index_files;
    queues_begin_at_ = begin;
    const std::lock_guard dispatching(dispatch_mutex_);
    if (deleted_.expire(begin)) note(deleted_.save(files_, deleted_path_));
  }
  note(remove_forgotten());
  if (!trouble) return trouble.error();
  return report;
}

Status MessageStore::remove_forgotten() {
  while (!forgotten_directories_.empty()) {
    RMQ_CHECK(derive::remove_queue_files(files_, forgotten_directories_.back()));
    forgotten_directories_.pop_back();
  }
  return {};
}

// The caller holds the locks of cleaning, dispatch and append.
void MessageStore::forget_queue(const derive::QueueWriter::QueueName& name) {
  forgotten_directories_.push_back(queues_->directory_of(name.topic, name.queue_id));
  queues_->forget(name.topic, name.queue_id);
  if (is_lmq(name.topic)) --lmq_queues_;
}

// While the files of a queue are removed, nothing is dispatched: the new queue's file may have the old one's
// name.
Result<int> MessageStore::delete_topics(std::span<const std::string> topics) {
  const std::lock_guard cleaning(clean_mutex_);
  const std::lock_guard dispatching(dispatch_mutex_);
  int count = 0;
  {
    const std::lock_guard appending(append_mutex_);
    const std::vector<derive::QueueWriter::QueueName> names = queues_->names();
    derive::DeletedTopics deleted = deleted_;
    std::vector<std::string_view> known;
    for (const std::string& topic : topics) {
      const bool here =
          std::ranges::any_of(names, [&](const auto& name) { return name.topic == topic; }) ||
          std::ranges::any_of(queue_ends_, [&](const auto& next) { return next.first.topic == topic; });
      if (!here) continue;
      deleted.add(topic, log_->reserved());
      known.push_back(topic);
    }
    if (known.empty()) return 0;
    count = static_cast<int>(known.size());
    RMQ_CHECK(deleted.save(files_, deleted_path_));
    deleted_ = std::move(deleted);
    const auto is_one = [&](std::string_view topic) {
      return std::ranges::find(known, topic) != known.end();
    };
    std::erase_if(queue_ends_, [&](const auto& next) { return is_one(next.first.topic); });
    for (const auto& name : names)
      if (is_one(name.topic)) forget_queue(name);
  }
  RMQ_CHECK(remove_forgotten());
  return count;
}

Result<int> MessageStore::delete_unused_topics(std::span<const std::string> retained) {
  std::vector<std::string> unused;
  for (const auto& name : queues_->names()) {
    if (is_system_topic(name.topic) || is_lmq(name.topic)) continue;
    if (std::ranges::find(retained, name.topic) == retained.end()) unused.push_back(name.topic);
  }
  std::ranges::sort(unused);
  unused.erase(std::ranges::unique(unused).begin(), unused.end());
  return delete_topics(unused);
}

Result<int> MessageStore::delete_expired_queues() {
  const std::lock_guard cleaning(clean_mutex_);
  const std::lock_guard dispatching(dispatch_mutex_);
  RMQ_CHECK(derive::raise_queues(*queues_, log_->begin()));
  int count = 0;
  {
    const std::lock_guard appending(append_mutex_);
    for (const auto& name : queues_->names()) {
      const auto range = queues_->range(name.topic, name.queue_id);
      if (is_system_topic(name.topic) || !range || range->end == 0 || range->first < range->end) continue;
      const auto next = queue_ends_.find(QueueKeyView{name.topic, name.queue_id});
      if (next != queue_ends_.end()) {
        if (next->second.next_offset != range->next_offset) continue;  // a message of it is on its way
        queue_ends_.erase(next);
      }
      forget_queue(name);
      ++count;
    }
  }
  RMQ_CHECK(remove_forgotten());
  return count;
}

std::string MessageStore::why_not_writable() const {
  if (closed_.load(std::memory_order_acquire)) return "the store is closed";
  if (const auto failure = log_->failure()) return failure->message();
  if (const auto failure = queues_->failure()) return failure->message();
  if (const auto failure = index_ ? index_->failure() : std::nullopt) return failure->message();
  if (disk_full_.load(std::memory_order_acquire)) return "a disk is nearly full (diskSpaceWarningLevelRatio)";
  return {};
}

}  // namespace rmq::engine
