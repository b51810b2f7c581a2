// QueueWriter's way to files and to the disk.
#include <algorithm>

#include "libstore/derive/queue_writer.h"

namespace rmq::derive {
namespace {

// At most this much of one queue goes to its file at once: it is copied under the mutex, and a flood into one
// queue must not hold the others up.
constexpr std::int64_t kLargestWrite = 256 << 10;
// Files that are synced one by one; more of them by a sync of their file system.
constexpr int kFewSyncs = 32;

}  // namespace

void QueueWriter::under_way(const Waiting& since) { under_way_.push_back(since); }

void QueueWriter::arrived(const Waiting& since) {
  const auto mine = std::ranges::find(under_way_, since.log_offset, &Waiting::log_offset);
  *mine = under_way_.back();
  under_way_.pop_back();
  changed_.notify_all();
}

// The oldest dirty queue that nobody is writing just now. Its units are copied: they stay readable until they
// are in the file, and what comes meanwhile makes the queue dirty anew.
std::optional<QueueWriter::WriteJob> QueueWriter::take_dirty(std::int64_t most_bytes) {
  QueueNumber queue = dirty_.front();
  while (queue != kNoQueue && queues_.at(queue).being_written) queue = dirty_.behind(queue);
  if (queue == kNoQueue) return std::nullopt;
  QueueState& state = queues_.at(queue);
  const std::int64_t unit = unit_size(state);
  const std::int64_t start = state.written * unit / file_size(state) * file_size(state);

  WriteJob job;
  job.queue = queue;
  job.since = state.dirty.since;
  job.file_size = file_size(state);
  job.position = state.written * unit - start;
  const std::int64_t room = (job.file_size - job.position) / unit;
  const std::int64_t most = std::max<std::int64_t>(1, std::min(most_bytes, kLargestWrite) / unit);
  job.units = std::min({std::int64_t{state.waiting_units}, room, most});

  job.unit_size = unit;
  std::vector<std::byte>& bytes = job.bytes;
  job.blanks = state.blank_start ? job.position / unit : 0;
  const auto resize = [&] { bytes.resize(static_cast<std::size_t>((job.blanks + job.units) * unit)); };
  resize();
  copy_units(state, state.written, job.units, bytes.data() + job.blanks * unit);
  // A queue must not end in a blank: stock would take its log to be 2 GiB long. More of it, then.
  const auto ends_blank = [&] {
    return !state.batch &&
           format::ConsumeQueueEntry::load(bytes.data() + (job.blanks + job.units - 1) * unit).is_pre_blank();
  };
  while (job.units < std::min<std::int64_t>(state.waiting_units, room) && ends_blank()) {
    ++job.units;
    resize();
    copy_units(state, state.written + job.units - 1, 1, bytes.data() + (job.blanks + job.units - 1) * unit);
  }
  for (std::int64_t i = 0; i < job.blanks; ++i) format::kPreBlankEntry.store(bytes.data() + i * unit);
  if (job.blanks > 0) job.position = 0;

  job.rest_waits = job.units < state.waiting_units;
  job.create = start >= state.files_end;
  job.path = path_of(state, start);
  if (job.create && (state.is_unsynced || state.syncs > 0))
    job.path_before = path_of(state, start - job.file_size);
  dirty_.remove(queue);
  state.is_dirty = false;
  state.being_written = true;
  under_way(job.since);
  return job;
}

Status QueueWriter::sync_file(const std::string& path) {
  RMQ_TRY(file, files_.open_for_write(path));
  return note_failure(file->sync());
}

Status QueueWriter::note_failure(Status synced) {
  if (!synced) {
    const std::lock_guard lock(mutex_);
    if (!failed_) {
      durable_when_failed_ = settled();
      failed_ = synced.error();
    }
  }
  return synced;
}

Status QueueWriter::write_to_file(const WriteJob& job) {
  RMQ_TRY(file, files_.open_for_write(job.path));
  if (job.blanks == 0) return file->write_at(job.position, job.bytes);
  // A file that was there already: the queue is empty until its very first unit is, which comes last.
  const auto unit = static_cast<std::size_t>(job.unit_size);
  RMQ_CHECK(file->write_at(job.position + job.unit_size, std::span(job.bytes).subspan(unit)));
  RMQ_CHECK(note_failure(file->sync()));
  return file->write_at(job.position, std::span(job.bytes).first(unit));
}

// A file appears only when all before it is on disk: a gap between files would end the queue for whoever
// reads it.
std::vector<Status> QueueWriter::create_files(std::span<const WriteJob> jobs) {
  std::vector<Status> done(jobs.size());
  std::vector<io::NewFile> wanted;
  std::vector<std::size_t> numbers;  // of the jobs that `wanted` comes from
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!jobs[i].path_before.empty()) done[i] = sync_file(jobs[i].path_before);
    if (!done[i]) continue;
    wanted.push_back({jobs[i].path, jobs[i].file_size, jobs[i].bytes});
    numbers.push_back(i);
  }
  std::vector<Status> created = files_.create_sparse(wanted);
  for (std::size_t i = 0; i < created.size(); ++i) done[numbers[i]] = std::move(created[i]);
  return done;
}

void QueueWriter::finish(const WriteJob& job, bool written) {
  QueueState& state = queues_.at(job.queue);
  state.being_written = false;
  if (written) {
    drop_units(state, job.units);
    state.written += job.units;
    state.blank_start = false;
    if (job.create) {
      state.files_end += job.file_size;
    } else if (!state.is_unsynced) {
      state.is_unsynced = true;
      state.unsynced.since = job.since;
      unsynced_.insert(job.queue);
    }
  }
  if (!written || job.rest_waits) {
    if (state.is_dirty) dirty_.remove(job.queue);
    state.is_dirty = true;
    state.dirty.since = job.since;
    dirty_.insert_old(job.queue);
  }
  arrived(job.since);
}

void QueueWriter::drop_units(QueueState& state, std::int64_t units) {
  state.waiting_units -= static_cast<std::uint32_t>(units);
  std::int64_t left = state.head_skip + units;
  while (state.head != kNoBlock && (left >= units_in_block(state) || state.waiting_units == 0)) {
    const BlockNumber next = blocks_.at(state.head).next;
    blocks_.give_back(state.head);
    if (state.chain) state.chain->pop_front();
    state.head = next;
    left -= units_in_block(state);
  }
  if (state.head != kNoBlock) {
    state.head_skip = static_cast<std::uint8_t>(left);
    return;
  }
  state.tail = kNoBlock;
  state.head_skip = 0;
  state.tail_units = 0;
  state.chain.reset();
}

Result<FlushStep> QueueWriter::write_out(const FlushLimit& limit) {
  FlushStep step;
  Status trouble;
  std::vector<WriteJob> new_files;  // made together
  Lock lock(mutex_);
  while (step.files < limit.files && step.bytes < limit.bytes) {
    if (failed_) {
      trouble = *failed_;
      break;
    }
    auto job = take_dirty(limit.bytes - step.bytes);
    if (!job) break;
    ++step.files;
    step.bytes += std::ssize(job->bytes);
    if (job->create) {
      new_files.push_back(std::move(*job));
      continue;
    }
    lock.unlock();
    const Status done = write_to_file(*job);
    lock.lock();
    finish(*job, done.has_value());
    if (!done) {
      trouble = done;
      break;
    }
  }
  if (!new_files.empty()) {
    lock.unlock();
    const std::vector<Status> done = create_files(new_files);
    lock.lock();
    for (std::size_t i = 0; i < new_files.size(); ++i) {
      finish(new_files[i], done[i].has_value());
      if (!done[i] && trouble) trouble = done[i];
    }
  }
  if (!trouble) return trouble.error();
  step.more = !dirty_.empty();
  return step;
}

bool QueueWriter::many_unsynced() const {
  int count = 0;
  for (QueueNumber queue = unsynced_.front(); queue != kNoQueue && count <= kFewSyncs;
       queue = unsynced_.behind(queue))
    ++count;
  return count > kFewSyncs;
}

// All that wait at once, by syncing the file system. For the time of the sync the oldest of them stands for
// all.
Result<FlushStep> QueueWriter::sync_together(Lock& lock) {
  FlushStep step;
  struct Waiter {
    QueueNumber queue;
    Waiting since;
  };
  std::vector<Waiter> waiters;
  while (!unsynced_.empty()) {
    const QueueNumber queue = unsynced_.front();
    QueueState& state = queues_.at(queue);
    waiters.push_back({queue, state.unsynced.since});
    unsynced_.remove(queue);
    state.is_unsynced = false;
    ++state.syncs;
  }
  const Waiting oldest = waiters.front().since;
  under_way(oldest);
  const bool any_batch =
      std::ranges::any_of(waiters, [&](const Waiter& one) { return queues_.at(one.queue).batch; });
  const bool any_simple =
      !std::ranges::all_of(waiters, [&](const Waiter& one) { return queues_.at(one.queue).batch; });
  lock.unlock();
  Status done;
  if (any_simple) done = files_.sync_file_system(options_.simple_directory);
  if (done && any_batch) done = files_.sync_file_system(options_.batch_directory);
  const bool is_lost = !done && done.error().code == ErrorCode::io_error;
  if (is_lost) done = note_failure(std::move(done));
  lock.lock();
  for (auto waiter = waiters.rbegin(); waiter != waiters.rend(); ++waiter) {
    QueueState& state = queues_.at(waiter->queue);
    --state.syncs;
    if (done) continue;
    if (state.is_unsynced) unsynced_.remove(waiter->queue);
    state.is_unsynced = true;
    state.unsynced.since = waiter->since;
    unsynced_.insert_old(waiter->queue);
  }
  arrived(oldest);
  if (!done) return done.error();
  step.files = static_cast<std::int32_t>(waiters.size());
  step.more = !unsynced_.empty();
  return step;
}

Result<FlushStep> QueueWriter::sync(const FlushLimit& limit) {
  FlushStep step;
  Lock lock(mutex_);
  if (!failed_ && many_unsynced()) return sync_together(lock);
  while (step.files < limit.files && !unsynced_.empty()) {
    if (failed_) return *failed_;
    const QueueNumber queue = unsynced_.front();
    QueueState& state = queues_.at(queue);
    const Waiting since = state.unsynced.since;
    const std::int64_t last = (state.written - 1) * unit_size(state);
    const std::string path = path_of(state, last / file_size(state) * file_size(state));
    unsynced_.remove(queue);
    state.is_unsynced = false;
    ++state.syncs;
    under_way(since);
    lock.unlock();
    const Status done = sync_file(path);
    lock.lock();
    --state.syncs;
    if (!done) {
      if (state.is_unsynced) unsynced_.remove(queue);
      state.is_unsynced = true;
      state.unsynced.since = since;
      unsynced_.insert(queue);
    }
    arrived(since);
    if (!done) return done.error();
    ++step.files;
  }
  step.more = !unsynced_.empty();
  return step;
}

Status QueueWriter::flush() {
  Lock lock(mutex_);
  const std::int64_t end = put_.log_offset;
  while (!failed_ && settled().log_offset < end) {
    // Everything is written before anything is synced: many files are synced together.
    const bool is_dirty = !dirty_.empty() && queues_.at(dirty_.front()).dirty.since.log_offset < end;
    lock.unlock();
    const FlushLimit some;
    RMQ_TRY(step, is_dirty ? write_out(some) : sync(some));
    lock.lock();
    if (step.files == 0 && !under_way_.empty()) changed_.wait(lock);
  }
  return failed_ ? Status(*failed_) : Status();
}

DerivedUpTo QueueWriter::durable() const {
  const std::lock_guard lock(mutex_);
  return failed_ ? durable_when_failed_ : settled();
}

std::optional<Error> QueueWriter::failure() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

DerivedUpTo QueueWriter::settled() const {
  const Waiting* oldest = nullptr;
  const auto consider = [&](const Waiting& since) {
    if (oldest == nullptr || since.log_offset < oldest->log_offset) oldest = &since;
  };
  if (!dirty_.empty()) consider(queues_.at(dirty_.front()).dirty.since);
  if (!unsynced_.empty()) consider(queues_.at(unsynced_.front()).unsynced.since);
  for (const Waiting& since : under_way_) consider(since);
  if (oldest == nullptr) return put_;
  return {oldest->log_offset, oldest->store_timestamp - 1};
}

}  // namespace rmq::derive
