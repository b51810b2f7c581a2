#include "libstore/derive/queue_writer.h"

#include <algorithm>
#include <cstring>

#include "libstore/format/mapped_file_name.h"

namespace rmq::derive {
namespace {

// No queue and no log grows to an exabyte: numbers beyond are damage, and sums stay in their type.
constexpr std::int64_t kLargestPosition = std::int64_t{1} << 60;
// Blocks of a queue before they are found through a list instead of a walk.
constexpr std::int64_t kLongChain = 16;

// What can be a directory below the queues' own.
bool is_file_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

bool is_usable(const DispatchRequest& request, std::int32_t queue_id, std::int64_t queue_offset) {
  return queue_id >= 0 && request.size > 0 && request.log_offset >= 0 &&
         request.log_offset < kLargestPosition && queue_offset >= 0 &&
         queue_offset < kLargestPosition / format::kBatchConsumeQueueEntrySize;
}

}  // namespace

QueueWriter::QueueWriter(io::FileSystem& files, QueueWriterOptions options)
    : files_(files), options_(std::move(options)), blocks_(options_.memory_limit) {
  const auto whole_units = [](std::int64_t size, std::int64_t unit) {
    return std::max(size + unit - 1, unit) / unit * unit;
  };
  options_.simple_file_size = whole_units(options_.simple_file_size, format::kConsumeQueueEntrySize);
  options_.batch_file_size = whole_units(options_.batch_file_size, format::kBatchConsumeQueueEntrySize);
}

std::int64_t QueueWriter::unit_size(const QueueState& state) const {
  return state.batch ? format::kBatchConsumeQueueEntrySize : format::kConsumeQueueEntrySize;
}
std::int64_t QueueWriter::file_size(const QueueState& state) const {
  return state.batch ? options_.batch_file_size : options_.simple_file_size;
}
std::int64_t QueueWriter::units_in_block(const QueueState& state) const {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(UnitBlock::bytes));
  return state.batch ? kBytes / format::kBatchConsumeQueueEntrySize : kBytes / format::kConsumeQueueEntrySize;
}
std::string QueueWriter::directory_of(const QueueState& state) const {
  return io::join_path(
      io::join_path(state.batch ? options_.batch_directory : options_.simple_directory, queues_.topic(state)),
      std::to_string(state.queue_id));
}
std::string QueueWriter::path_of(const QueueState& state, std::int64_t file_start) const {
  return io::join_path(directory_of(state), format::mapped_file_name(file_start));
}

Status QueueWriter::add_queue(std::string_view topic, std::int32_t queue_id, const QueueTail& tail) {
  const std::lock_guard lock(mutex_);
  if (queues_.find(topic, queue_id) != kNoQueue)
    return wrong_use("queue " + std::string(topic) + "/" + std::to_string(queue_id) + " is there twice");
  QueueState& state = queues_.at(queues_.add(topic, queue_id));
  state.batch = tail.batch;
  state.first = tail.first;
  state.written = tail.end;
  state.min_offset = tail.min_offset;
  state.next_offset = tail.next_offset;
  state.max_physic = tail.max_physic;
  state.files_end = tail.files_end;
  if (tail.files_begin % file_size(state) != 0 || tail.files_end % file_size(state) != 0)
    return wrong_use("the files of queue " + std::string(topic) + "/" + std::to_string(queue_id) +
                     " are not of " + std::to_string(file_size(state)) + " bytes");
  return {};
}

PutReport QueueWriter::put(std::span<const DispatchRequest> requests) {
  PutReport report;
  Lock lock(mutex_);
  for (const DispatchRequest& request : requests) {
    report.status = put_one(request, report, lock);
    if (!report.status) break;
    ++report.taken;
    put_ = {request.log_offset + request.size, request.store_timestamp};
  }
  return report;
}

void QueueWriter::advance(DerivedUpTo end) {
  const std::lock_guard lock(mutex_);
  put_ = end;
}

// DefaultMessageStore.CommitLogDispatcherBuildConsumeQueue and ConsumeQueue.putMessagePositionInfoWrapper: a
// batch queue knows nothing of further queues.
Status QueueWriter::put_one(const DispatchRequest& request, PutReport& report, Lock& lock) {
  if (!request.enters_consume_queue()) return {};
  if (!is_usable(request, request.queue_id, request.queue_offset)) {
    ++report.unusable;
    return {};
  }
  const auto is_gone = [&](std::string_view topic) {
    return options_.deleted != nullptr && options_.deleted->covers(topic, request.log_offset);
  };
  if (!is_gone(request.topic)) {
    RMQ_TRY(queue, queue_for(request.topic, request.queue_id, report));
    if (queue == kNoQueue) return {};
    if (queues_.at(queue).batch) return append_batch(queue, request, report, lock);
    RMQ_CHECK(append_simple(queue, request.queue_offset, request, report, lock));
  }
  if (request.multi_queues.empty()) return {};
  MultiQueueReader further(request);
  while (const auto multi = further.next()) {
    if (!is_usable(request, multi->queue_id, multi->queue_offset)) {
      ++report.unusable;
      continue;
    }
    if (is_gone(multi->name)) continue;
    RMQ_TRY(other, queue_for(multi->name, multi->queue_id, report));
    if (other == kNoQueue || queues_.at(other).batch) continue;
    RMQ_CHECK(append_simple(other, multi->queue_offset, request, report, lock));
  }
  return {};
}

Result<QueueNumber> QueueWriter::queue_for(std::string_view topic, std::int32_t queue_id, PutReport& report) {
  QueueNumber queue = queues_.find(topic, queue_id);
  if (queue == kNoQueue) {
    if (!is_file_name(topic)) {
      ++report.unusable;
      return kNoQueue;
    }
    if (queues_.size() >= options_.queue_limit)
      return wrong_use("more than " + std::to_string(options_.queue_limit) + " queues");
    queue = queues_.add(topic, queue_id);
    settle_kind(queues_.at(queue));
  }
  QueueState& state = queues_.at(queue);
  if (state.forgotten) settle_kind(state);
  return state.unwanted ? kNoQueue : queue;
}

void QueueWriter::settle_kind(QueueState& state) const {
  state.forgotten = false;
  if (!options_.kind_of) return;
  const auto kind = options_.kind_of(queues_.topic(state), state.queue_id);
  state.unwanted = !kind;
  state.batch = kind == scan::QueueKind::batch;
}

void QueueWriter::report_hole(const QueueState& state, std::int64_t found, const DispatchRequest& request,
                              bool appended, PutReport& report) const {
  report.holes.push_back(
      {queues_.topic(state), state.queue_id, state.next_offset, found, request.log_offset, appended});
}

// The first unit of a queue: its first file begins where a multiple of the file size does, filled with blanks
// up to the unit (ConsumeQueue.fillPreBlank). Files without a unit may be there from before; only the first
// of them will do.
bool QueueWriter::begin_simple(QueueState& state, std::int64_t first) const {
  const std::int64_t position = first * unit_size(state);
  const std::int64_t file_start = position / file_size(state) * file_size(state);
  if (state.files_end == 0)
    state.files_end = file_start;
  else if (file_start != state.written * unit_size(state))
    return false;
  state.first = first;
  state.written = first;
  state.min_offset = first;
  state.next_offset = first;
  state.blank_start = position != file_start;
  return true;
}

Status QueueWriter::append_simple(QueueNumber queue, std::int64_t queue_offset,
                                  const DispatchRequest& request, PutReport& report, Lock& lock) {
  RMQ_CHECK(reserve(queue, 1, lock));
  QueueState& state = queues_.at(queue);
  if (request.log_offset + request.size <= state.max_physic) {
    ++report.already_there;
    return {};
  }
  if (state.first < 0 && !begin_simple(state, queue_offset)) {
    report_hole(state, queue_offset, request, false, report);
    return {};
  }
  if (queue_offset != state.next_offset) {
    const std::int64_t missing = queue_offset - state.next_offset;
    const bool fill = options_.holes == HoleRule::blank && missing > 0 &&
                      missing <= file_size(state) / unit_size(state) &&
                      blocks_missing(state, missing + 1) <= blocks_.limit();
    if (!fill) {
      report_hole(state, queue_offset, request, false, report);
      return {};
    }
    const std::int64_t expected = state.next_offset;
    RMQ_CHECK(reserve(queue, missing + 1, lock));
    if (state.next_offset != expected) return append_simple(queue, queue_offset, request, report, lock);
    report_hole(state, queue_offset, request, true, report);
    for (; state.next_offset < queue_offset; ++state.next_offset)
      format::kPreBlankEntry.store(add_unit(queue, request));
  }
  format::ConsumeQueueEntry{request.log_offset, request.size, request.tags_code}.store(
      add_unit(queue, request));
  ++state.next_offset;
  state.max_physic = request.log_offset + request.size;
  ++report.appended;
  return {};
}

// A batch queue begins with its first file, whatever its first queue offset: units are found by what they
// say.
Status QueueWriter::append_batch(QueueNumber queue, const DispatchRequest& request, PutReport& report,
                                 Lock& lock) {
  if (request.base_offset < 0 || request.base_offset > kLargestPosition || request.batch_size <= 0) {
    ++report.unusable;
    return {};
  }
  RMQ_CHECK(reserve(queue, 1, lock));
  QueueState& state = queues_.at(queue);
  if (request.log_offset <= state.max_physic) {
    ++report.already_there;
    return {};
  }
  if (state.first < 0) {
    state.first = state.written;
    state.min_offset = request.base_offset;
  } else if (request.base_offset != state.next_offset) {
    const bool in_order = request.base_offset > state.next_offset;
    report_hole(state, request.base_offset, request, in_order, report);
    if (!in_order) return {};
  }
  format::BatchConsumeQueueEntry entry;
  entry.commit_log_offset = request.log_offset;
  entry.size = request.size;
  entry.tags_code = request.tags_code;
  entry.store_timestamp = request.store_timestamp;
  entry.base_offset = request.base_offset;
  entry.batch_size = request.batch_size;
  entry.store(add_unit(queue, request));
  state.next_offset = request.base_offset + request.batch_size;
  state.max_physic = request.log_offset;
  ++report.appended;
  return {};
}

std::size_t QueueWriter::blocks_missing(const QueueState& state, std::int64_t units) const {
  const std::int64_t room = state.tail == kNoBlock ? 0 : units_in_block(state) - state.tail_units;
  if (units <= room) return 0;
  return static_cast<std::size_t>((units - room + units_in_block(state) - 1) / units_in_block(state));
}

Status QueueWriter::reserve(QueueNumber queue, std::int64_t units, Lock& lock) {
  while (blocks_missing(queues_.at(queue), units) > blocks_.limit() - blocks_.used()) {
    if (blocks_.limit() < blocks_missing(queues_.at(queue), units))
      return wrong_use("too little memory for the units of one message");
    lock.unlock();
    const auto step = write_out({options_.memory_limit / 8 + 1, 1024});
    lock.lock();
    if (!step) return step.error();
    // Nothing was left for this thread: others are writing it out.
    if (step->files == 0 && !under_way_.empty()) changed_.wait(lock);
  }
  return {};
}

std::byte* QueueWriter::add_unit(QueueNumber queue, const DispatchRequest& request) {
  QueueState& state = queues_.at(queue);
  if (state.tail == kNoBlock || state.tail_units == units_in_block(state)) {
    const BlockNumber block = *blocks_.take();
    (state.tail == kNoBlock ? state.head : blocks_.at(state.tail).next) = block;
    state.tail = block;
    state.tail_units = 0;
    if (state.chain) {
      state.chain->push_back(block);
    } else if (state.waiting_units > kLongChain * units_in_block(state)) {
      state.chain = std::make_unique<std::deque<BlockNumber>>();
      for (BlockNumber each = state.head; each != kNoBlock; each = blocks_.at(each).next)
        state.chain->push_back(each);
    }
  }
  if (!state.is_dirty) {
    state.is_dirty = true;
    state.dirty.since = {request.log_offset, request.store_timestamp};
    dirty_.insert(queue);
  }
  ++state.waiting_units;
  return blocks_.at(state.tail).bytes + state.tail_units++ * unit_size(state);
}

QueueWriter::Place QueueWriter::place_of(const QueueState& state, std::int64_t unit) const {
  const std::int64_t index = state.head_skip + (unit - state.written);
  std::int64_t walk = index / units_in_block(state);
  Place place{state.head, index % units_in_block(state)};
  if (state.chain) {
    place.block = (*state.chain)[static_cast<std::size_t>(walk)];
  } else {
    for (; walk > 0; --walk) place.block = blocks_.at(place.block).next;
  }
  return place;
}

void QueueWriter::copy_units(const QueueState& state, std::int64_t unit, std::int64_t count,
                             std::byte* out) const {
  Place place = place_of(state, unit);
  while (count > 0) {
    const std::int64_t run = std::min(count, units_in_block(state) - place.index);
    const auto bytes = static_cast<std::size_t>(run * unit_size(state));
    std::memcpy(out, blocks_.at(place.block).bytes + place.index * unit_size(state), bytes);
    out += bytes;
    count -= run;
    place = {blocks_.at(place.block).next, 0};
  }
}

std::optional<scan::QueueKind> QueueWriter::kind_of(std::string_view topic, std::int32_t queue_id) const {
  {
    const std::lock_guard lock(mutex_);
    const QueueNumber queue = queues_.find(topic, queue_id);
    if (queue != kNoQueue && queues_.at(queue).is_there())
      return queues_.at(queue).batch ? scan::QueueKind::batch : scan::QueueKind::simple;
  }
  return options_.kind_of ? options_.kind_of(topic, queue_id) : scan::QueueKind::simple;
}

std::optional<QueueRange> QueueWriter::range(std::string_view topic, std::int32_t queue_id) const {
  const std::lock_guard lock(mutex_);
  const QueueNumber queue = queues_.find(topic, queue_id);
  if (queue == kNoQueue || !queues_.at(queue).is_there()) return std::nullopt;
  const QueueState& state = queues_.at(queue);
  QueueRange range{state.batch,      state.first,       state.end(),
                   state.min_offset, state.next_offset, state.max_physic};
  if (state.first < 0) range.first = range.end = range.min_offset = range.next_offset = 0;
  return range;
}

Result<std::size_t> QueueWriter::read(std::string_view topic, std::int32_t queue_id, std::int64_t unit,
                                      std::span<std::byte> out) const {
  std::string path;
  std::int64_t position = 0;
  std::int64_t size = 0;
  ReadFiles::Place place;
  {
    const std::lock_guard lock(mutex_);
    const QueueNumber queue = queues_.find(topic, queue_id);
    if (queue == kNoQueue) return std::size_t{0};
    const QueueState& state = queues_.at(queue);
    if (state.first < 0 || unit < state.first || unit >= state.end()) return std::size_t{0};
    size = unit_size(state);
    const auto wanted = static_cast<std::int64_t>(out.size()) / size;
    if (unit >= state.written) {
      const std::int64_t count = std::min(wanted, state.end() - unit);
      copy_units(state, unit, count, out.data());
      return static_cast<std::size_t>(count);
    }
    const std::int64_t file_start = unit * size / file_size(state) * file_size(state);
    position = unit * size - file_start;
    out = out.first(static_cast<std::size_t>(
        std::min({wanted * size, (state.written - unit) * size, file_size(state) - position})));
    place = read_files_.find(queue, file_start);
    if (!place.file) path = path_of(state, file_start);
  }
  if (!place.file) {
    auto opened = files_.open(path);
    if (!opened) {
      const auto now = range(topic, queue_id);
      if (!now || unit < now->first) return std::size_t{0};  // expired or forgotten since
      return opened.error();
    }
    place.file = std::move(*opened);
    const std::lock_guard lock(mutex_);
    read_files_.keep(place);
  }
  RMQ_TRY(got, place.file->read_at(position, out));
  return got / static_cast<std::size_t>(size);
}

Result<std::optional<std::int64_t>> QueueWriter::find_batch(std::string_view topic, std::int32_t queue_id,
                                                            std::int64_t queue_offset) const {
  const auto found = range(topic, queue_id);
  if (!found || !found->batch || queue_offset < found->min_offset || queue_offset >= found->next_offset)
    return std::optional<std::int64_t>();
  std::int64_t low = found->first;
  std::int64_t high =
      found->end;  // of the units in [low, high), the last whose base is not above queue_offset
  format::BatchConsumeQueueEntry entry;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    std::byte bytes[format::kBatchConsumeQueueEntrySize];
    RMQ_TRY(got, read(topic, queue_id, middle, bytes));
    if (got == 0) return std::optional<std::int64_t>();  // expired or forgotten since
    const auto unit = format::BatchConsumeQueueEntry::load(bytes);
    if (unit.base_offset <= queue_offset) {
      entry = unit;
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == found->first || queue_offset - entry.base_offset >= entry.batch_size)
    return std::optional<std::int64_t>();
  return std::optional<std::int64_t>(low - 1);
}

void QueueWriter::expire(std::string_view topic, std::int32_t queue_id, std::int64_t first,
                         std::int64_t min_offset) {
  const std::lock_guard lock(mutex_);
  const QueueNumber queue = queues_.find(topic, queue_id);
  if (queue == kNoQueue) return;
  QueueState& state = queues_.at(queue);
  if (state.first < 0 || first <= state.first) return;
  state.first = std::min(first, state.end());
  state.min_offset = std::min(min_offset, state.next_offset);
  read_files_.drop(queue);
}

void QueueWriter::forget(std::string_view topic, std::int32_t queue_id) {
  Lock lock(mutex_);
  const QueueNumber queue = queues_.find(topic, queue_id);
  if (queue == kNoQueue) return;
  QueueState& state = queues_.at(queue);
  changed_.wait(lock, [&] { return !state.being_written && state.syncs == 0; });
  if (state.is_dirty) dirty_.remove(queue);
  if (state.is_unsynced) unsynced_.remove(queue);
  read_files_.drop(queue);
  drop_units(state, state.waiting_units);
  const std::uint32_t name = state.topic;
  state = QueueState();
  state.topic = name;
  state.queue_id = queue_id;
  state.forgotten = true;
}

QueueWriter::NeededFile QueueWriter::first_needed_file(std::string_view topic, std::int32_t queue_id) const {
  const std::lock_guard lock(mutex_);
  const QueueNumber queue = queues_.find(topic, queue_id);
  if (queue == kNoQueue) return {};
  const QueueState& state = queues_.at(queue);
  NeededFile needed{directory_of(state), 0, file_size(state)};
  // A file that is written or synced just now is opened by its path.
  if (state.first < 0 || state.being_written || state.syncs > 0) return needed;
  const std::int64_t unit = std::max<std::int64_t>(std::min(state.first, state.written - 1), 0);
  needed.start = unit * unit_size(state) / needed.file_size * needed.file_size;
  return needed;
}

std::string QueueWriter::directory_of(std::string_view topic, std::int32_t queue_id) const {
  const std::lock_guard lock(mutex_);
  const QueueNumber queue = queues_.find(topic, queue_id);
  return queue == kNoQueue ? std::string() : directory_of(queues_.at(queue));
}

std::vector<QueueWriter::QueueName> QueueWriter::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<QueueName> names;
  names.reserve(queues_.size());
  for (QueueNumber queue = 0; queue < queues_.size(); ++queue) {
    const QueueState& state = queues_.at(queue);
    if (state.is_there()) names.push_back({queues_.topic(state), state.queue_id});
  }
  return names;
}

std::string QueueWriter::path_of_unit(std::string_view topic, std::int32_t queue_id,
                                      std::int64_t unit) const {
  const std::lock_guard lock(mutex_);
  const QueueNumber queue = queues_.find(topic, queue_id);
  if (queue == kNoQueue || unit < 0) return {};
  const QueueState& state = queues_.at(queue);
  return path_of(state, unit * unit_size(state) / file_size(state) * file_size(state));
}

QueueWriter::Usage QueueWriter::usage() const {
  const std::lock_guard lock(mutex_);
  return {queues_.size(), static_cast<std::int64_t>(blocks_.used() * sizeof(UnitBlock)),
          static_cast<std::int64_t>(blocks_.limit() * sizeof(UnitBlock))};
}

}  // namespace rmq::derive
