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

}  // namespace rmq::engine
