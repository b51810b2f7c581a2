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

// A message that a queue's unit leads to.
struct Wanted {
  std::int64_t queue_offset = 0;
  std::int64_t log_offset = 0;
  std::int32_t size = 0;
};

// How many of `wanted` are read in one go: those whose neighbours' messages between them are not much more
// than their own, for a read that is too long costs less than many.
std::size_t run_of(std::span<const Wanted> wanted) {
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

// What the log does not have any more is left out.
Status read_messages(const CommitLog& log, std::span<const Wanted> wanted, GetResult& result) {
  std::vector<std::byte> run;
  while (!wanted.empty()) {
    const std::size_t count = run_of(wanted);
    const std::int64_t from = wanted[0].log_offset;
    run.resize(static_cast<std::size_t>(wanted[count - 1].log_offset + wanted[count - 1].size - from));
    RMQ_TRY(got, log.read(from, run));
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

}  // namespace

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

// DefaultMessageStore.getMessage.
Result<GetResult> MessageStore::get(std::string_view topic, std::int32_t queue_id, std::int64_t queue_offset,
                                    const GetOptions& options) {
  // Where the disk does not let all of it be dispatched, what is in the queues can be got all the same;
  // whoever flushes is told.
  (void)catch_up();
  auto result = find(topic, queue_id, queue_offset, options);
  if (result) counters_.count_get(result->status == GetStatus::found, std::ssize(result->messages));
  return result;
}

Result<GetResult> MessageStore::find(std::string_view topic, std::int32_t queue_id, std::int64_t queue_offset,
                                     const GetOptions& options) const {
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
  std::vector<Wanted> wanted;
  std::int32_t taken = 0;
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* at = units.data() + i * unit_size;
    Wanted one;
    std::int64_t tags = 0;
    std::int32_t messages = 1;
    if (range->batch) {
      const auto entry = *format::BatchConsumeQueueEntry::parse({at, unit_size});
      one = {entry.base_offset, entry.commit_log_offset, entry.size};
      tags = entry.tags_code;
      messages = entry.batch_size;
    } else {
      const auto entry = format::ConsumeQueueEntry::load(at);
      one = {unit + static_cast<std::int64_t>(i), entry.commit_log_offset, entry.size};
      tags = entry.tags_code;
    }
    if (taken > 0 && (taken + messages > options.max_messages || bytes + one.size > options.max_bytes)) break;
    result.next_begin_offset = one.queue_offset + messages;
    if (options.wants && !options.wants(tags)) continue;
    if (one.size < format::kMinRecordSize || one.size > format::kMaxRecordSize)
      continue;  // no unit of a message
    wanted.push_back(one);
    taken += messages;
    bytes += one.size;
  }
  RMQ_CHECK(read_messages(*log_, wanted, result));
  if (!result.messages.empty()) {
    result.status = GetStatus::found;
  } else if (!wanted.empty()) {
    result.status = GetStatus::message_was_removing;
  }
  return result;
}

}  // namespace rmq::engine
