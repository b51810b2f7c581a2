// QueueWriter's way to files and to the disk.
#include <algorithm>

#include "libstore/derive/queue_writer.h"

namespace rmq::derive {
namespace {

// At most this much of one queue goes to its file at once: it is copied under the mutex, and a flood into one
// queue must not hold the others up.
constexpr std::int64_t kLargestWrite = 256 << 10;

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
std::optional<QueueWriter::WriteJob> QueueWriter::take_dirty(std::int64_t most_bytes,
                                                             std::vector<std::byte>& bytes) {
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
  if (job.create) {
    job.directory = directory_of(state);
    if (state.is_unsynced || state.syncs > 0) job.path_before = path_of(state, start - job.file_size);
  }
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

// A file appears only when all before it is on disk: a gap between files would end the queue for whoever
// reads it.
Status QueueWriter::perform(const WriteJob& job, std::span<const std::byte> bytes) {
  if (!job.create) {
    RMQ_TRY(file, files_.open_for_write(job.path));
    if (job.blanks == 0) return file->write_at(job.position, bytes);
    // A file that was there already: the queue is empty until its very first unit is, which comes last.
    const auto unit = static_cast<std::size_t>(job.unit_size);
    RMQ_CHECK(file->write_at(job.position + job.unit_size, bytes.subspan(unit)));
    RMQ_CHECK(note_failure(file->sync()));
    return file->write_at(job.position, bytes.first(unit));
  }
  if (!job.path_before.empty()) RMQ_CHECK(sync_file(job.path_before));
  RMQ_CHECK(files_.make_directories(job.directory));
  const auto created = files_.create(job.path, job.file_size, bytes);
  return created ? Status() : Status(created.error());
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
  std::vector<std::byte> bytes;
  Lock lock(mutex_);
  while (step.files < limit.files && step.bytes < limit.bytes) {
    if (failed_) return *failed_;
    const auto job = take_dirty(limit.bytes - step.bytes, bytes);
    if (!job) break;
    lock.unlock();
    const Status done = perform(*job, bytes);
    lock.lock();
    finish(*job, done.has_value());
    if (!done) return done.error();
    ++step.files;
    step.bytes += static_cast<std::int64_t>(bytes.size());
  }
  step.more = !dirty_.empty();
  return step;
}

Result<FlushStep> QueueWriter::sync(const FlushLimit& limit) {
  FlushStep step;
  Lock lock(mutex_);
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
    lock.unlock();
    const FlushLimit some;
    RMQ_TRY(written, write_out(some));
    RMQ_TRY(synced, sync(some));
    lock.lock();
    if (written.files == 0 && synced.files == 0 && !under_way_.empty()) changed_.wait(lock);
  }
  return failed_ ? Status(*failed_) : Status();
}

DerivedUpTo QueueWriter::durable() const {
  const std::lock_guard lock(mutex_);
  return failed_ ? durable_when_failed_ : settled();
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
