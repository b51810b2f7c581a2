#include "libstore/engine/message_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>
#include <string_view>
#include <utility>

#include "libstore/base/parallel.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/derive/expire.h"
#include "libstore/derive/queue_tail.h"
#include "libstore/format/abort_file.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/format/store_lock.h"
#include "libstore/recovery/apply.h"
#include "libstore/recovery/store_listing.h"

namespace rmq::engine {
namespace {

// What lies in the directory of a store that was killed before its first file was there.
bool comes_before_the_store(const io::DirectoryEntry& entry) {
  return entry.name == format::kStoreLockFileName || entry.name == recovery::kLostAndFound ||
         entry.name == format::kAbortFileName ||
         entry.name.starts_with("." + std::string(format::kAbortFileName));
}

}  // namespace

// ---- flushing ----

Status MessageStore::flush_log() {
  const std::int64_t newest = dispatched_timestamp_.load(std::memory_order_acquire);
  const Status flushed = log_->flush();
  waiting_.answer(log_->durable(), !flushed);
  RMQ_CHECK(flushed);
  const std::lock_guard lock(checkpoint_mutex_);
  checkpoint_.physic_msg_timestamp = std::max(checkpoint_.physic_msg_timestamp, newest);
  return {};
}

Status MessageStore::flush_derived() {
  const std::lock_guard lock(derived_mutex_);
  Status done = queues_->flush();
  if (done && index_) done = index_->sync();
  if (done) return save_checkpoint();
  // Nobody knows what the disk has of them: read-only until recovery has looked.
  if (queues_->failure() || (index_ && index_->failure()))
    sync_failed_.store(true, std::memory_order_release);
  return done;
}

// Claims only what is on disk: the log up to what was flushed, the queues up to what they have synced of
// that.
Status MessageStore::save_checkpoint() {
  const std::lock_guard lock(checkpoint_mutex_);
  std::int64_t logics = std::min(queues_->durable().store_timestamp, checkpoint_.physic_msg_timestamp);
  if (index_) {
    logics = std::min(logics, index_->durable().store_timestamp);
    checkpoint_.index_msg_timestamp = std::max(checkpoint_.index_msg_timestamp, index_->sealed_timestamp());
  }
  checkpoint_.logics_msg_timestamp = std::max(checkpoint_.logics_msg_timestamp, logics);
  const auto bytes = checkpoint_.encode();
  RMQ_CHECK(checkpoint_file_->write_at(0, bytes));
  return checkpoint_file_->sync();
}

Status MessageStore::flush() {
  RMQ_CHECK(catch_up());
  RMQ_CHECK(flush_log());
  return flush_derived();
}

Status MessageStore::work() {
  while (log_->prepare()) {
  }
  RMQ_CHECK(flush());
  return catch_up();
}

bool MessageStore::wait_for_work(std::int64_t milliseconds) {
  std::unique_lock lock(work_mutex_);
  if (!stopping_) work_wanted_.wait_for(lock, std::chrono::milliseconds(milliseconds));
  return !stopping_;
}

void MessageStore::run_preparer() {
  constexpr std::int64_t kIdle = 100;
  do {
    while (log_->prepare()) {
    }
  } while (wait_for_work(kIdle));
}

// Makes durable what put_async() placed, one group after the other: what comes while one is written is the
// next.
void MessageStore::run_committer() {
  while (waiting_.wait()) {
    (void)flush_log();
    if (waiting_.empty()) (void)catch_up();
  }
}

// Errors are kept by the log and the queues, and told to whoever puts or closes. Intervals are of time that
// passes, whatever the clock says: one that is put back must not hold a flush up.
void MessageStore::run_flusher() {
  const auto interval = std::chrono::milliseconds(options_.flush_interval_ms);
  auto next_log = std::chrono::steady_clock::now() + interval;
  while (wait_for_work(std::min<std::int64_t>(options_.flush_interval_ms, 50))) {
    (void)catch_up();
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_log) {
      (void)flush_log();
      next_log = now + interval;
    }
  }
}

// Apart from the log's flusher: with very many queues a round takes long.
void MessageStore::run_keeper() {
  using std::chrono::milliseconds;
  using std::chrono::steady_clock;
  constexpr milliseconds kFirstClean(60'000);
  const milliseconds interval(options_.queue_flush_interval_ms);
  auto next_derived = steady_clock::now() + interval;
  auto next_clean = steady_clock::now() + kFirstClean;
  while (wait_for_work(std::min<std::int64_t>(options_.queue_flush_interval_ms, 50))) {
    if (steady_clock::now() >= next_derived) {
      if (flush_log()) (void)flush_derived();
      next_derived = steady_clock::now() + interval;
    }
    const auto now = steady_clock::now();
    if (options_.retention && now >= next_clean) {
      (void)clean();
      next_clean = now + milliseconds(options_.retention->clean_resource_interval);
    }
  }
}

// ---- opening and closing ----

MessageStore::MessageStore(io::FileSystem& files, StoreOptions options)
    : files_(files), options_(std::move(options)), root_(options_.config.root) {}

MessageStore::~MessageStore() { stop_threads(); }

void MessageStore::stop_threads() {
  {
    const std::lock_guard lock(work_mutex_);
    stopping_ = true;
  }
  work_wanted_.notify_all();
  waiting_.close();
  if (committer_.joinable()) committer_.join();
  if (preparer_.joinable()) preparer_.join();
  if (flusher_.joinable()) flusher_.join();
  if (keeper_.joinable()) keeper_.join();
}

Result<std::unique_ptr<MessageStore>> MessageStore::open(io::FileSystem& files, StoreOptions options) {
  std::unique_ptr<MessageStore> store(new MessageStore(files, std::move(options)));
  RMQ_CHECK(store->start());
  return store;
}

Status MessageStore::start() {
  const auto began = std::chrono::steady_clock::now();
  if (!options_.config.message_delay_level.empty()) {
    auto levels = format::DelayLevels::parse(options_.config.message_delay_level);
    if (!levels)
      return wrong_use("messageDelayLevel '" + options_.config.message_delay_level + "' makes no sense");
    rules_.delay_levels = std::move(*levels);
  }
  if (options_.retention) {
    RMQ_TRY(hours, parse_delete_when(options_.retention->delete_when));
    delete_hours_ = std::move(hours);
  }
  const auto key = [&](const char* name) {
    const auto found = options_.config.keys.find(name);
    return found == options_.config.keys.end() ? std::string() : found->second;
  };
  put_rules_.multi_dispatch = key("enableMultiDispatch") == "true";
  put_rules_.lmq = key("enableLmq") == "true";
  if (const std::string most = key("maxLmqConsumeQueueNum"); !most.empty()) {
    const auto [end, fault] = std::from_chars(most.data(), most.data() + most.size(), max_lmq_queues_);
    if (fault != std::errc{} || end != most.data() + most.size())
      return wrong_use("maxLmqConsumeQueueNum '" + most + "' is no number");
  }
  RMQ_CHECK(files_.make_directories(root_));
  lock_ = std::move(options_.lock);
  if (!lock_) {
    RMQ_TRY(lock, files_.lock(io::join_path(root_, format::kStoreLockFileName)));
    lock_ = std::move(lock);
  }
  RMQ_TRY(found, survey());
  RMQ_CHECK(plan_recovery(found));
  const std::string pid = std::to_string(::getpid());
  RMQ_CHECK(files_.replace(io::join_path(root_, format::kAbortFileName), as_bytes(pid)));
  if (options_.files_keep) {
    RMQ_CHECK(recovery::carry_out(files_, report_.plan.steps));
  } else {
    RMQ_CHECK(recovery::apply(files_, root_, options_.config.commit_log_directories, report_.plan,
                              options_.clock->now_ms()));
  }
  if (!report_.plan.changes_nothing()) {
    RMQ_TRY(mended, survey());
    found = std::move(mended);
  }
  RMQ_CHECK(open_checkpoint());
  RMQ_CHECK(open_log(found));
  RMQ_CHECK(load_deleted_topics());
  RMQ_CHECK(open_queues(found));
  RMQ_CHECK(open_index(found));
  RMQ_CHECK(catch_up());
  for (const auto& name : queues_->names()) lmq_queues_ += is_lmq(name.topic) ? 1 : 0;
  opened_ = true;
  report_.survey = std::move(found);
  report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  if (options_.background) {
    if (options_.flush == FlushDiskType::sync_flush) committer_ = std::thread([this] { run_committer(); });
    preparer_ = std::thread([this] { run_preparer(); });
    flusher_ = std::thread([this] { run_flusher(); });
    keeper_ = std::thread([this] { run_keeper(); });
  }
  return {};
}

Result<scan::StoreSurvey> MessageStore::survey() {
  RMQ_TRY(entries, files_.list(root_));
  const bool fresh = std::ranges::all_of(entries, &comes_before_the_store);
  if (!fresh) {
    scan::StoreConfig config = options_.config;
    config.commit_log_file_size.reset();  // the files say it themselves, whatever broker.conf says now
    config.consume_queue_file_size.reset();
    config.consume_queue_ext_file_size.reset();
    config.batch_consume_queue_file_size.reset();
    config.index_slots.reset();
    config.index_entries.reset();
    return scan::survey_store(files_, config);
  }
  scan::StoreSurvey none;
  none.config = options_.config;
  none.root = root_;
  return none;
}

Status MessageStore::plan_recovery(const scan::StoreSurvey& survey) {
  recovery::PlanOptions plan;
  plan.depth = options_.check;
  plan.jobs = options_.jobs;
  RMQ_TRY(made,
          options_.planner ? options_.planner(survey, plan) : recovery::make_plan(files_, survey, plan));
  report_.plan = std::move(made);
  if (!report_.plan.possible()) {
    return wrong_use(fmt::format(
        "{} needs repair before it can be written to: {}{}", root_, report_.plan.refusals.front(),
        report_.plan.refusals.size() == 1 ? ""
                                          : fmt::format(" (and {} more)", report_.plan.refusals.size() - 1)));
  }
  if (report_.plan.commit_log_file_size == 0) {
    report_.plan.commit_log_file_size =
        options_.config.commit_log_file_size.value_or(CommitLogOptions{}.file_size);
  }
  last_store_timestamp_ = report_.plan.last_store_timestamp;
  rules_.multi_dispatch = report_.plan.rules.multi_dispatch;
  rules_.lmq = report_.plan.rules.lmq;
  return {};
}

Status MessageStore::open_checkpoint() {
  const std::string path = io::join_path(root_, "checkpoint");
  const auto there = files_.stat(path);
  if (there && there->size >= format::kCheckpointFileSize) {
    RMQ_TRY(file, files_.open_for_write(path));
    std::array<std::byte, format::kCheckpointFileSize> bytes{};
    RMQ_TRY(got, file->read_at(0, bytes));
    checkpoint_ = format::StoreCheckpoint::read(std::span(bytes).first(got));
    checkpoint_file_ = std::move(file);
    return {};
  }
  if (there) RMQ_CHECK(files_.remove(path));  // short: nothing in it counts
  RMQ_TRY(file, files_.create(path, format::kCheckpointFileSize, checkpoint_.encode()));
  checkpoint_file_ = std::move(file);
  return {};
}

Status MessageStore::open_log(const scan::StoreSurvey& survey) {
  CommitLogOptions options;
  options.file_size = report_.plan.commit_log_file_size;
  options.flush = options_.flush;
  options.read_only_directories = survey.config.read_only_commit_log_directories;
  options.directories = survey.config.commit_log_directories;
  if (options.directories.empty()) options.directories.push_back(io::join_path(root_, "commitlog"));
  for (const std::string& directory : options.directories) RMQ_CHECK(files_.make_directories(directory));
  std::vector<CommitLogFile> existing;
  for (const scan::MappedFile& file : survey.commit_log.files) existing.push_back({file.start, file.path});
  RMQ_TRY(log, CommitLog::open(files_, std::move(options), std::move(existing), report_.plan.log_end));
  log_ = std::move(log);
  dispatched_ = indexed_ = report_.plan.dispatch_from;
  return {};
}

Status MessageStore::load_deleted_topics() {
  const std::string directory = options_.config.config_directory.empty() ? io::join_path(root_, "config")
                                                                         : options_.config.config_directory;
  deleted_path_ = io::join_path(directory, derive::kDeletedTopicsFileName);
  RMQ_TRY(deleted, derive::DeletedTopics::load(files_, deleted_path_));
  deleted_ = std::move(deleted);
  return files_.make_directories(directory);
}

Status MessageStore::open_queues(const scan::StoreSurvey& survey) {
  const recovery::Plan& plan = report_.plan;
  derive::QueueWriterOptions options;
  options.simple_directory = survey.config.consume_queue_directory.empty()
                                 ? io::join_path(root_, "consumequeue")
                                 : survey.config.consume_queue_directory;
  const std::string batch_directory = io::join_path(root_, "batchconsumequeue");
  options.batch_directory = batch_directory;
  options.deleted = &deleted_;
  queue_directory_ = options.simple_directory;
  RMQ_CHECK(files_.make_directories(queue_directory_));
  const scan::StoreConfig& wished = options_.config;
  if (wished.consume_queue_file_size) options.simple_file_size = *wished.consume_queue_file_size;
  if (wished.batch_consume_queue_file_size) options.batch_file_size = *wished.batch_consume_queue_file_size;
  for (const scan::Queue& queue : survey.queues) {
    if (queue.files.file_size == 0) continue;
    (queue.kind == scan::QueueKind::batch ? options.batch_file_size : options.simple_file_size) =
        queue.files.file_size;
  }
  options.kind_of = [this, &batch = plan.batch_topics](std::string_view topic, std::int32_t) {
    if (options_.kind_of) return options_.kind_of(topic);
    return batch.contains(std::string(topic)) ? scan::QueueKind::batch : scan::QueueKind::simple;
  };
  queues_ = std::make_unique<derive::QueueWriter>(files_, std::move(options));
  // Units of messages that are dispatched again do not count: after a power loss any of them may be missing.
  derive::TailBounds bounds;
  bounds.log_begin = plan.log_begin;
  if (!plan.was_closed_cleanly) bounds.log_end = plan.dispatch_from;
  std::vector<Result<derive::QueueTail>> tails(survey.queues.size(), wrong_use("not looked at"));
  parallel_for(options_.jobs, survey.queues.size(), {}, [&](std::size_t, std::size_t i) {
    tails[i] = derive::find_queue_tail(files_, survey.queues[i], bounds);
  });
  std::set<std::pair<std::string_view, std::int32_t>> there;
  for (std::size_t i = 0; i < survey.queues.size(); ++i) {
    if (!tails[i]) return std::move(tails[i]).error();
    const scan::Queue& queue = survey.queues[i];
    // A kill came while its topic was being deleted, if there is nothing in it but what was deleted.
    const std::int64_t newest = tails[i]->max_physic - (tails[i]->batch ? 0 : 1);
    if (deleted_.covers(queue.topic, newest)) {
      const std::string& all = tails[i]->batch ? batch_directory : queue_directory_;
      RMQ_CHECK(derive::remove_queue_files(
          files_, io::join_path(io::join_path(all, queue.topic), std::to_string(queue.queue_id))));
      continue;
    }
    // Messages below are history: the dispatcher takes them for known.
    const std::int64_t floor = plan.floor_of(queue.topic, queue.queue_id) - (tails[i]->batch ? 1 : 0);
    tails[i]->max_physic = std::max(tails[i]->max_physic, floor);
    RMQ_CHECK(queues_->add_queue(queue.topic, queue.queue_id, *tails[i]));
    there.emplace(queue.topic, queue.queue_id);
  }
  for (const recovery::QueueFloor& floor : plan.floors) {
    if (there.contains({floor.topic, floor.queue_id})) continue;
    derive::QueueTail history;
    history.batch = plan.batch_topics.contains(floor.topic);
    history.max_physic = floor.log_offset - (history.batch ? 1 : 0);
    RMQ_CHECK(queues_->add_queue(floor.topic, floor.queue_id, history));
  }
  queues_->advance({plan.dispatch_from, checkpoint_.logics_msg_timestamp});
  return {};
}

Status MessageStore::open_index(const scan::StoreSurvey& survey) {
  index_directory_ =
      survey.config.index_directory.empty() ? io::join_path(root_, "index") : survey.config.index_directory;
  if (!survey.config.message_index_enable) return {};
  derive::IndexWriterOptions options;
  options.directory = index_directory_;
  options.local_time_ms = [clock = options_.clock] { return local_time_ms(clock->now_ms()); };
  if (options_.config.index_slots) options.slots = *options_.config.index_slots;
  if (options_.config.index_entries) options.entries = *options_.config.index_entries;
  if (const auto geometries = scan::infer_index_geometries(files_, survey);
      !geometries.empty() && geometries.back().known()) {
    options.slots = static_cast<std::int32_t>(geometries.back().slots);
    options.entries = static_cast<std::int32_t>(geometries.back().entries);
  }
  index_geometry_.slots = options.slots;
  index_geometry_.entries = options.entries;
  RMQ_CHECK(files_.make_directories(index_directory_));
  RMQ_TRY(index, derive::IndexWriter::open(files_, std::move(options), survey.index_files));
  index_ = std::move(index);
  return {};
}

Status MessageStore::close() {
  closed_.store(true, std::memory_order_release);
  stop_threads();
  RMQ_CHECK(flush());
  RMQ_CHECK(files_.remove(io::join_path(root_, format::kAbortFileName)));
  lock_.reset();
  return {};
}

}  // namespace rmq::engine
