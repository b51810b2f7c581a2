// MessageStore's way out.
#include <algorithm>
#include <array>

#include "libstore/bytes/big_endian.h"
#include "libstore/engine/message_store.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/format/message_properties.h"
#include "libstore/scan/index_file_reader.h"

namespace rmq::engine {
namespace {

bool has_key(std::span<const std::byte> record, std::string_view topic, std::string_view key) {
  const auto message = format::MessageView::parse(record);
  if (!message || message->topic != topic) return false;
  const format::StoreProperties properties = format::store_properties(message->properties);
  bool has = properties.uniq_key == key;
  format::for_each_key(properties.keys.value_or(""), [&](std::string_view one) { has = has || one == key; });
  return has;
}

bool is_within(std::span<const std::byte> record, const QueryOptions& options) {
  const auto message = format::MessageView::parse(record);
  return message && message->store_timestamp >= options.since_ms &&
         message->store_timestamp <= options.until_ms;
}

constexpr std::int64_t kMostUnits = 300'000;    // that one call looks at: a file of a consume queue
constexpr std::int64_t kWorthAFile = 16 << 10;  // from here on the kernel's own copy is the cheaper one

// A queue's units, read piece by piece as far as one get looks.
class UnitReader {
 public:
  UnitReader(const derive::QueueWriter& queues, std::string_view topic, std::int32_t queue_id, bool batch,
             std::int64_t unit, std::size_t at_once)
      : queues_(queues),
        topic_(topic),
        queue_id_(queue_id),
        batch_(batch),
        unit_(unit),
        at_once_(std::clamp<std::size_t>(at_once, 1, kMostAtOnce)) {}

  // Nothing: there is none, now.
  [[nodiscard]] Result<std::optional<QueueUnit>> next() {
    if (at_ == count_) {
      RMQ_TRY(got, queues_.read(topic_, queue_id_, unit_, std::span(bytes_).first(at_once_ * unit_size())));
      count_ = got;
      at_ = 0;
      if (got == 0) return std::optional<QueueUnit>();
    }
    const std::byte* at = bytes_.data() + at_++ * unit_size();
    const std::int64_t number = unit_++;
    if (!batch_) {
      const auto entry = format::ConsumeQueueEntry::load(at);
      return std::optional(QueueUnit{number, entry.commit_log_offset, entry.size, 1, entry.tags_code});
    }
    const auto entry = format::BatchConsumeQueueEntry::load(at);
    return std::optional(
        QueueUnit{entry.base_offset, entry.commit_log_offset, entry.size, entry.batch_size, entry.tags_code});
  }
  [[nodiscard]] std::size_t unit_size() const {
    return batch_ ? format::kBatchConsumeQueueEntrySize : format::kConsumeQueueEntrySize;
  }

 private:
  static constexpr std::size_t kMostAtOnce = 64;
  const derive::QueueWriter& queues_;
  std::string_view topic_;
  std::int32_t queue_id_;
  bool batch_;
  std::int64_t unit_;
  std::size_t at_once_;
  std::size_t at_ = 0;
  std::size_t count_ = 0;
  std::array<std::byte, kMostAtOnce * format::kBatchConsumeQueueEntrySize> bytes_;
};

// DefaultMessageStore.isTheBatchFull.
bool is_full(const GetOptions& options, std::int32_t messages, std::int64_t bytes, const QueueUnit& next,
             std::int64_t behind) {
  if (messages == 0) return false;
  const TransferLimit& limit = behind <= options.in_memory_bytes ? options.in_memory : options.on_disk;
  return messages + next.messages > options.max_messages || messages >= limit.messages ||
         bytes + next.size > std::min(options.max_bytes, limit.bytes);
}

}  // namespace

struct MessageStore::Wanted {
  std::int64_t queue_offset = 0;
  std::int64_t log_offset = 0;
  std::int32_t size = 0;
  std::int32_t messages = 1;

  // How many of `wanted` lie behind each other without a gap.
  static std::size_t together(std::span<const Wanted> wanted) {
    std::size_t count = 1;
    while (count < wanted.size() &&
           wanted[count].log_offset == wanted[count - 1].log_offset + wanted[count - 1].size)
      ++count;
    return count;
  }
  // How many of `wanted` are read in one go: those whose neighbours' messages between them are not much more
  // than their own, for a read that is too long costs less than many.
  static std::size_t run_of(std::span<const Wanted> wanted) {
    constexpr std::int64_t kWorthIt = 32 << 10;
    std::size_t count = 1;
    std::int64_t own = wanted[0].size;
    for (; count < wanted.size(); ++count) {
      const Wanted& next = wanted[count];
      if (next.log_offset <= wanted[count - 1].log_offset) break;
      own += next.size;
      if (next.log_offset + next.size - wanted[0].log_offset > own + std::max(kWorthIt, 3 * own)) break;
    }
    return count;
  }
  static std::int64_t length(std::span<const Wanted> run) {
    return run.back().log_offset + run.back().size - run.front().log_offset;
  }
};

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

Result<std::optional<LogPiece>> MessageStore::pin(std::int64_t log_offset) const {
  std::optional<LogPiece> piece;
  std::array<std::byte, format::kRecordSysFlagOffset> head;
  RMQ_TRY(got, log_->read(log_offset, head));
  if (got < head.size()) return piece;
  const auto size = load_be<std::int32_t>(head.data());
  const auto magic = load_be<std::int32_t>(head.data() + format::kRecordMagicOffset);
  const bool is_record = magic == format::kMagicV1 || magic == format::kMagicV2;
  if (!is_record || load_be<std::int64_t>(head.data() + format::kRecordPhysicalOffsetOffset) != log_offset ||
      size < format::kMinRecordSize || size > format::kMaxRecordSize)
    return piece;
  RMQ_TRY(pinned, log_->pin(log_offset, size, kWorthAFile));
  if (!pinned || pinned->file >= 0 || !pinned->bytes.empty()) return std::move(pinned);
  const auto memory = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(size));
  RMQ_TRY(all, log_->read(log_offset, *memory));
  if (all < memory->size()) return piece;
  piece.emplace();
  piece->bytes = *memory;
  piece->owner = memory;
  return piece;
}

Result<std::vector<QueueUnit>> MessageStore::units(std::string_view topic, std::int32_t queue_id,
                                                   std::int64_t queue_offset, std::int64_t most) {
  (void)catch_up();
  std::vector<QueueUnit> found;
  const auto range = queues_->range(topic, queue_id);
  if (!range || queue_offset < range->min_offset || queue_offset >= range->next_offset) return found;
  std::int64_t first = queue_offset;
  if (range->batch) {
    RMQ_TRY(unit, queues_->find_batch(topic, queue_id, queue_offset));
    if (!unit) return found;
    first = *unit;
  }
  most = std::min(most, kMostUnits);
  UnitReader reader(*queues_, topic, queue_id, range->batch, first,
                    static_cast<std::size_t>(std::max(most, std::int64_t{0})));
  while (std::ssize(found) < most) {
    RMQ_TRY(unit, reader.next());
    if (!unit) break;
    found.push_back(*unit);
  }
  return found;
}

derive::DerivedUpTo MessageStore::indexed_up_to() const {
  return {indexed_.load(std::memory_order_acquire), dispatched_timestamp_.load(std::memory_order_acquire)};
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

// IndexService.queryOffset, file by file from the newest. Hashes collide, so the messages are asked.
Result<std::vector<std::int64_t>> MessageStore::query(std::string_view topic, std::string_view key,
                                                      const QueryOptions& options) {
  RMQ_CHECK(catch_up());
  std::vector<std::int64_t> found;
  const std::int32_t hash = format::index_key_hash(topic, key);
  scan::TimeRange range{options.since_ms, {}};
  if (options.until_ms < std::numeric_limits<std::int64_t>::max()) range.until_ms = options.until_ms + 1;
  const auto names = files_.list(index_directory_);
  if (!names) {
    if (names.error().code == ErrorCode::not_found) return found;  // messageIndexEnable=false
    return names.error();
  }
  for (auto entry = names->rbegin(); entry != names->rend() && found.size() < options.most; ++entry) {
    if (!format::parse_index_file_name(entry->name)) continue;
    auto file = files_.open(io::join_path(index_directory_, entry->name));
    if (!file && file.error().code == ErrorCode::not_found) continue;  // expired since
    if (!file) return std::move(file).error();
    constexpr std::int64_t kWindow = 4096;
    scan::IndexFileReader index(std::move(*file), index_geometry_, kWindow);
    Status trouble;
    index.find(hash, range, [&](const scan::IndexHit& hit) {
      const auto record = look_up(hit.phy_offset);
      if (!record) trouble = record.error();
      if (record && has_key(*record, topic, key) && std::ranges::find(found, hit.phy_offset) == found.end() &&
          is_within(*record, options))
        found.push_back(hit.phy_offset);
      return trouble && found.size() < options.most;
    });
    if (!trouble) return trouble.error();
    if (index.failed()) return *index.fault();
  }
  return found;
}

// What the log does not have any more is left out.
Status MessageStore::read_messages(std::span<const Wanted> wanted, GetResult& result) const {
  std::vector<std::byte> run;
  while (!wanted.empty()) {
    const std::size_t count = Wanted::run_of(wanted);
    const std::int64_t from = wanted[0].log_offset;
    run.resize(static_cast<std::size_t>(Wanted::length(wanted.first(count))));
    RMQ_TRY(got, log_->read(from, run));
    std::size_t taken = 0;
    for (; taken < count; ++taken) {
      const Wanted& one = wanted[taken];
      const auto at = static_cast<std::size_t>(one.log_offset - from);
      const auto size = static_cast<std::size_t>(one.size);
      if (at + size > got) break;
      result.messages.push_back({one.queue_offset, result.bytes.size(), size});
      result.bytes.insert(result.bytes.end(), run.begin() + static_cast<std::ptrdiff_t>(at),
                          run.begin() + static_cast<std::ptrdiff_t>(at + size));
    }
    // A run ends with its file; its first message is whole, or it is not there.
    wanted = wanted.subspan(std::max<std::size_t>(taken, 1));
  }
  return {};
}

Status MessageStore::pin_messages(std::span<const Wanted> wanted, GetView& result) const {
  while (!wanted.empty()) {
    std::span<const Wanted> run = wanted.first(Wanted::together(wanted));
    auto piece = log_->pin(run.front().log_offset, Wanted::length(run), kWorthAFile);
    if (piece && !*piece && run.size() > 1) {  // it begins before the log does, or ends in another file
      run = run.first(1);
      piece = log_->pin(run.front().log_offset, run.front().size, kWorthAFile);
    }
    if (!piece) return std::move(piece).error();
    if (*piece && (*piece)->file < 0 && (*piece)->bytes.empty()) {
      RMQ_TRY(taken, pin_run(wanted, result));
      wanted = wanted.subspan(taken);
      continue;
    }
    if (*piece) {
      result.pieces.push_back(std::move(**piece));
      for (const Wanted& one : run) result.messages += one.messages;
      result.bytes += Wanted::length(run);
    }
    wanted = wanted.subspan(run.size());
  }
  return {};
}

// Those at the front that are worth one read, into memory of their own. Returns how many are done with.
Result<std::size_t> MessageStore::pin_run(std::span<const Wanted> wanted, GetView& result) const {
  const std::span<const Wanted> run = wanted.first(Wanted::run_of(wanted));
  const std::int64_t from = run.front().log_offset;
  const auto memory = std::make_shared<std::vector<std::byte>>(Wanted::length(run));
  RMQ_TRY(got, log_->read(from, *memory));
  std::size_t taken = 0;
  for (; taken < run.size(); ++taken) {
    const Wanted& one = run[taken];
    const auto at = static_cast<std::size_t>(one.log_offset - from);
    const auto size = static_cast<std::size_t>(one.size);
    if (at + size > got) break;
    const std::span<const std::byte> bytes = std::span(*memory).subspan(at, size);
    if (taken > 0 && result.pieces.back().bytes.data() + result.pieces.back().bytes.size() == bytes.data()) {
      result.pieces.back().bytes = {result.pieces.back().bytes.data(), bytes.data() + size};
    } else {
      result.pieces.push_back({.bytes = bytes, .owner = memory});
    }
    result.messages += one.messages;
    result.bytes += one.size;
  }
  return std::max<std::size_t>(taken, 1);
}

// DefaultMessageStore.getMessage.
Result<GetResult> MessageStore::get(std::string_view topic, std::int32_t queue_id, std::int64_t queue_offset,
                                    const GetOptions& options) {
  std::vector<Wanted> wanted;
  RMQ_TRY(header, find(topic, queue_id, queue_offset, options, wanted));
  GetResult result;
  static_cast<GetHeader&>(result) = header;
  RMQ_CHECK(read_messages(wanted, result));
  if (!result.messages.empty()) result.status = GetStatus::found;
  counters_.count_get(result.status == GetStatus::found, std::ssize(result.messages));
  return result;
}

Result<GetView> MessageStore::view(std::string_view topic, std::int32_t queue_id, std::int64_t queue_offset,
                                   const GetOptions& options) {
  thread_local std::vector<Wanted> wanted;
  RMQ_TRY(header, find(topic, queue_id, queue_offset, options, wanted));
  GetView result;
  static_cast<GetHeader&>(result) = header;
  RMQ_CHECK(pin_messages(wanted, result));
  if (!result.pieces.empty()) result.status = GetStatus::found;
  counters_.count_get(result.status == GetStatus::found, result.messages);
  return result;
}

// Which messages are wanted, and what is said where none is. The status of a get that wants some is
// message_was_removing until the log has given one.
Result<GetHeader> MessageStore::find(std::string_view topic, std::int32_t queue_id, std::int64_t queue_offset,
                                     const GetOptions& options, std::vector<Wanted>& wanted) {
  // Where the disk does not let all of it be dispatched, what is in the queues can be got all the same;
  // whoever flushes is told.
  (void)catch_up();
  wanted.clear();  // whoever was told of arrivals may have come here on this thread
  GetHeader result;
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
  std::int64_t first = queue_offset;
  if (range->batch) {
    RMQ_TRY(found, queues_->find_batch(topic, queue_id, queue_offset));
    if (!found) {
      result.status = GetStatus::offset_found_null;
      return result;
    }
    first = *found;
  }
  constexpr std::int64_t kMaxFilterMessageSize = 16'000;  // maxFilterMessageSize: bytes of units looked at
  UnitReader units(*queues_, topic, queue_id, range->batch, first,
                   static_cast<std::size_t>(std::max(options.max_messages, options.wants ? 64 : 1)));
  const auto unit_size = static_cast<std::int64_t>(units.unit_size());
  const std::int64_t most =
      std::clamp(std::int64_t{options.max_messages}, kMaxFilterMessageSize / unit_size, kMostUnits);
  const std::int64_t log_end = log_->written();
  std::int32_t taken = 0;
  std::int64_t bytes = 0;
  for (std::int64_t looked_at = 0; looked_at < most; ++looked_at) {
    RMQ_TRY(unit, units.next());
    if (!unit) {
      if (looked_at == 0) result.status = GetStatus::offset_found_null;
      break;
    }
    const std::int64_t behind = log_end - unit->log_offset;
    if (is_full(options, taken, bytes, *unit, behind)) break;
    result.fallen_behind = behind;
    result.next_begin_offset = unit->queue_offset + unit->messages;
    if (options.wants && !options.wants(unit->tags_code)) continue;
    if (unit->size < format::kMinRecordSize || unit->size > format::kMaxRecordSize)
      continue;  // no unit of a message
    wanted.push_back({unit->queue_offset, unit->log_offset, unit->size, unit->messages});
    taken += unit->messages;
    bytes += unit->size;
  }
  if (!wanted.empty()) result.status = GetStatus::message_was_removing;
  return result;
}

}  // namespace rmq::engine
