// All consume queues of a store while a broker starts: loading, recovering, dispatching into them, cutting
// them. RocketMQ: ConsumeQueueStore (5.x), the consumeQueueTable of DefaultMessageStore (4.x),
// CommitLogDispatcherBuild- ConsumeQueue, MultiDispatchUtils.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "libstore/preflight/stock_batch_queue.h"
#include "libstore/preflight/stock_message.h"
#include "libstore/preflight/stock_queue.h"
#include "libstore/preflight/topic_table.h"

namespace rmq::preflight {

struct StockQueue {
  std::string topic;
  std::int32_t queue_id = 0;
  std::variant<SimpleQueue, BatchQueue> kind;

  [[nodiscard]] const SimpleQueue* simple() const { return std::get_if<SimpleQueue>(&kind); }
  [[nodiscard]] const BatchQueue* batch() const { return std::get_if<BatchQueue>(&kind); }
  [[nodiscard]] std::int64_t min_offset() const {
    return std::visit([](const auto& queue) { return queue.min_offset(); }, kind);
  }
  [[nodiscard]] std::int64_t max_offset() const {
    return std::visit([](const auto& queue) { return queue.max_offset(); }, kind);
  }
};

class QueueTable {
 public:
  QueueTable(const RecoveryRules& rules, const scan::StoreConfig& config, const TopicTable& topics,
             FilePool& pool);

  // Nothing is loaded further after the first fault.
  [[nodiscard]] LoadFault load(const scan::StoreSurvey& survey);
  // Returns the bytes read.
  std::int64_t recover();
  [[nodiscard]] std::int64_t max_physic_offset() const;
  [[nodiscard]] StockFate dispatch(const CheckedMessage& message);
  [[nodiscard]] StockFate truncate_dirty(std::int64_t log_end);
  [[nodiscard]] StockFate correct_min_offsets(std::int64_t log_start);
  void destroy();

  // Null when there is none. Indexes into queues() stay valid.
  [[nodiscard]] const StockQueue* find(std::string_view topic, std::int32_t queue_id) const;
  [[nodiscard]] const std::vector<std::unique_ptr<StockQueue>>& queues() const { return queues_; }

 private:
  StockQueue& find_or_create(std::string_view topic, std::int32_t queue_id);
  void put(StockQueue& queue, const CheckedMessage& message, std::int64_t queue_offset);
  [[nodiscard]] StockFate multi_dispatch(const CheckedMessage& message);
  [[nodiscard]] bool needs_multi_dispatch(const CheckedMessage& message) const;

  const RecoveryRules& rules_;
  const TopicTable& topics_;
  FilePool& pool_;
  bool enable_lmq_ = false;
  bool enable_multi_dispatch_ = false;
  bool enable_ext_ = false;
  // RunningFlags.isCQWriteable: cleared for good after thirty failed attempts to append.
  bool writeable_ = true;
  std::int64_t simple_file_size_ = 0;
  std::int64_t batch_file_size_ = 0;
  std::vector<std::unique_ptr<StockQueue>> queues_;
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, std::map<std::int32_t, std::size_t>, TextHash, std::equal_to<>> by_topic_;
};

}  // namespace rmq::preflight
