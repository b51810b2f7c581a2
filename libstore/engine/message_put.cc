// MessageStore's way in: from a message to its bytes in the log. RocketMQ: CommitLog.asyncPutMessage,
// MessageExtEncoder.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>

#include "libstore/engine/message_store.h"

namespace rmq::engine {
namespace {

PutStatus status_of(const Error& error) {
  if (error.code == ErrorCode::wrong_use) return PutStatus::message_illegal;  // larger than a file
  return error.os_errno == ENOSPC || error.os_errno == EDQUOT ? PutStatus::create_mapped_file_failed
                                                              : PutStatus::service_not_available;
}

}  // namespace

// What a put needs while it runs, kept by each thread so that no put allocates.
struct MessageStore::PutScratch {
  struct Filling {
    CommitLog::Extent extent;
    std::size_t first = 0;  // of the messages [first, end)
    std::size_t end = 0;
  };
  std::vector<Prepared> prepared;
  std::vector<Filling> extents;
};

MessageStore::PutScratch& MessageStore::scratch() {
  thread_local PutScratch mine;
  return mine;
}

std::size_t MessageStore::QueueKeyHash::operator()(const QueueKeyView& key) const {
  return std::hash<std::string_view>{}(key.topic) ^
         (static_cast<std::size_t>(key.queue_id) * std::size_t{0x9E3779B97F4A7C15U});
}

MessageStore::QueueEnd& MessageStore::queue_end(std::string_view topic, std::int32_t queue_id) {
  const auto known = queue_ends_.find(QueueKeyView{topic, queue_id});
  if (known != queue_ends_.end()) return known->second;
  // The first message since the store was opened: what was there then has all been dispatched.
  const auto range = queues_->range(topic, queue_id);
  return queue_ends_
      .emplace(QueueKey{std::string(topic), queue_id}, QueueEnd{range ? range->next_offset : 0, 0, 0})
      .first->second;
}

PutResult MessageStore::put(const format::MessageView& message) {
  PutResult result;
  put({&message, 1}, {&result, 1});
  return result;
}

void MessageStore::put(std::span<const format::MessageView> messages, std::span<PutResult> results) {
  const auto began = std::chrono::steady_clock::now();
  const std::size_t all = messages.size();
  const std::int64_t end = place(messages, {&all, 1}, results);
  if (end >= 0) {
    if (options_.flush == FlushDiskType::sync_flush && !log_->flush_to(end)) {
      for (PutResult& result : results) {
        if (result.ok()) result.status = PutStatus::flush_disk_timeout;
      }
    }
    dispatch_in_line();
  }
  count_put(began, results);
}

void MessageStore::count_put(std::chrono::steady_clock::time_point began,
                             std::span<const PutResult> results) {
  counters_.count_put(began, std::chrono::steady_clock::now());
  const auto failed = std::ranges::count_if(results, [](const PutResult& result) { return !result.ok(); });
  if (failed > 0) counters_.count_failed(failed);
}

StoreStatistics MessageStore::statistics() {
  StoreStatistics all;
  counters_.read(all);
  {
    const std::lock_guard lock(dispatch_mutex_);
    all.undispatched = undispatched_;
    all.holes = holes_;
  }
  std::map<std::string_view, TopicPuts> topics;
  const std::lock_guard lock(append_mutex_);
  all.messages_put = messages_put_;
  all.bytes_put = bytes_put_;
  for (const auto& [queue, end] : queue_ends_) {
    if (end.messages == 0) continue;
    TopicPuts& topic = topics[queue.topic];
    topic.messages += end.messages;
    topic.bytes += end.bytes;
  }
  for (auto& [name, puts] : topics) {
    puts.topic = name;
    all.topics.push_back(std::move(puts));
  }
  return all;
}

void MessageStore::put_async(std::span<const format::MessageView> messages, PutDone done) {
  const std::size_t all = messages.size();
  put_async(messages, {&all, 1}, Acknowledge::when_promised, std::move(done));
}

void MessageStore::put_async(std::span<const format::MessageView> messages, std::span<const std::size_t> ends,
                             Acknowledge when, PutDone done) {
  const auto began = std::chrono::steady_clock::now();
  PutDone counted = [this, began, done = std::move(done)](std::span<const PutResult> results) {
    count_put(began, results);
    done(results);
  };
  std::vector<PutResult> results(messages.size());
  const std::int64_t end = place(messages, ends, results);
  const bool waits = options_.flush == FlushDiskType::sync_flush && when == Acknowledge::when_promised;
  if (end >= 0 && waits) {
    waiting_.add(end, std::move(results), std::move(counted));
  } else {
    counted(results);
    // Nobody waits for the disk, but readers do not see it before it is there.
    if (end >= 0 && options_.flush == FlushDiskType::sync_flush) waiting_.add(end, {}, [](auto) {});
  }
  dispatch_in_line();
}

// Sizes and checksums, before any lock. A put that has a message which cannot be put is refused as a whole.
void MessageStore::prepare_puts(std::span<const format::MessageView> messages,
                                std::span<const std::size_t> ends, std::span<PutResult> results) const {
  std::vector<Prepared>& prepared = scratch().prepared;
  prepared.resize(messages.size());
  const bool closed = closed_.load(std::memory_order_acquire) || disk_full_.load(std::memory_order_acquire) ||
                      sync_failed_.load(std::memory_order_acquire);
  std::size_t first = 0;
  for (const std::size_t end : ends) {
    bool all_fit = true;
    for (std::size_t i = first; i < end; ++i) {
      results[i] = {};
      results[i].status = closed ? PutStatus::service_not_available : prepare(messages[i], prepared[i]);
      results[i].size = prepared[i].size;
      all_fit = all_fit && results[i].ok();
    }
    for (std::size_t i = first; i < end && !all_fit; ++i) {
      if (results[i].ok()) results[i].status = PutStatus::message_illegal;
    }
    first = end;
  }
}

// Under the append lock: each message that is not refused gets its place, many in one reservation.
void MessageStore::reserve_puts(std::span<const format::MessageView> messages,
                                std::span<const std::size_t> ends, std::span<PutResult> results) {
  PutScratch& work = scratch();
  last_store_timestamp_ = std::max(last_store_timestamp_, options_.clock->now_ms());
  const auto refuse = [&](std::size_t from, std::size_t to, PutStatus status) {
    for (std::size_t i = from; i < to; ++i) {
      if (results[i].ok()) results[i].status = status;
    }
    return to;
  };
  std::size_t at = 0;
  while (at < messages.size()) {
    if (!results[at].ok()) {
      ++at;
      continue;
    }
    const std::size_t put_end = *std::ranges::upper_bound(ends, at);
    if (const PutStatus written = write_offsets(messages[at], work.prepared[at]);
        written != PutStatus::put_ok) {
      at = refuse(at, put_end, written);
      continue;
    }
    // As many as fit into the file at hand, at least one.
    std::int64_t total = work.prepared[at].size;
    std::size_t end = at + 1;
    for (const std::int64_t room = log_->room();
         end < messages.size() && results[end].ok() && !work.prepared[end].needs_offsets() &&
         total + work.prepared[end].size <= room;
         ++end) {
      total += work.prepared[end].size;
    }
    auto extent = log_->reserve(total);
    if (!extent) {
      const PutStatus status = status_of(extent.error());
      // One that is larger than a file says nothing about those of others.
      at = refuse(at, status == PutStatus::message_illegal ? put_end : messages.size(), status);
      continue;
    }
    work.extents.push_back({std::move(*extent), at, end});
    std::int64_t offset = work.extents.back().extent.offset;
    for (; at < end; ++at) {
      PutResult& result = results[at];
      result.log_offset = offset;
      result.store_timestamp = last_store_timestamp_;
      offset += work.prepared[at].size;
      result.size = work.prepared[at].size;
      take_offsets(messages[at], work.prepared[at], result);
    }
  }
}

// Gives the messages their places and writes them there: in the log's memory, and visible to others, when
// this returns. Returns where they end, -1 when none was taken; `results` says why.
std::int64_t MessageStore::place(std::span<const format::MessageView> messages,
                                 std::span<const std::size_t> ends, std::span<PutResult> results) {
  PutScratch& work = scratch();
  work.prepared.clear();
  work.extents.clear();
  prepare_puts(messages, ends, results);
  if (std::ranges::any_of(results, &PutResult::ok)) {
    const std::lock_guard lock(append_mutex_);
    reserve_puts(messages, ends, results);
  }
  for (PutScratch::Filling& filling : work.extents) {
    std::span<std::byte> out = filling.extent.bytes;
    for (std::size_t i = filling.first; i < filling.end; ++i) {
      format::MessageView record = messages[i];
      if (work.prepared[i].needs_offsets()) record.properties = work.prepared[i].properties;
      record.version = work.prepared[i].version;
      record.body_crc = work.prepared[i].crc;
      record.queue_offset = results[i].queue_offset;
      record.physical_offset = results[i].log_offset;
      record.store_timestamp = results[i].store_timestamp;
      const auto size = static_cast<std::size_t>(work.prepared[i].size);
      format::encode_into(record, out.first(size));
      out = out.subspan(size);
    }
    log_->complete(filling.extent);
    filling.extent.owner.reset();
  }
  if (work.extents.empty()) return -1;
  const std::int64_t begin = work.extents.front().extent.offset;
  const std::int64_t end = work.extents.back().extent.offset + std::ssize(work.extents.back().extent.bytes);
  log_->wait_written(end);
  constexpr int kWakeStep = 23;  // every 8 MiB
  if ((begin >> kWakeStep) != (end >> kWakeStep)) work_wanted_.notify_all();
  return end;
}

// Whoever finds the dispatcher at work leaves it to that one, who looks again at the end; a reader that
// cannot wait catches up itself.
void MessageStore::dispatch_in_line() {
  Arrivals arrivals;
  while (dispatched_.load(std::memory_order_acquire) < visible()) {
    const std::unique_lock lock(dispatch_mutex_, std::try_to_lock);
    if (!lock.owns_lock() || !dispatch_locked(visible(), arrivals)) break;
  }
  arrivals.tell(options_.arriving);
}

}  // namespace rmq::engine
