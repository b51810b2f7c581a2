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
  if (dispatched_.load(std::memory_order_acquire) >= visible()) return {};
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
    RMQ_TRY(end, dispatch_block(dispatched_.load(std::memory_order_relaxed), to, arrivals));
    dispatched_.store(end, std::memory_order_release);
    queues_->advance({end, dispatched_timestamp_.load(std::memory_order_relaxed)});
    log_->forget_before(end);
  }
  return {};
}

// Dispatches whole records from `from` on, up to the end of their file or of what is at hand. Returns where
// it stopped.
Result<std::int64_t> MessageStore::dispatch_block(std::int64_t from, std::int64_t to, Arrivals& arrivals) {
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
  note_problems(report);
  if (report.taken < rest.size()) return report.status.error();
  if (index_) {
    keys_.clear();
    for (const derive::DispatchRequest& request : rest) keys_.add(request);
    if (const auto indexed = index_->put(keys_); !indexed.status) return indexed.status.error();
  }
  dispatched_timestamp_.store(newest, std::memory_order_release);
  if (options_.arriving && opened_) {
    for (const derive::DispatchRequest& request : rest) arrivals.add(request);
  }
  return at;
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
