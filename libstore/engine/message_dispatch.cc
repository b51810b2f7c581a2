// From the log to queues and index. RocketMQ: DefaultMessageStore.ReputMessageService.
#include <fmt/format.h>

#include <algorithm>

#include "libstore/bytes/big_endian.h"
#include "libstore/engine/message_store.h"

namespace rmq::engine {
namespace {

constexpr std::size_t kDispatchBlock = 1 << 20;

}  // namespace

std::int64_t MessageStore::visible() const {
  return options_.flush == FlushDiskType::sync_flush ? log_->durable() : log_->written();
}

Status MessageStore::catch_up() {
  if (dispatched_.load(std::memory_order_acquire) >= visible() && indexed_ >= dispatched_) return {};
  Arrivals arrivals;
  Status done;
  {
    const std::lock_guard lock(dispatch_mutex_);
    done = dispatch_locked(visible(), arrivals);
  }
  arrivals.tell(options_.arriving);
  return done;
}

std::int64_t MessageStore::dispatch_behind() const {
  return std::max<std::int64_t>(0, log_->written() - dispatched_.load(std::memory_order_acquire));
}

Status MessageStore::dispatch_locked(std::int64_t to, Arrivals& arrivals) {
  while (dispatched_.load(std::memory_order_relaxed) < to) {
    const std::int64_t from = dispatched_.load(std::memory_order_relaxed);
    RMQ_TRY(block, read_block(from, to));
    const derive::PutReport report = queues_->put(requests_);
    note_problems(report);
    if (report.taken < requests_.size()) return report.status.error();
    const std::int64_t newest = std::max(dispatched_timestamp_.load(std::memory_order_relaxed), block.newest);
    dispatched_timestamp_.store(newest, std::memory_order_release);
    dispatched_.store(block.end, std::memory_order_release);
    queues_->advance({block.end, newest});
    if (options_.arriving && opened_) {
      for (const derive::DispatchRequest& request : requests_) arrivals.add(request);
    }
    if (indexed_ == from && put_keys()) indexed_ = block.end;
    log_->forget_before(block.end);
  }
  // The index is behind only where it failed: consumers do not wait for it.
  while (indexed_ < dispatched_.load(std::memory_order_relaxed)) {
    RMQ_TRY(block, read_block(indexed_, dispatched_.load(std::memory_order_relaxed)));
    RMQ_CHECK(put_keys());
    indexed_ = block.end;
  }
  return {};
}

Status MessageStore::put_keys() {
  if (!index_) return {};
  keys_.clear();
  for (const derive::DispatchRequest& request : requests_) keys_.add(request);
  return index_->put(keys_).status;
}

// Reads whole records from `from` on, up to the end of their file or of what is at hand, into requests_.
Result<MessageStore::Block> MessageStore::read_block(std::int64_t from, std::int64_t to) {
  const std::int64_t file_size = report_.plan.commit_log_file_size;
  const std::int64_t file_end = from / file_size * file_size + file_size;
  Block block;
  block.view = log_->view(from, std::min(to, file_end));
  std::span<const std::byte> bytes = block.view.bytes;
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
    const auto request = derive::dispatch_request(message, properties_.read(message.properties), at, rules_);
    // Stock stops at such a record for good; ours leaves it in the log and in no queue.
    if (request) requests_.push_back(*request);
    block.newest = std::max(block.newest, message.store_timestamp);
    at += message.total_size;
    bytes = bytes.subspan(size);
  }
  if (at == from) return wrong_use(fmt::format("the log has no record at {}", from));
  block.end = at;
  return block;
}

void MessageStore::note_problems(const derive::PutReport& report) {
  constexpr std::size_t kHolesTold = 16;
  undispatched_ += report.unusable;
  for (const derive::QueueHole& hole : report.holes) {
    if (!hole.appended) ++undispatched_;
    if (holes_.size() < kHolesTold) holes_.push_back(hole);
  }
}

}  // namespace rmq::engine
