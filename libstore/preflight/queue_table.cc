#include "libstore/preflight/queue_table.h"

#include <algorithm>
#include <charconv>

#include "libstore/bytes/java_string.h"
#include "libstore/format/sys_flag.h"

namespace rmq::preflight {
namespace {

constexpr std::string_view kLmqPrefix = "%LMQ%";
constexpr std::string_view kRetryPrefix = "%RETRY%";
constexpr std::string_view kSystemPrefix = "rmq_sys_";
constexpr std::size_t kMaxNameLength = 255;  // of a directory, on every file system that matters

bool is_true(const scan::StoreConfig& config, const char* key) {
  const auto found = config.keys.find(key);
  return found != config.keys.end() && found->second == "true";
}

// StringUtils.isBlank, for what occurs in offsets and names.
bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\n\r\f\v") == std::string_view::npos;
}

// String.split(","): empty parts at the end are dropped.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  while (parts.size() > 1 && parts.back().empty()) parts.pop_back();
  return parts;
}

// Whether Java can create consumequeue/<topic>/...: each part of the path needs a name the file system takes.
bool can_be_directory(std::string_view topic) {
  if (topic.find('\0') != std::string_view::npos) return false;
  for (std::size_t at = 0; at <= topic.size();) {
    const std::size_t end = std::min(topic.find('/', at), topic.size());
    if (end - at > kMaxNameLength) return false;
    at = end + 1;
  }
  return true;
}

}  // namespace

QueueTable::QueueTable(const RecoveryRules& rules, const scan::StoreConfig& config, const TopicTable& topics,
                       FilePool& pool)
    : rules_(rules),
      topics_(topics),
      pool_(pool),
      enable_lmq_(is_true(config, "enableLmq")),
      enable_multi_dispatch_(is_true(config, "enableMultiDispatch")),
      enable_ext_(is_true(config, "enableConsumeQueueExt")),
      simple_file_size_(config.consume_queue_file_size.value_or(format::kDefaultConsumeQueueFileSize)),
      batch_file_size_(
          config.batch_consume_queue_file_size.value_or(format::kDefaultBatchConsumeQueueFileSize)) {}

LoadFault QueueTable::load(const scan::StoreSurvey& survey) {
  for (const scan::Queue& queue : survey.queues) {
    const bool batch = queue.kind == scan::QueueKind::batch;
    if (batch && !rules_.has_batch_queues) continue;
    if (rules_.has_batch_queues && topics_.is_batch(queue.topic, batch) != batch) {
      return queue.directory + " is a " + (batch ? "batch" : "simple") +
             " queue, but topics.json says otherwise";
    }
    if (queue.files.file_size > 0) (batch ? batch_file_size_ : simple_file_size_) = queue.files.file_size;
    auto loaded = std::make_unique<StockQueue>();
    loaded->topic = java_clean_utf8(queue.topic);
    loaded->queue_id = queue.queue_id;
    if (batch) loaded->kind.emplace<BatchQueue>();
    auto fault = std::visit([&](auto& kind) { return kind.load(queue.files, rules_); }, loaded->kind);
    if (!fault && enable_ext_ && !batch) fault = MappedFiles<MappedFileState>{}.load(queue.ext, rules_);
    if (fault) return fault;
    by_topic_[loaded->topic][queue.queue_id] = queues_.size();
    queues_.push_back(std::move(loaded));
  }
  for (const auto& queue : queues_) {
    if (auto* simple = std::get_if<SimpleQueue>(&queue->kind)) simple->set_file_size(simple_file_size_);
    if (auto* batch = std::get_if<BatchQueue>(&queue->kind)) batch->set_file_size(batch_file_size_);
  }
  return std::nullopt;
}

std::int64_t QueueTable::recover() {
  std::int64_t bytes = 0;
  for (const auto& queue : queues_) {
    bytes += std::visit([&](auto& kind) { return kind.recover(pool_); }, queue->kind);
    if (pool_.fault()) break;
  }
  return bytes;
}

std::int64_t QueueTable::max_physic_offset() const {
  std::int64_t highest = -1;
  for (const auto& queue : queues_) {
    highest =
        std::max(highest, std::visit([](const auto& kind) { return kind.max_physic_offset(); }, queue->kind));
  }
  return highest;
}

const StockQueue* QueueTable::find(std::string_view topic, std::int32_t queue_id) const {
  const auto of_topic = by_topic_.find(topic);
  if (of_topic == by_topic_.end()) return nullptr;
  const auto found = of_topic->second.find(queue_id);
  return found == of_topic->second.end() ? nullptr : queues_[found->second].get();
}

StockQueue& QueueTable::find_or_create(std::string_view topic, std::int32_t queue_id) {
  auto of_topic = by_topic_.find(topic);
  if (of_topic == by_topic_.end()) of_topic = by_topic_.try_emplace(std::string(topic)).first;
  const auto [at, created] = of_topic->second.try_emplace(queue_id, queues_.size());
  if (created) {
    auto queue = std::make_unique<StockQueue>();
    queue->topic = topic;
    queue->queue_id = queue_id;
    if (rules_.has_batch_queues && topics_.is_batch(topic, false)) {
      queue->kind.emplace<BatchQueue>().set_file_size(batch_file_size_);
    } else {
      std::get<SimpleQueue>(queue->kind).set_file_size(simple_file_size_);
    }
    queues_.push_back(std::move(queue));
  }
  return *queues_[at->second];
}

void QueueTable::put(StockQueue& queue, const CheckedMessage& message, std::int64_t queue_offset) {
  if (!writeable_) return;
  const bool can_create = can_be_directory(queue.topic);
  if (auto* simple = std::get_if<SimpleQueue>(&queue.kind)) {
    writeable_ = simple->put({message.physical_offset, message.size}, queue_offset, can_create, pool_);
    return;
  }
  if (message.base_offset < 0 || message.batch_size < 0) return;
  BatchQueue::Entry entry;
  entry.commit_log_offset = message.physical_offset;
  entry.size = message.size;
  entry.base_offset = message.base_offset;
  entry.batch_size = message.batch_size;
  writeable_ = std::get<BatchQueue>(queue.kind).put(entry, can_create, pool_);
}

StockFate QueueTable::dispatch(const CheckedMessage& message) {
  if (!format::enters_consume_queue(message.sys_flag)) return StockFate::goes_on;
  StockQueue& queue = find_or_create(message.topic, message.queue_id);
  put(queue, message, message.queue_offset);
  if (writeable_ && queue.simple() != nullptr && needs_multi_dispatch(message))
    return multi_dispatch(message);
  return StockFate::goes_on;
}

bool QueueTable::needs_multi_dispatch(const CheckedMessage& message) const {
  if (!enable_multi_dispatch_) return false;
  if (rules_.spares_system_topics &&
      (message.topic.starts_with(kRetryPrefix) || message.topic.starts_with(kSystemPrefix) ||
       message.topic == format::kScheduleTopic)) {
    return false;
  }
  return !is_blank(message.multi_dispatch) && !is_blank(message.multi_queue_offset);
}

StockFate QueueTable::multi_dispatch(const CheckedMessage& message) {
  const auto names = split(message.multi_dispatch);
  const auto offsets = split(message.multi_queue_offset);
  if (names.size() != offsets.size()) return StockFate::goes_on;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (rules_.has_batch_queues && names[i].find('/') != std::string_view::npos) continue;
    std::int64_t queue_offset = 0;
    const char* end = offsets[i].data() + offsets[i].size();
    const auto parsed = std::from_chars(offsets[i].data(), end, queue_offset);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return StockFate::throws;  // NumberFormatException
    const bool lmq = enable_lmq_ && names[i].starts_with(kLmqPrefix);
    StockQueue& queue = find_or_create(names[i], lmq ? 0 : message.queue_id);
    if (queue.simple() == nullptr) return StockFate::throws;  // ClassCastException
    put(queue, message, queue_offset);
  }
  return StockFate::goes_on;
}

StockFate QueueTable::truncate_dirty(std::int64_t log_end) {
  for (const auto& queue : queues_) {
    const StockFate fate =
        std::visit([&](auto& kind) { return kind.truncate_dirty(log_end, pool_); }, queue->kind);
    if (fate != StockFate::goes_on) return fate;
  }
  return StockFate::goes_on;
}

StockFate QueueTable::correct_min_offsets(std::int64_t log_start) {
  for (const auto& queue : queues_) {
    if (auto* batch = std::get_if<BatchQueue>(&queue->kind)) {
      batch->correct_min_offset(log_start, pool_);
      continue;
    }
    const StockFate fate = std::get<SimpleQueue>(queue->kind).correct_min_offset(log_start, rules_, pool_);
    if (fate != StockFate::goes_on) return fate;
  }
  return StockFate::goes_on;
}

void QueueTable::destroy() {
  for (const auto& queue : queues_) std::visit([](auto& kind) { kind.destroy(); }, queue->kind);
}

}  // namespace rmq::preflight
