#include "libstore/engine/message_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>

#include "libstore/base/parallel.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/derive/queue_tail.h"
#include "libstore/format/abort_file.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/format/store_lock.h"
#include "libstore/format/sys_flag.h"
#include "libstore/recovery/apply.h"
#include "libstore/scan/index_geometry.h"

namespace rmq::engine {
namespace {

constexpr std::int32_t kRecordOverhead = 64 << 10;  // MessageExtEncoder: maxMessageSize is of the body
constexpr std::size_t kDispatchBlock = 1 << 20;

// A message as it will be written, before it has a place.
struct Prepared {
  std::int32_t size = 0;
  std::int32_t crc = 0;
  std::int32_t count = 1;  // queue offsets that it takes
  std::int8_t version = 1;
  bool enters_queue = true;
};

// What a put needs while it runs, kept by each thread so that no put allocates.
struct PutScratch {
  std::vector<Prepared> prepared;
  std::vector<CommitLog::Extent> extents;
  std::vector<std::size_t> extent_ends;  // index behind the last message of each extent
};
PutScratch& scratch() {
  thread_local PutScratch mine;
  mine.prepared.clear();
  mine.extents.clear();
  mine.extent_ends.clear();
  return mine;
}

// MessageExtEncoder.encode, HookUtils.checkBeforePutMessage. An inner batch takes as many queue offsets as
// INNER_NUM says.
PutStatus prepare(const format::MessageView& message, std::int32_t max_message_size, Prepared& prepared) {
  if (message.topic.empty()) return PutStatus::message_illegal;
  if (message.properties.size() > 32767U) return PutStatus::properties_size_exceeded;
  if (message.body.size() > static_cast<std::size_t>(max_message_size)) return PutStatus::message_illegal;
  format::MessageView shaped = message;
  shaped.version = prepared.version = message.topic.size() > 127 ? 2 : 1;  // autoMessageVersionOnTopicLen
  const auto size = format::encoded_size(shaped);
  if (!size || *size > max_message_size + kRecordOverhead) return PutStatus::message_illegal;
  prepared.size = *size;
  prepared.crc = message.body.empty() ? 0 : java_crc32(message.body);
  prepared.enters_queue = format::enters_consume_queue(message.sys_flag);
  prepared.count = 1;
  if ((message.sys_flag & format::kSysFlagInnerBatch) != 0) {
    const auto number = format::find_property(message.properties, format::kPropertyInnerNum);
    if (number && (!format::parse_java_int(*number, prepared.count) || prepared.count < 1))
      return PutStatus::message_illegal;
  }
  return PutStatus::put_ok;
}

PutStatus status_of(const Error& error) {
  if (error.code == ErrorCode::wrong_use) return PutStatus::message_illegal;  // larger than a file
  return error.os_errno == ENOSPC || error.os_errno == EDQUOT ? PutStatus::create_mapped_file_failed
                                                              : PutStatus::service_not_available;
}

// What lies in the directory of a store that was killed before its first file was there.
bool comes_before_the_store(const io::DirectoryEntry& entry) {
  return entry.name == format::kStoreLockFileName || entry.name == recovery::kLostAndFound ||
         entry.name == format::kAbortFileName ||
         entry.name.starts_with("." + std::string(format::kAbortFileName));
}

bool has_key(std::span<const std::byte> record, std::string_view topic, std::string_view key) {
  const auto message = format::MessageView::parse(record);
  if (!message || message->topic != topic) return false;
  const format::StoreProperties properties = format::store_properties(message->properties);
  bool has = properties.uniq_key == key;
  format::for_each_key(properties.keys.value_or(""), [&](std::string_view one) { has = has || one == key; });
  return has;
}

}  // namespace

std::size_t MessageStore::QueueKeyHash::operator()(const QueueKeyView& key) const {
  return std::hash<std::string_view>{}(key.topic) ^
         (static_cast<std::size_t>(key.queue_id) * std::size_t{0x9E3779B97F4A7C15U});
}

std::int64_t& MessageStore::next_offset(std::string_view topic, std::int32_t queue_id) {
  const auto known = next_offsets_.find(QueueKeyView{topic, queue_id});
  if (known != next_offsets_.end()) return known->second;
  // The first message since the store was opened: what was there then has all been dispatched.
  const auto range = queues_->range(topic, queue_id);
  return next_offsets_.emplace(QueueKey{std::string(topic), queue_id}, range ? range->next_offset : 0)
      .first->second;
}

PutResult MessageStore::put(const format::MessageView& message) {
  PutResult result;
  put({&message, 1}, {&result, 1});
  return result;
}

void MessageStore::put(std::span<const format::MessageView> messages, std::span<PutResult> results) {
  PutScratch& work = scratch();
  work.prepared.resize(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    results[i] = {};
    results[i].status = closed_.load(std::memory_order_acquire)
                            ? PutStatus::service_not_available
                            : prepare(messages[i], options_.max_message_size, work.prepared[i]);
    results[i].size = work.prepared[i].size;
  }
  const bool all_fit = std::ranges::all_of(results, &PutResult::ok);
  if (!all_fit) {  // all or none: a batch is one send
    for (PutResult& result : results) {
      if (result.ok()) result.status = PutStatus::message_illegal;
    }
    return;
  }
  std::size_t placed = 0;
  {
    const std::lock_guard lock(append_mutex_);
    last_store_timestamp_ = std::max(last_store_timestamp_, options_.clock->now_ms());
    while (placed < messages.size()) {
      // As many as fit into the file at hand, at least one.
      std::int64_t total = work.prepared[placed].size;
      std::size_t end = placed + 1;
      for (const std::int64_t room = log_->room();
           end < messages.size() && total + work.prepared[end].size <= room; ++end) {
        total += work.prepared[end].size;
      }
      auto extent = log_->reserve(total);
      if (!extent) {
        for (std::size_t i = placed; i < messages.size(); ++i) results[i].status = status_of(extent.error());
        break;
      }
      std::int64_t offset = extent->offset;
      for (; placed < end; ++placed) {
        PutResult& result = results[placed];
        result.log_offset = offset;
        result.store_timestamp = last_store_timestamp_;
        offset += work.prepared[placed].size;
        if (!work.prepared[placed].enters_queue) continue;
        std::int64_t& next = next_offset(messages[placed].topic, messages[placed].queue_id);
        result.queue_offset = next;
        next += work.prepared[placed].count;
      }
      work.extents.push_back(std::move(*extent));
      work.extent_ends.push_back(end);
    }
  }
  std::size_t i = 0;
  for (std::size_t e = 0; e < work.extents.size(); ++e) {
    std::span<std::byte> out = work.extents[e].bytes;
    for (; i < work.extent_ends[e]; ++i) {
      format::MessageView record = messages[i];
      record.version = work.prepared[i].version;
      record.body_crc = work.prepared[i].crc;
      record.queue_offset = results[i].queue_offset;
      record.physical_offset = results[i].log_offset;
      record.store_timestamp = results[i].store_timestamp;
      const auto size = static_cast<std::size_t>(work.prepared[i].size);
      format::encode_into(record, out.first(size));
      out = out.subspan(size);
    }
    log_->complete(work.extents[e]);
    work.extents[e].owner.reset();
  }
  if (placed == 0) return;
  const std::int64_t end = results[placed - 1].log_offset + results[placed - 1].size;
  log_->wait_written(end);
  if (options_.flush == FlushDiskType::sync_flush && !log_->flush_to(end)) {
    for (std::size_t k = 0; k < placed; ++k) results[k].status = PutStatus::flush_disk_timeout;
  }
  // In line with the append. Whoever finds the dispatcher at work leaves it to that one, who looks again at
  // the end; a reader that cannot wait catches up itself.
  while (dispatched_.load(std::memory_order_acquire) < visible()) {
    const std::unique_lock lock(dispatch_mutex_, std::try_to_lock);
    if (!lock.owns_lock() || !dispatch_locked(visible())) break;
  }
  constexpr int kWakeStep = 23;  // every 8 MiB
  if ((results.front().log_offset >> kWakeStep) != (end >> kWakeStep)) work_wanted_.notify_all();
}

std::int64_t MessageStore::visible() const {
  return options_.flush == FlushDiskType::sync_flush ? log_->durable() : log_->written();
}

// ---- dispatch ----

Status MessageStore::catch_up() {
  if (dispatched_.load(std::memory_order_acquire) >= visible()) return {};
  const std::lock_guard lock(dispatch_mutex_);
  return dispatch_locked(visible());
}

Status MessageStore::dispatch_locked(std::int64_t to) {
  while (dispatched_.load(std::memory_order_relaxed) < to) {
    RMQ_TRY(end, dispatch_block(dispatched_.load(std::memory_order_relaxed), to));
    dispatched_.store(end, std::memory_order_release);
    queues_->advance({end, dispatched_timestamp_.load(std::memory_order_relaxed)});
    log_->forget_before(end);
  }
  return {};
}

// Dispatches whole records from `from` on, up to the end of their file or of what is at hand. Returns where
// it stopped.
Result<std::int64_t> MessageStore::dispatch_block(std::int64_t from, std::int64_t to) {
  const std::int64_t file_size = report_.plan.commit_log_file_size;
  const std::int64_t file_end = from / file_size * file_size + file_size;
  CommitLog::View view = log_->view(from, std::min(to, file_end));
  std::span<const std::byte> bytes = view.bytes;
  if (bytes.empty()) {
    std::size_t wanted = kDispatchBlock;
    while (true) {
      read_buffer_.resize(std::max(read_buffer_.size(), wanted));
      RMQ_TRY(got, log_->read(from, std::span(read_buffer_).first(wanted)));
      bytes = std::span(read_buffer_).first(got);
      if (got < sizeof(std::int32_t)) return wrong_use(fmt::format("the log has no record at {}", from));
      const auto size = static_cast<std::size_t>(load_be<std::uint32_t>(bytes.data()));
      const bool blank =
          got >= format::kBlankSize && load_be<std::int32_t>(bytes.data() + 4) == format::kMagicBlank;
      if (blank || size <= got || got < wanted) break;
      wanted = size;
    }
  }
  requests_.clear();
  std::int64_t at = from;
  format::MessageView message;
  std::int64_t newest = dispatched_timestamp_.load(std::memory_order_relaxed);
  constexpr std::size_t kMostRequests = 256;
  while (bytes.size() >= format::kBlankSize && requests_.size() < kMostRequests) {
    if (load_be<std::int32_t>(bytes.data() + format::kRecordMagicOffset) == format::kMagicBlank) {
      at = file_end;
      break;
    }
    const auto size = static_cast<std::size_t>(load_be<std::uint32_t>(bytes.data()));
    if (size > bytes.size()) break;
    if (format::MessageView::decode(bytes, message))
      return wrong_use(fmt::format("the log has no record at {}", at));
    const auto request = derive::dispatch_request(message, at, rules_);
    // Stock stops at such a record for good; ours leaves it in the log and in no queue.
    if (request) requests_.push_back(*request);
    newest = std::max(newest, message.store_timestamp);
    at += message.total_size;
    bytes = bytes.subspan(size);
  }
  if (at == from) return wrong_use(fmt::format("the log has no record at {}", from));
  std::span<const derive::DispatchRequest> rest = requests_;
  const derive::PutReport report = queues_->put(rest);
  if (report.taken < rest.size()) return report.status.error();
  if (index_) {
    keys_.clear();
    for (const derive::DispatchRequest& request : rest) keys_.add(request);
    if (const auto indexed = index_->put(keys_); !indexed.status) return indexed.status.error();
  }
  dispatched_timestamp_.store(newest, std::memory_order_release);
  return at;
}

// ---- reading ----

std::optional<std::int64_t> MessageStore::min_offset(std::string_view topic, std::int32_t queue_id) const {
  const auto range = queues_->range(topic, queue_id);
  if (!range) return std::nullopt;
  return range->min_offset;
}

std::optional<std::int64_t> MessageStore::max_offset(std::string_view topic, std::int32_t queue_id) const {
  const auto range = queues_->range(topic, queue_id);
  if (!range) return std::nullopt;
  return range->next_offset;
}

Result<std::vector<std::byte>> MessageStore::look_up(std::int64_t log_offset) const {
  std::vector<std::byte> record(format::kMinRecordSize);
  RMQ_TRY(head, log_->read(log_offset, record));
  if (head < record.size()) return std::vector<std::byte>();
  const auto size = load_be<std::int32_t>(record.data());
  if (size < format::kMinRecordSize || size > format::kMaxRecordSize) return std::vector<std::byte>();
  record.resize(static_cast<std::size_t>(size));
  RMQ_TRY(got, log_->read(log_offset, record));
  const auto message = format::MessageView::parse(std::span(record).first(got));
  if (!message || message->physical_offset != log_offset) return std::vector<std::byte>();
  return record;
}

// IndexFile.selectPhyOffset, file by file from the newest. Hashes collide, so the messages are asked.
Result<std::vector<std::int64_t>> MessageStore::query(std::string_view topic, std::string_view key,
                                                      std::size_t most) {
  RMQ_CHECK(catch_up());
  std::vector<std::int64_t> found;
  const std::int32_t hash = format::index_key_hash(topic, key);
  RMQ_TRY(names, files_.list(index_directory_));
  for (auto entry = names.rbegin(); entry != names.rend() && found.size() < most; ++entry) {
    if (!format::parse_index_file_name(entry->name)) continue;
    RMQ_TRY(file, files_.open(io::join_path(index_directory_, entry->name)));
    std::array<std::byte, format::kIndexSlotSize> slot{};
    RMQ_TRY(got, file->read_at(format::index_slot_position(hash % index_slots_), slot));
    std::int64_t number = got < slot.size() ? 0 : load_be<std::int32_t>(slot.data());
    while (number > 0 && found.size() < most) {
      std::array<std::byte, format::kIndexEntrySize> bytes{};
      RMQ_TRY(read, file->read_at(format::index_entry_position(index_slots_, number), bytes));
      if (read < bytes.size()) break;
      const auto one = format::IndexEntry::load(bytes.data());
      if (one.key_hash == hash) {
        RMQ_TRY(record, look_up(one.phy_offset));
        if (has_key(record, topic, key)) found.push_back(one.phy_offset);
      }
      if (one.prev_index >= number) break;  // chains lead to older entries only
      number = one.prev_index;
    }
  }
  return found;
}

// DefaultMessageStore.getMessage.
Result<GetResult> MessageStore::get(std::string_view topic, std::int32_t queue_id, std::int64_t queue_offset,
                                    const GetOptions& options) {
  RMQ_CHECK(catch_up());
  GetResult result;
  const auto range = queues_->range(topic, queue_id);
  if (!range) return result;
  result.min_offset = range->min_offset;
  result.max_offset = range->next_offset;
  if (result.max_offset == 0) {
    result.status = GetStatus::no_message_in_queue;
    return result;
  }
  if (queue_offset < result.min_offset) {
    result.status = GetStatus::offset_too_small;
    result.next_begin_offset = result.min_offset;
    return result;
  }
  if (queue_offset >= result.max_offset) {
    result.status =
        queue_offset == result.max_offset ? GetStatus::offset_overflow_one : GetStatus::offset_overflow_badly;
    result.next_begin_offset = result.max_offset;
    return result;
  }
  result.status = GetStatus::no_matched_message;
  result.next_begin_offset = queue_offset;
  std::int64_t unit = queue_offset;
  if (range->batch) {
    RMQ_TRY(found, queues_->find_batch(topic, queue_id, queue_offset));
    if (!found) {
      result.status = GetStatus::offset_found_null;
      return result;
    }
    unit = *found;
  }
  const std::size_t unit_size =
      range->batch ? format::kBatchConsumeQueueEntrySize : format::kConsumeQueueEntrySize;
  constexpr std::size_t kMaxFilterMessageSize =
      16'000;  // maxFilterMessageSize: bytes of units that one get looks at
  std::vector<std::byte> units(kMaxFilterMessageSize / unit_size * unit_size);
  RMQ_TRY(count, queues_->read(topic, queue_id, unit, units));
  if (count == 0) result.status = GetStatus::offset_found_null;
  std::int32_t taken = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* at = units.data() + i * unit_size;
    std::int64_t log_offset = 0;
    std::int32_t size = 0;
    std::int64_t tags = 0;
    std::int64_t offset = unit + static_cast<std::int64_t>(i);
    std::int32_t messages = 1;
    if (range->batch) {
      const auto entry = *format::BatchConsumeQueueEntry::parse({at, unit_size});
      log_offset = entry.commit_log_offset;
      size = entry.size;
      tags = entry.tags_code;
      offset = entry.base_offset;
      messages = entry.batch_size;
    } else {
      const auto entry = format::ConsumeQueueEntry::load(at);
      log_offset = entry.commit_log_offset;
      size = entry.size;
      tags = entry.tags_code;
    }
    if (taken > 0 &&
        (taken + messages > options.max_messages || std::ssize(result.bytes) + size > options.max_bytes)) {
      break;
    }
    result.next_begin_offset = offset + messages;
    if (options.wants && !options.wants(tags)) continue;
    const std::size_t position = result.bytes.size();
    result.bytes.resize(position + static_cast<std::size_t>(size));
    RMQ_TRY(got, log_->read(log_offset, std::span(result.bytes).subspan(position)));
    if (got < static_cast<std::size_t>(size)) {
      result.bytes.resize(position);
      if (taken == 0) result.status = GetStatus::message_was_removing;
      continue;
    }
    result.messages.push_back({offset, position, static_cast<std::size_t>(size)});
    result.status = GetStatus::found;
    taken += messages;
  }
  return result;
}

// ---- flushing ----

Status MessageStore::flush_log() {
  const std::int64_t newest = dispatched_timestamp_.load(std::memory_order_acquire);
  RMQ_CHECK(log_->flush());
  const std::lock_guard lock(checkpoint_mutex_);
  checkpoint_.physic_msg_timestamp = std::max(checkpoint_.physic_msg_timestamp, newest);
  return {};
}

Status MessageStore::flush_derived() {
  RMQ_CHECK(queues_->flush());
  if (index_) RMQ_CHECK(index_->sync());
  return save_checkpoint();
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
  return flush();
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

// Errors are kept by the log and the queues, and told to whoever puts or closes.
void MessageStore::run_flusher() {
  std::int64_t next_derived = options_.clock->now_ms() + options_.queue_flush_interval_ms;
  std::int64_t next_log = options_.clock->now_ms() + options_.flush_interval_ms;
  while (wait_for_work(std::min<std::int64_t>(options_.flush_interval_ms, 50))) {
    (void)catch_up();
    const std::int64_t now = options_.clock->now_ms();
    if (now >= next_log) {
      (void)flush_log();
      next_log = now + options_.flush_interval_ms;
    }
    if (now >= next_derived) {
      if (flush_log()) (void)flush_derived();
      next_derived = now + options_.queue_flush_interval_ms;
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
  if (preparer_.joinable()) preparer_.join();
  if (flusher_.joinable()) flusher_.join();
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
  RMQ_CHECK(files_.make_directories(root_));
  RMQ_TRY(lock, files_.lock(io::join_path(root_, format::kStoreLockFileName)));
  lock_ = std::move(lock);
  RMQ_TRY(found, survey());
  RMQ_CHECK(recover(found));
  const std::string pid = std::to_string(::getpid());
  RMQ_CHECK(files_.replace(io::join_path(root_, format::kAbortFileName), as_bytes(pid)));
  RMQ_CHECK(open_checkpoint());
  RMQ_CHECK(open_log(found));
  RMQ_CHECK(open_queues(found));
  RMQ_CHECK(open_index(found));
  RMQ_CHECK(catch_up());
  report_.survey = std::move(found);
  report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  if (options_.background) {
    preparer_ = std::thread([this] { run_preparer(); });
    flusher_ = std::thread([this] { run_flusher(); });
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

Status MessageStore::recover(const scan::StoreSurvey& survey) {
  recovery::PlanOptions plan;
  plan.depth = options_.check;
  plan.jobs = options_.jobs;
  RMQ_TRY(made, recovery::make_plan(files_, survey, plan));
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
  return recovery::apply(files_, root_, report_.plan, options_.clock->now_ms());
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
  options.directories = survey.config.commit_log_directories;
  if (options.directories.empty()) options.directories.push_back(io::join_path(root_, "commitlog"));
  for (const std::string& directory : options.directories) RMQ_CHECK(files_.make_directories(directory));
  std::vector<CommitLogFile> existing;
  for (const scan::MappedFile& file : survey.commit_log.files) existing.push_back({file.start, file.path});
  RMQ_TRY(log, CommitLog::open(files_, std::move(options), std::move(existing), report_.plan.log_end));
  log_ = std::move(log);
  dispatched_ = report_.plan.dispatch_from;
  return {};
}

Status MessageStore::open_queues(const scan::StoreSurvey& survey) {
  const recovery::Plan& plan = report_.plan;
  derive::QueueWriterOptions options;
  options.simple_directory = survey.config.consume_queue_directory.empty()
                                 ? io::join_path(root_, "consumequeue")
                                 : survey.config.consume_queue_directory;
  options.batch_directory = io::join_path(root_, "batchconsumequeue");
  const scan::StoreConfig& wished = options_.config;
  if (wished.consume_queue_file_size) options.simple_file_size = *wished.consume_queue_file_size;
  if (wished.batch_consume_queue_file_size) options.batch_file_size = *wished.batch_consume_queue_file_size;
  for (const scan::Queue& queue : survey.queues) {
    if (queue.files.file_size == 0) continue;
    (queue.kind == scan::QueueKind::batch ? options.batch_file_size : options.simple_file_size) =
        queue.files.file_size;
  }
  queues_ = std::make_unique<derive::QueueWriter>(files_, std::move(options));
  // Units of messages that are dispatched again do not count: after a power loss any of them may be missing.
  derive::TailBounds bounds;
  bounds.log_begin = plan.log_begin;
  if (!plan.was_closed_cleanly) bounds.log_end = plan.dispatch_from;
  std::vector<Result<derive::QueueTail>> tails(survey.queues.size(), wrong_use("not looked at"));
  parallel_for(options_.jobs, survey.queues.size(), {}, [&](std::size_t, std::size_t i) {
    tails[i] = derive::find_queue_tail(files_, survey.queues[i], bounds);
  });
  for (std::size_t i = 0; i < survey.queues.size(); ++i) {
    if (!tails[i]) return std::move(tails[i]).error();
    RMQ_CHECK(queues_->add_queue(survey.queues[i].topic, survey.queues[i].queue_id, *tails[i]));
  }
  queues_->advance({plan.dispatch_from, checkpoint_.logics_msg_timestamp});
  return {};
}

Status MessageStore::open_index(const scan::StoreSurvey& survey) {
  index_directory_ =
      survey.config.index_directory.empty() ? io::join_path(root_, "index") : survey.config.index_directory;
  if (!survey.config.message_index_enable) return {};
  std::vector<scan::IndexFileInfo> existing;
  for (const scan::IndexFileInfo& info : survey.index_files) {
    const auto is_it = [&](const recovery::MoveAside& moved) { return moved.path == info.path; };
    if (std::ranges::none_of(report_.plan.move, is_it)) existing.push_back(info);
  }
  derive::IndexWriterOptions options;
  options.directory = index_directory_;
  options.local_time_ms = [clock = options_.clock] {
    const std::int64_t now = clock->now_ms();
    const std::time_t seconds = now / 1000;
    std::tm local{};
    ::localtime_r(&seconds, &local);
    return now + local.tm_gmtoff * 1000;
  };
  if (options_.config.index_slots) options.slots = *options_.config.index_slots;
  if (options_.config.index_entries) options.entries = *options_.config.index_entries;
  if (const auto geometries = scan::infer_index_geometries(files_, survey);
      !geometries.empty() && geometries.back().known()) {
    options.slots = static_cast<std::int32_t>(geometries.back().slots);
    options.entries = static_cast<std::int32_t>(geometries.back().entries);
  }
  index_slots_ = options.slots;
  RMQ_CHECK(files_.make_directories(index_directory_));
  RMQ_TRY(index, derive::IndexWriter::open(files_, std::move(options), existing));
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
