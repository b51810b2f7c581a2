#include "libstore/engine/arrivals.h"

namespace rmq::engine {

void Arrivals::add(const derive::DispatchRequest& request) {
  if (!request.enters_consume_queue()) return;
  add(request.topic, request.queue_id, request.base_offset + request.batch_size, request);
  if (request.multi_queues.empty()) return;
  derive::MultiQueueReader further(request);
  while (const auto queue = further.next())
    add(queue->name, queue->queue_id, queue->queue_offset + 1, request);
}

void Arrivals::add(std::string_view topic, std::int32_t queue_id, std::int64_t next_offset,
                   const derive::DispatchRequest& request) {
  topics_ += topic;
  topic_ends_.push_back(topics_.size());
  arrivals_.push_back({{}, queue_id, next_offset, request.tags_code, request.store_timestamp});
}

void Arrivals::tell(const ArrivalListener& listener) {
  if (arrivals_.empty()) return;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < arrivals_.size(); ++i) {
    arrivals_[i].topic = std::string_view(topics_).substr(begin, topic_ends_[i] - begin);
    begin = topic_ends_[i];
  }
  listener(arrivals_);
}

}  // namespace rmq::engine
